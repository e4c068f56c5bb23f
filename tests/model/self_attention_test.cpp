#include <gacc/model/self_attention.hpp>

#include <gacc/model/residual.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace self_attention_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::Sequential;
using gacc::ShapeError;

TEST_CASE("SelfAttention: its parameters have nanoGPT's names and shapes") {
    Sequential model(gacc::Input(5, 6), gacc::Residual(gacc::CausalSelfAttention(6, {.heads = 3})),
                     gacc::SelfAttention(6, {.bias = false}));
    std::vector<std::string> names;
    for (const auto& parameter : model.parameters()) { names.push_back(parameter.name()); }
    CHECK(names == std::vector<std::string>{"0.branch.0.c_attn.weight", "0.branch.0.c_attn.bias",
                                            "0.branch.0.c_proj.weight", "0.branch.0.c_proj.bias", "1.c_attn.weight",
                                            "1.c_proj.weight"});
    CHECK(model.parameters()[0].rows() == 18);
    CHECK(model.parameters()[0].cols() == 6);
    CHECK(gacc::CausalSelfAttention(6, {.heads = 3}).description() ==
          "Chain(Linear(6 -> 18), DotProductAttention(6, 3 heads, causal), Linear(6 -> 6))");
    CHECK(model.summary().find("0.branch.0.attention") != std::string::npos);
    CHECK(gacc::SelfAttention(6).input_shape() == gacc::Shape{6});
}

TEST_CASE("SelfAttention: y is c_proj of the attention of c_attn") {
    gacc::Rng rng(1);
    Sequential model(gacc::Input(5, 6), gacc::CausalSelfAttention(6, {.heads = 3}));
    Sequential parts(gacc::Input(5, 6), gacc::Linear(6, 18), gacc::DotProductAttention(6, {.heads = 3, .causal = true}),
                     gacc::Linear(6, 6));
    model.initialize(rng);
    for (std::size_t i = 0; i < 4; ++i) { parts.parameters()[i].set_value(model.parameters()[i].value()); }
    const auto x = random_matrix<float>(rng, 3, 30);
    CHECK(model.predict(x) == parts.predict(x));
    auto other = x;
    other.rightCols(6).setZero();  // the last token, which the others do not see
    const Matrix<float> y = model.predict(x), y_of_other = model.predict(other);
    for (const Index sample : {0, 1, 2}) {
        CHECK(y.middleRows(5 * sample, 4) == y_of_other.middleRows(5 * sample, 4));
        CHECK(y.row(5 * sample + 4) != y_of_other.row(5 * sample + 4));
    }
}

TEST_CASE("SelfAttention: gradients, the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 20; ++trial) {
        const gacc::SelfAttentionOptions options{.heads = 2,
                                                 .bias = trial % 2 == 0,
                                                 .dropout = trial % 3 == 0 ? 0.2 : 0,
                                                 .rotary_positions = trial % 4 == 0 ? 20 : 0};
        const Index tokens = 1 + static_cast<Index>(rng.below(20));
        check_layer(
            [&]<class S>() {
                return trial % 5 == 0 ? gacc::SelfAttention<S>(4, options) : gacc::CausalSelfAttention<S>(4, options);
            },
            {tokens, 4}, rng, -1, 1);
    }
}

TEST_CASE("SelfAttention: first values as GPT-2's, with a scale of the last projection") {
    gacc::Rng rng(3);
    Sequential model(gacc::Input(2, 200),
                     gacc::CausalSelfAttention(
                         200, {.heads = 2, .initialization = gacc::Initialization::gpt2, .projection_scale = 0.5}));
    model.initialize(rng);
    const auto deviation = [&](std::size_t i) {
        const Matrix<float> value = model.parameters()[i].value();
        return std::sqrt(value.squaredNorm() / static_cast<float>(value.size()));
    };
    CHECK(std::abs(deviation(0) / 0.02 - 1) < 0.02);  // of 120,000 numbers: 0.2 %
    CHECK(deviation(1) == 0);
    CHECK(std::abs(deviation(2) / 0.01 - 1) < 0.02);  // of 40,000
}

TEST_CASE("SelfAttention: heads that do not divide the width are an error") {
    CHECK_THROWS_WITH_AS(
        gacc::CausalSelfAttention(128, {.heads = 3}),
        "gacc: DotProductAttention: expected heads that divide the width, got 3 heads for a width of 128", ShapeError);
    CHECK_THROWS_AS(gacc::SelfAttention(-1), ShapeError);
}

}  // namespace self_attention_test
