#include <gacc/model/summary.hpp>

#include <gacc/accumulation/plan.hpp>
#include <gacc/gacc.hpp>

#include <doctest/doctest.h>

#include <string>

namespace summary_test {

using gacc::Index;
using gacc::Sequential;

namespace {

Sequential<float> model_of_blocks() {
    using namespace gacc;
    return Sequential(
        Input(4, 6), Linear(6, 8), ReLU(),
        Residual(Shortcut(Linear(8, 8)), LayerNorm(8), GELU(), Concat(Linear(8, 3), Chain(Linear(8, 5), Tanh()))),
        Residual(ReLU()), Flatten(), Linear(32, 1200));
}

/// The last number of the line of totals.
std::string total(const std::string& summary) {
    const auto begin = summary.find("total"), end = summary.find('\n', begin);
    return summary.substr(summary.rfind(' ', end) + 1, end - summary.rfind(' ', end) - 1);
}

}  // namespace

TEST_CASE("summary: a table of layers, shapes, parameters and bytes") {
    // If a sample has several rows, rows below 64 bytes have no padding. LayerNorm keeps 8 numbers, in a row of 16.
    CHECK(model_of_blocks().summary() ==
          "name            layer               shape  parameters  bytes a sample\n"
          "input                               4 x 6\n"
          "0               Linear(6 -> 8)      4 x 8          56             128\n"
          "1               ReLU                4 x 8                    in place\n"
          "2.shortcut      Linear(8 -> 8)      4 x 8          72             128\n"
          "2.branch.0      LayerNorm(8)        4 x 8          16             192\n"
          "2.branch.1      GELU                4 x 8                         128\n"
          "2.branch.2.0    Linear(8 -> 3)      4 x 3          27              48\n"
          "2.branch.2.1.0  Linear(8 -> 5)      4 x 5          45              80\n"
          "2.branch.2.1.1  Tanh                4 x 5                    in place\n"
          "2.branch.2      concatenation       4 x 8                         128\n"
          "2               sum                 4 x 8                    in place\n"
          "3.branch.0      ReLU                4 x 8                         128\n"
          "3               sum                 4 x 8                         128\n"
          "4               Flatten             32                            128\n"
          "5               Linear(32 -> 1200)  1200       39,600           4,800\n"
          "total                                          39,816           6,016\n");
}

TEST_CASE("summary: the bytes add up to the activations of a plan") {
    auto model = model_of_blocks();
    const auto bytes = model.workspace_bytes(3, model.activations())[gacc::memory::Kind::activations];
    CHECK(total(model.summary()) == gacc::detail::grouped(bytes / 3));
    gacc::Adam adam(model.parameters());
    const auto plan = gacc::plan({.batch_size = 6, .micro_batch = 3}, model, gacc::SoftmaxCrossEntropy(), adam);
    CHECK(plan.bytes[gacc::memory::Kind::activations] == bytes);
    CHECK(bytes % 3 == 0);
}

TEST_CASE("summary: names are those of parameters") {
    auto model = model_of_blocks();
    const std::string summary = model.summary();
    for (const auto& parameter : model.parameters()) {
        const std::string name = parameter.name().substr(0, parameter.name().rfind('.'));
        CAPTURE(name);
        CHECK(summary.find('\n' + name + ' ') != std::string::npos);
    }
}

TEST_CASE("summary: activations that are computed again are in brackets, and not in the total") {
    Sequential model(gacc::Linear(16, 32), gacc::ReLU(), gacc::Linear(32, 16), gacc::ReLU(), gacc::Linear(16, 16));
    auto activations = model.activations();
    activations[1].kept = false;
    model.lay_out(300, activations);
    CHECK(model.summary() ==
          "name   layer             shape  parameters  bytes a sample\n"
          "input                    16\n"
          "0      Linear(16 -> 32)  32            544             128\n"
          "1      ReLU              32                       in place\n"
          "2      Linear(32 -> 16)  16            528            (64)\n"
          "3      ReLU              16                       in place\n"
          "4      Linear(16 -> 16)  16            272              64\n"
          "total                                1,344             192\n"
          "(in brackets: not kept, but computed again, a block of samples at a time)\n");
}

TEST_CASE("summary: a model without layers") {
    CHECK(Sequential<float>().summary() ==
          "name   layer  shape  parameters  bytes a sample\n"
          "total                         0               0\n");
}

}  // namespace summary_test
