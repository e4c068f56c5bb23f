#include <gacc/model/graph_marks.hpp>

#include <gacc/layers/flatten.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/parameters/model_parameter.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace graph_marks_test {

using gacc::Linear;
using gacc::ReLU;
using Graph = gacc::detail::Graph<float>;

namespace {

/// A layer that is not by rows, with as many rows as before.
struct Mixer : gacc::Layer<float> {
    std::string description() const override { return "Mixer"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float>) const override {}
    void backward(gacc::Backward<float>) override {}
};

}  // namespace

TEST_CASE("GraphMarks: a value knows its readers in order, also after more operations were added") {
    Linear linear(4, 4);
    ReLU relu;
    Graph graph;
    graph.set_input({4});
    const std::size_t x = graph.apply(linear, 0), y = graph.apply(relu, x);
    graph.finish();
    CHECK(graph.values()[x].readers == std::vector<std::size_t>{1});
    CHECK(graph.values()[y].readers.empty());
    graph.sum(y, x);
    graph.finish();
    CHECK(graph.values()[x].readers == std::vector<std::size_t>{1, 2});
    CHECK(graph.values()[y].readers == std::vector<std::size_t>{2});
}

TEST_CASE("GraphMarks: a value wants a gradient if a trained parameter lies below it") {
    Linear first(4, 4), last(4, 4);
    ReLU relu;
    Graph graph;
    graph.set_input({4});
    const std::size_t x = graph.apply(first, 0), y = graph.apply(relu, x), z = graph.apply(last, x);
    const std::size_t sum = graph.sum(y, z);
    for (auto* parameter : first.parameters()) { gacc::detail::ModelParameter<float>::freeze(*parameter); }
    graph.finish();
    const auto wants = [&](std::size_t i) { return graph.values()[i].wants_grad; };
    CHECK_FALSE(wants(0));
    CHECK_FALSE(wants(x));
    CHECK_FALSE(wants(y));
    CHECK(wants(z));
    CHECK(wants(sum));
    for (auto* parameter : first.parameters()) { gacc::detail::ModelParameter<float>::unfreeze(*parameter); }
    graph.finish();
    CHECK(wants(x));
    CHECK_FALSE(wants(0));
}

TEST_CASE("GraphMarks: a gradient is complete after the first operation with the parameter") {
    Linear first(4, 4), last(4, 4);
    ReLU relu;
    Graph graph;
    graph.set_input({4});
    graph.apply(first, graph.apply(last, graph.apply(relu, graph.apply(first, 0))));
    graph.finish();
    CHECK(graph.operations()[0].completes == first.parameters());
    CHECK(graph.operations()[1].completes.empty());
    CHECK(graph.operations()[2].completes == last.parameters());
    CHECK(graph.operations()[3].completes.empty());
}

TEST_CASE("GraphMarks: values are by rows after the last operation that mixes rows, not before it") {
    Linear first(4, 3), last(3, 2);
    Mixer mixer;
    ReLU relu;
    Graph graph;
    graph.set_input({2, 4});
    graph.apply(relu, graph.apply(last, graph.apply(mixer, graph.apply(first, 0))));
    graph.finish();
    CHECK_FALSE(graph.values()[0].by_rows);
    CHECK_FALSE(graph.values()[1].by_rows);
    CHECK(graph.values()[2].by_rows);
    CHECK(graph.values()[3].by_rows);
    CHECK(graph.output().by_rows);
}

TEST_CASE("GraphMarks: a value with other rows than the outputs is not by rows") {
    Linear first(4, 3);
    gacc::Flatten flatten;
    Graph graph;
    graph.set_input({2, 4});
    graph.apply(flatten, graph.apply(first, 0));
    graph.finish();
    CHECK_FALSE(graph.values()[0].by_rows);
    CHECK_FALSE(graph.values()[1].by_rows);
    CHECK(graph.output().by_rows);
}

}  // namespace graph_marks_test
