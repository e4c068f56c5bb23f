#include <gacc/model/sample_block.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/model/graph.hpp>

#include <doctest/doctest.h>

#include <cstddef>

namespace sample_block_test {

using gacc::Index;
using gacc::Matrix;

namespace {

/// 6 samples of two rows with 3 features, and a Linear layer to 2 features.
struct Model {
    Model() {
        graph.set_input({2, 3});
        graph.apply(linear, 0);
        graph.finish();
        workspace.lay_out(graph.activations(), {}, 6);
        for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(i); }
    }
    gacc::Linear<float> linear{3, 2};
    gacc::detail::Graph<float> graph;
    gacc::Workspace<float> workspace;
    Matrix<float> inputs{6, 6};
};

}  // namespace

TEST_CASE("SampleBlock: reads the rows of its own samples") {
    Model model;
    const gacc::detail::SampleBlock<float> block{model.graph, model.workspace, model.inputs, 2, 4, {}};
    CHECK(block.read(0, 1, 2) == Matrix<float>{{18, 19, 20}, {21, 22, 23}, {24, 25, 26}, {27, 28, 29}});
    block.write(1, 1, 1).setConstant(5);
    CHECK(block.read(1, 1, 1) == Matrix<float>::Constant(2, 2, 5));
    CHECK(model.workspace.activation(0, 3, 1) == Matrix<float>::Constant(2, 2, 5));
}

TEST_CASE("SampleBlock: the place of a sample counts rows from the first one of the batch") {
    Model model;
    const gacc::detail::SampleBlock<float> block{model.graph, model.workspace, model.inputs, 2, 4,
                                                 {.seed = 7, .first_row = 10}};
    const gacc::Where where = block.where(model.graph.operations()[0], 1);
    CHECK(where.seed == 7);
    CHECK(where.layer == 0);
    CHECK(where.first_row == (10 + 2 + 1) * 2);
}

TEST_CASE("SampleBlock: the tokens of its own samples, for an operation that reads them") {
    Model model;
    const gacc::detail::SampleBlock<float> block{model.graph, model.workspace, model.inputs, 2, 4, {}};
    auto operation = model.graph.operations()[0];
    CHECK(block.tokens(operation, 1, 2).size() == 0);
    operation.plan.reads_tokens = true;
    CHECK(block.tokens(operation, 1, 2) == model.inputs.middleRows(3, 2));
}

TEST_CASE("SampleBlock: an operation with parameters takes all samples at once") {
    Model model;
    const gacc::detail::SampleBlock<float> block{model.graph, model.workspace, model.inputs, 2, 4, {}};
    int calls = 0;
    block.for_samples(model.graph.operations()[0], [&](Index begin, Index samples) {
        ++calls;
        CHECK(begin == 0);
        CHECK(samples == 4);
    });
    CHECK(calls == 1);
}

}  // namespace sample_block_test
