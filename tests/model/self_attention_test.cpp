#include <gacc/model/self_attention.hpp>

#include <gacc/layers/embedding.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/residual.hpp>
#include <gacc/model/transformer_block.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
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

namespace {

/// A model of texts of up to this many tokens, where token 0 is padding, with random parameters.
template <class S>
Sequential<S> padded_model(Index tokens, bool causal, double dropout = 0, Index rotary_positions = 0,
                           bool with_block = true) {
    const gacc::SelfAttentionOptions options{
        .heads = 2, .dropout = dropout, .rotary_positions = rotary_positions, .padding_token = 0};
    Sequential<S> model;
    model.add(gacc::Input(tokens));
    model.add(gacc::Embedding<S>(7, 8, {.deviation = 0.3}));
    model.add(gacc::Residual(causal ? gacc::CausalSelfAttention<S>(8, options) : gacc::SelfAttention<S>(8, options)));
    if (with_block) {
        model.add(gacc::TransformerBlock<S>(8, {.heads = 2,
                                                .causal = causal,
                                                .dropout = dropout,
                                                .rotary_positions = rotary_positions,
                                                .padding_token = 0}));
    }
    model.add(gacc::Linear<S>(8, 7));
    gacc::Rng rng(1);
    model.initialize(rng);
    return model;
}

/// Texts of different lengths, with padding after them, whose labels are ignored. Some have padding anywhere.
template <class S>
std::pair<Matrix<S>, std::vector<gacc::Label>> padded_texts(gacc::Rng& rng, Index samples, Index tokens) {
    Matrix<S> x = Matrix<S>::Zero(samples, tokens);
    std::vector<gacc::Label> labels(static_cast<std::size_t>(x.size()), -100);
    for (Index i = 0; i < samples; ++i) {
        const auto length = static_cast<Index>(rng.below(static_cast<std::uint64_t>(tokens) + 1));
        for (Index t = 0; t < length; ++t) {
            x(i, t) = static_cast<S>(i % 3 == 0 ? rng.below(3) : 1 + rng.below(6));
            labels[static_cast<std::size_t>(i * tokens + t)] = static_cast<gacc::Label>(rng.below(7));
        }
    }
    return {x, labels};
}

}  // namespace

TEST_CASE("SelfAttention: with padding, gradients, and the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(4);
    for (int trial = 0; trial < 10; ++trial) {
        const bool causal = trial % 2 == 0;
        const double dropout = trial % 3 == 0 ? 0.2 : 0;
        const Index tokens = 1 + static_cast<Index>(rng.below(20)), rotary = trial % 4 == 0 ? 20 : 0;
        const auto [x, labels] = padded_texts<float>(rng, 1 + static_cast<Index>(rng.below(20)), tokens);
        check_cuts(padded_model<float>(tokens, causal, dropout, rotary), gacc::SoftmaxCrossEntropy<float>(), x, labels);
        const auto [few, few_labels] = padded_texts<double>(rng, 4, tokens);
        // Without a block, since the norm of small numbers makes central differences rough.
        check_differences(padded_model<double>(tokens, causal, dropout, rotary, false),
                          gacc::SoftmaxCrossEntropy<double>(), few, few_labels);
    }
    const auto [many, many_labels] = padded_texts<float>(rng, 41, 40);  // so that threads share out the samples
    check_cuts(padded_model<float>(40, false), gacc::SoftmaxCrossEntropy<float>(), many, many_labels);
}

TEST_CASE("SelfAttention: a text with padding after it has the bytes of the text alone") {
    gacc::Rng rng(5);
    for (const Index rotary : {0, 200}) {
        for (const Index length : {1, 5, 16, 63, 64, 100}) {
            for (const bool causal : {false, true}) {
                const Index tokens = length + 1 + static_cast<Index>(rng.below(80));
                auto padded = padded_model<float>(tokens, causal, 0, rotary);
                auto alone = padded_model<float>(length, causal, 0, rotary);
                Matrix<float> x = Matrix<float>::Zero(3, tokens), text(1, length);
                std::vector<gacc::Label> labels(static_cast<std::size_t>(3 * tokens), -100), own;
                for (Index t = 0; t < length; ++t) {
                    text(0, t) = x(1, t) = static_cast<float>(1 + rng.below(6));
                    own.push_back(static_cast<gacc::Label>(rng.below(7)));
                    labels[static_cast<std::size_t>(tokens + t)] = own.back();
                }
                x.row(2).setConstant(3);  // a text that no label counts
                CHECK(padded.predict(x).middleRows(tokens, length) == alone.predict(text));
                gacc::SoftmaxCrossEntropy<float> loss;
                loss.forward(padded.forward(x), labels);
                padded.backward(loss.backward());
                loss.forward(alone.forward(text), own);
                alone.backward(loss.backward());
                for (std::size_t i = 0; i < alone.parameters().size(); ++i) {
                    CAPTURE(alone.parameters()[i].name());
                    CHECK(padded.parameters()[i].grad() == alone.parameters()[i].grad());
                }
            }
        }
    }
}

TEST_CASE("SelfAttention: padding changes no sample, and its own values count nowhere") {
    auto model = padded_model<float>(6, false);
    Matrix<float> x{{1, 2, 3, 0, 0, 0}, {4, 0, 5, 0, 6, 0}, {0, 0, 0, 0, 0, 0}};
    const Matrix<float> y = model.predict(x);
    Matrix<float> embedding = model.parameters()[0].value();
    embedding.row(0) *= 3;
    model.parameters()[0].set_value(embedding);
    const Matrix<float> other = model.predict(x);
    for (Index i = 0; i < 18; ++i) { CHECK((y.row(i) == other.row(i)) == (x(i / 6, i % 6) != 0)); }
    CHECK(y.allFinite());
    x.row(2).setConstant(2);
    CHECK(model.predict(x).topRows(12) == other.topRows(12));
}

TEST_CASE("SelfAttention: padding needs a model of tokens") {
    const auto make = [] {
        Sequential<float>(gacc::Input(5, 6), gacc::SelfAttention(6, {.heads = 3, .padding_token = 0}));
    };
    CHECK_THROWS_WITH_AS(make(),
                         "gacc: DotProductAttention(6, 3 heads): expected a model whose input is 5 tokens, which it "
                         "reads to find padding, got inputs of shape 5 x 6",
                         ShapeError);
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
