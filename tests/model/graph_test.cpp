#include <gacc/model/graph.hpp>

#include <gacc/layers/conv1d.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace graph_test {

using gacc::Linear;
using gacc::Shape;
using Graph = gacc::detail::Graph<float>;

namespace {

struct ElementwiseWithParameter : gacc::ReLU<float> {
    std::string description() const override { return "ElementwiseWithParameter"; }
    std::vector<gacc::Parameter<float>*> parameters() override { return {&slope}; }
    gacc::Parameter<float> slope{"slope", {1}};
};

struct ReadsTokens : gacc::Layer<float> {
    std::string description() const override { return "ReadsTokens"; }
    gacc::LayerPlan plan(const Shape& x) const override {
        return {.y = x, .elementwise = elementwise, .by_rows = by_rows, .reads_tokens = true};
    }
    void forward(gacc::Forward<float>) const override {}
    void backward(gacc::Backward<float>) override {}
    bool by_rows = false, elementwise = false;
};

/// A graph of samples of this shape, without operations.
Graph graph_of(Shape input) {
    Graph graph;
    graph.set_input(std::move(input));
    return graph;
}

}  // namespace

TEST_CASE("Graph: an elementwise layer with parameters is refused") {
    ElementwiseWithParameter layer;
    Graph graph = graph_of({4});
    CHECK_THROWS_WITH_AS(graph.apply(layer, 0),
                         "gacc: Sequential: expected an elementwise layer without parameters whose y has the shape of "
                         "x, got ElementwiseWithParameter",
                         gacc::UsageError);
    CHECK(graph.values().size() == 1);
}

TEST_CASE("Graph: a layer that reads tokens is refused where the input has other tokens, or if it is by rows") {
    ReadsTokens layer;
    Graph graph = graph_of({4});
    gacc::Embedding<float> embedding(3, 2);
    CHECK(graph.apply(layer, graph.apply(embedding, 0)) == 2);
    gacc::Conv1d<float> shorter(2, 2, {.kernel = 2, .stride = 2});
    CHECK_THROWS_WITH_AS(graph.apply(layer, graph.apply(shorter, 1)),
                         "gacc: ReadsTokens: expected a model whose input is 2 tokens, which it reads to find padding, "
                         "got inputs of shape 4",
                         gacc::ShapeError);
    Graph other = graph_of({4, 2});
    CHECK_THROWS_WITH_AS(other.apply(layer, 0),
                         "gacc: ReadsTokens: expected a model whose input is 4 tokens, which it reads to find padding, "
                         "got inputs of shape 4 x 2",
                         gacc::ShapeError);
    CHECK(other.values().size() == 1);
    layer.by_rows = true;
    CHECK_THROWS_WITH_AS(graph.apply(layer, 1),
                         "gacc: Sequential: expected a layer that is not by rows to read tokens, got ReadsTokens",
                         gacc::UsageError);
    layer.by_rows = false;
    layer.elementwise = true;
    CHECK_THROWS_AS(graph.apply(layer, 1), gacc::UsageError);
}

TEST_CASE("Graph: a sum of two shapes, and parts of a Concat that differ in their rows, are refused") {
    Linear narrow(4, 3), wide(4, 5);
    Graph graph = graph_of({2, 4});
    const std::size_t a = graph.apply(narrow, 0), b = graph.apply(wide, 0);
    CHECK_THROWS_WITH_AS(graph.sum(a, b),
                         "gacc: Residual: expected a branch and a shortcut of one shape, got samples of 2 x 3 and 2 x 5",
                         gacc::ShapeError);
    const std::size_t both = graph.concat({a, b, 0});
    CHECK(graph.values()[both].shape == Shape{2, 12});
}

TEST_CASE("Graph: one without an input stays empty") {
    Graph graph;
    graph.finish();
    CHECK(graph.values().empty());
    CHECK(graph.activations().empty());
}

}  // namespace graph_test
