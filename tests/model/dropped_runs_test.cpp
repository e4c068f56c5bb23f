#include <gacc/model/dropped_runs.hpp>

#include <gacc/layers/layer.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace dropped_runs_test {

using gacc::Activation;
using gacc::Index;
using gacc::Matrix;

namespace {

/// Copies x, and counts how often its forward is called. Its y has a place of its own.
class Counter : public gacc::Layer<float> {
public:
    std::string description() const override { return "Counter"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override {
        ++calls;
        call.y = call.x;
    }
    void backward(gacc::Backward<float>) override {}
    mutable int calls = 0;
};

/// Four layers one after the other, and a workspace for their values.
struct Chain {
    /// Drops these activations.
    Chain(Index samples, const std::vector<std::size_t>& dropped) : inputs(Matrix<float>::Ones(samples, 3)) {
        graph.set_input({3});
        for (Counter& layer : layers) { graph.apply(layer, graph.values().size() - 1); }
        graph.finish();
        activations = graph.activations();
        for (Activation& activation : activations) { activation.kept = activation.needed = true; }
        for (const std::size_t i : dropped) { activations[i].kept = false; }
        workspace.lay_out(activations, {}, samples);
    }
    gacc::detail::SampleBlock<float> block() { return {graph, workspace, inputs, 0, workspace.block_rows(), {}}; }
    std::array<int, 4> calls() const {
        return {layers[0].calls, layers[1].calls, layers[2].calls, layers[3].calls};
    }

    std::array<Counter, 4> layers;
    gacc::detail::Graph<float> graph;
    std::vector<Activation> activations;
    gacc::Workspace<float> workspace;
    const Matrix<float> inputs;
};

using Calls = std::array<int, 4>;

}  // namespace

TEST_CASE("DroppedRuns: the last run is there after a forward pass of one block, an earlier one is computed once") {
    gacc::set_threads(1);
    Chain chain(2, {0, 2});
    const auto block = chain.block();
    gacc::detail::DroppedRuns<float> runs(block, chain.activations, 0);
    runs.need(3);
    runs.need(2);
    CHECK(chain.calls() == Calls{0, 0, 0, 0});
    runs.need(1);
    CHECK(chain.calls() == Calls{0, 0, 0, 0});
    runs.need(0);
    runs.need(0);
    CHECK(chain.calls() == Calls{1, 0, 0, 0});
    gacc::set_threads(0);
}

TEST_CASE("DroppedRuns: with several blocks the last run is computed too, from its first activation on") {
    gacc::set_threads(1);
    Chain chain(200, {0, 1, 2});
    REQUIRE(chain.workspace.blocks() == 2);
    const auto block = chain.block();
    gacc::detail::DroppedRuns<float> runs(block, chain.activations, 0);
    runs.need(3);
    CHECK(chain.calls() == Calls{0, 0, 0, 0});
    runs.need(2);
    runs.need(1);
    runs.need(0);
    CHECK(chain.calls() == Calls{1, 1, 1, 0});
    gacc::set_threads(0);
}

}  // namespace dropped_runs_test
