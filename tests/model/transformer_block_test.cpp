#include <gacc/model/transformer_block.hpp>

#include <gacc/core/memory.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/position_embedding.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/residual.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace transformer_block_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::Sequential;

TEST_CASE("TransformerBlock: it is two Residuals") {
    gacc::Rng rng(1);
    Sequential block(gacc::Input(5, 6), gacc::TransformerBlock(6, {.heads = 2, .bias = false}));
    Sequential parts(
        gacc::Input(5, 6),
        gacc::Residual(gacc::LayerNorm(6, {.bias = false}), gacc::CausalSelfAttention(6, {.heads = 2, .bias = false})),
        gacc::Residual(gacc::LayerNorm(6, {.bias = false}), gacc::Linear(6, 24, {.bias = false}), gacc::GELU(),
                       gacc::Linear(24, 6, {.bias = false})));
    block.initialize(rng);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < 6; ++i) {
        parts.parameters()[i].set_value(block.parameters()[i].value());
        names.push_back(block.parameters()[i].name());
    }
    CHECK(names == std::vector<std::string>{"0.0.branch.0.weight", "0.0.branch.1.c_attn.weight",
                                            "0.0.branch.1.c_proj.weight", "0.1.branch.0.weight", "0.1.branch.1.weight",
                                            "0.1.branch.3.weight"});
    const auto x = random_matrix<float>(rng, 3, 30);
    CHECK(block.predict(x) == parts.predict(x));
    CHECK_THROWS_AS(Sequential(gacc::Input(5, 6), gacc::TransformerBlock(6, {.padding_token = 0})), gacc::ShapeError);
}

TEST_CASE("TransformerBlock: the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 10; ++trial) {
        const gacc::TransformerBlockOptions options{.heads = 2,
                                                    .causal = trial % 2 == 0,
                                                    .bias = trial % 3 == 0,
                                                    .dropout = trial % 4 == 0 ? 0.2 : 0,
                                                    .rotary_positions = trial % 5 == 0 ? 20 : 0};
        check_cuts([&]<class S>() { return gacc::TransformerBlock<S>(16, options); },
                   {1 + static_cast<Index>(rng.below(8)), 16}, rng);
    }
}

TEST_CASE("TransformerBlock: with gpt2_blocks, weights are normal with 0.02, and smaller at the ends of branches") {
    gacc::Rng rng(3);
    Sequential model(gacc::Input(2, 100), gacc::TransformerBlock(100, {.heads = 2, .bias = false, .gpt2_blocks = 8}));
    model.initialize(rng);
    for (const auto& [parameter, expected] :
         {std::pair<std::size_t, double>{1, 0.02}, {2, 0.005}, {4, 0.02}, {5, 0.005}}) {
        const Matrix<float> value = model.parameters()[parameter].value();
        CHECK(std::abs(std::sqrt(value.squaredNorm() / static_cast<float>(value.size())) / expected - 1) < 0.04);
    }
    CHECK_THROWS_WITH_AS(gacc::TransformerBlock(4, {.gpt2_blocks = -1}),
                         "gacc: TransformerBlock: expected 0 or more blocks, got -1", gacc::ShapeError);
}

TEST_CASE("TransformerBlock: there is no memory for all pairs of 256 tokens, and it grows as the tokens") {
    gacc::Rng rng(4);
    const std::size_t pairs = 256 * 256 * sizeof(float), heads = 4;
    const Index samples = 4;
    const auto train = [&](Index tokens) {  // the bytes at the peak
        const std::size_t before = gacc::memory::live().total();
        gacc::memory::forget_peak();
        Sequential model(gacc::Input(tokens, 16), gacc::TransformerBlock(16, {.heads = 4}));
        model.initialize(rng);
        const Matrix<float> x = Matrix<float>::Random(samples, tokens * 16);
        gacc::MeanSquaredError<float> loss;
        const Matrix<float> targets = Matrix<float>::Zero(samples * tokens, 16);
        loss.forward(model.forward(x), targets);
        model.backward(loss.backward());
        return gacc::memory::peak_total() - before;
    };
    train(512);  // so that the threads have their scratch
    const std::size_t half = train(128), whole = train(256);
    CHECK(2 * whole < 4 * heads * pairs);  // though this is all that training takes
    CHECK(2 * whole < 5 * half);                 // memory for pairs would grow fourfold
}

TEST_CASE("TransformerBlock: a GPT refuses unknown tokens and labels, too many tokens, and heads that do not divide") {
    const auto gpt = [](Index tokens, Index heads) {
        return Sequential(gacc::Input(tokens), gacc::Embedding(5, 6), gacc::PositionEmbedding(4, 6),
                          gacc::TransformerBlock(6, {.heads = heads}), gacc::Linear(6, 5));
    };
    CHECK_THROWS_WITH_AS(gpt(5, 2),
                         "gacc: PositionEmbedding(4, 6): expected samples of at most 4 x 6, got samples of shape 5 x 6",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(
        gpt(4, 4), "gacc: DotProductAttention: expected heads that divide the width, got 4 heads for a width of 6",
        gacc::ShapeError);
    auto model = gpt(4, 2);
    gacc::Rng rng(5);
    model.initialize(rng);
    const Matrix<float> unknown{{0, 1, 5, 2}}, longer{{0, 1, 2, 3, 4}};
    for (const int threads : {1, 2}) {
        gacc::set_threads(threads);
        CHECK_THROWS_WITH_AS(model.predict(unknown), "gacc: Embedding(5, 6): expected tokens from 0 to 4, got 5",
                             gacc::DataError);
        CHECK_THROWS_WITH_AS(model.forward(unknown), "gacc: Embedding(5, 6): expected tokens from 0 to 4, got 5",
                             gacc::DataError);
    }
    gacc::set_threads(0);
    CHECK_THROWS_WITH_AS(model.forward(longer),
                         "gacc: Embedding(5, 6): expected 4 features a sample, got a micro-batch of shape 1 x 5 "
                         "(samples x features)",
                         gacc::ShapeError);
    const Matrix<float> known{{0, 1, 2, 4}};
    const std::vector<gacc::Label> labels{0, 1, 2, 5};
    gacc::SoftmaxCrossEntropy loss;
    CHECK_THROWS_WITH_AS(loss.forward(model.forward(known), labels),
                         "gacc: SoftmaxCrossEntropy: expected labels from 0 to 4 (or -100 to ignore a sample), got 5 "
                         "for sample 3 of the micro-batch",
                         gacc::UsageError);
}

TEST_CASE("TransformerBlock: dropout ends both branches") {
    const std::string text = gacc::TransformerBlock(4, {.dropout = 0.5}).description();
    CHECK(text.find("Linear(4 -> 4)), Dropout(0.5))") != std::string::npos);
    CHECK(text.find("Linear(16 -> 4), Dropout(0.5))") != std::string::npos);
}

}  // namespace transformer_block_test
