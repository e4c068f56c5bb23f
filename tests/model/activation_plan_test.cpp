#include <gacc/model/activation_plan.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/model/graph.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <utility>

namespace activation_plan_test {

using gacc::Linear;
using gacc::ReLU;
using gacc::Shape;
using Graph = gacc::detail::Graph<float>;

namespace {

/// A graph of samples of this shape, without operations.
Graph graph_of(Shape input) {
    Graph graph;
    graph.set_input(std::move(input));
    return graph;
}

}  // namespace

TEST_CASE("ActivationPlanner: a ReLU after a Linear lies where its input does, one after another ReLU has its own place") {
    Linear first(5, 4), last(4, 3);
    ReLU relu, again;
    Graph graph = graph_of({5});
    graph.apply(again, graph.apply(relu, graph.apply(first, 0)));
    graph.apply(last, 3);
    graph.finish();
    REQUIRE(graph.activations().size() == 3);
    CHECK(graph.values()[1].slot == graph.values()[2].slot);
    CHECK(graph.activations()[1].width == 4);
    CHECK(graph.activations()[2].width == 3);
    CHECK(graph.output().shape == Shape{3});
}

TEST_CASE("ActivationPlanner: an input that has another reader, or is the model's, is not written over") {
    Linear linear(4, 4);
    ReLU relu;
    Graph graph = graph_of({4});
    const std::size_t x = graph.apply(linear, 0);
    graph.sum(graph.apply(relu, x), x);
    graph.finish();
    CHECK(graph.values()[x].slot != graph.values()[x + 1].slot);

    Graph first = graph_of({4});
    first.apply(relu, 0);
    first.finish();
    CHECK(first.activations().size() == 1);
    CHECK_FALSE(first.operations()[0].in_place(first.values()));
}

TEST_CASE("ActivationPlanner: a sum lies where its branch does, unless the branch's layer reads its y") {
    Linear first(4, 4), branch(4, 4);
    ReLU relu;
    Graph graph = graph_of({4});
    const std::size_t x = graph.apply(first, 0), y = graph.apply(branch, x), sum = graph.sum(y, x);
    graph.finish();
    CHECK(graph.values()[sum].slot == graph.values()[y].slot);
    CHECK(graph.activations().size() == 2);

    Graph other = graph_of({4});
    const std::size_t begin = other.apply(first, 0), end = other.apply(relu, other.apply(branch, begin));
    CHECK(other.sum(end, begin) == end + 1);
    other.finish();
    CHECK(other.values()[end + 1].slot != other.values()[end].slot);
}

TEST_CASE("ActivationPlanner: boundaries are where one value is all that is read later") {
    Linear first(4, 4), inside(4, 4), branch(4, 4), last(4, 2);
    ReLU relu;
    Graph graph = graph_of({4});
    const std::size_t x = graph.apply(first, 0);
    const std::size_t y = graph.apply(branch, graph.apply(relu, graph.apply(inside, x)));
    graph.apply(last, graph.sum(y, x));
    graph.finish();
    REQUIRE(graph.activations().size() == 4);
    CHECK(graph.activations()[0].boundary);
    CHECK_FALSE(graph.activations()[1].boundary);
    CHECK(graph.activations()[2].boundary);  // the branch's end, with the sum over it
    CHECK(graph.activations()[3].boundary);
}

TEST_CASE("ActivationPlanner: an activation's work is that of the layers that make it") {
    Linear first(5, 4), last(4, 3);
    ReLU relu;
    Graph graph = graph_of({5});
    graph.apply(last, graph.apply(relu, graph.apply(first, 0)));
    graph.finish();
    CHECK(graph.activations()[0].work == 5 * 4 + 4);
    CHECK(graph.activations()[1].work == 4 * 3 + 3);
}

}  // namespace activation_plan_test
