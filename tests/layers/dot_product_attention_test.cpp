#include <gacc/layers/dot_product_attention.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>

namespace dot_product_attention_test {

using namespace gacc::test;
using gacc::DotProductAttention;
using gacc::DotProductAttentionOptions;
using gacc::Index;
using gacc::Matrix;
using gacc::Shape;
using gacc::ShapeError;

namespace {

DotProductAttentionOptions random_options(gacc::Rng& rng) {
    return {.heads = 1 + static_cast<Index>(rng.below(3)),
            .causal = rng.below(2) == 0,
            .dropout = rng.below(3) == 0 ? 0.4 : 0,
            .rotary_positions = rng.below(3) == 0 ? 100 : 0};
}
Index random_width(gacc::Rng& rng, const DotProductAttentionOptions& options) {
    const auto half = 1 + static_cast<Index>(rng.below(5));
    return options.heads * (options.rotary_positions > 0 ? 2 * half : half);
}

}  // namespace

TEST_CASE("DotProductAttention: two tokens by hand") {
    // Of the second token, q k' is 0 for the first key and ln 3 for the second, so the weights are 1/4 and 3/4.
    const double log3 = std::log(3.0);
    const Matrix<double> x{{1, 2, 8}, {1, log3, 4}};
    Matrix<double> first_key_0 = x;
    first_key_0(0, 1) = 0;
    const DotProductAttention<double> causal(1, {.causal = true}), full(1);
    const auto y = forward<double>(causal, first_key_0, {2, 3});
    CHECK(y(0, 0) == 8);
    CHECK(y(1, 0) == doctest::Approx(8 * 0.25 + 4 * 0.75).epsilon(1e-15));
    const auto seen = forward<double>(full, first_key_0, {2, 3});
    CHECK(seen(0, 0) == doctest::Approx(8 * 0.25 + 4 * 0.75).epsilon(1e-15));
}

TEST_CASE("DotProductAttention: heads are attentions of their own, and samples do not see each other") {
    gacc::Rng rng(1);
    const auto x = random_matrix<float>(rng, 10, 12);
    const DotProductAttention<float> two(4, {.heads = 2, .causal = true}), one(2, {.causal = true});
    const auto y = forward<float>(two, x, {5, 12});
    for (const Index sample : {0, 1}) {
        for (const Index head : {0, 1}) {
            Matrix<float> own(5, 6);
            for (const Index part : {0, 1, 2}) {
                own.middleCols(2 * part, 2) = x.block(5 * sample, 4 * part + 2 * head, 5, 2);
            }
            CHECK(forward<float>(one, own, {5, 6}) == y.block(5 * sample, 2 * head, 5, 2));
        }
    }
}

TEST_CASE("DotProductAttention: gradients for any shape, the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 40; ++trial) {
        const auto options = random_options(rng);
        const Index width = random_width(rng, options), tokens = 1 + static_cast<Index>(rng.below(20));
        check_layer([&]<class S>() { return DotProductAttention<S>(width, options); }, {tokens, 3 * width}, rng);
    }
    check_cuts([]<class S>() { return DotProductAttention<S>(40, {.heads = 2, .causal = true, .dropout = 0.1}); },
               {70, 120}, rng);
}

TEST_CASE("DotProductAttention: with dropout, the weights are dropped in training alone, and others are scaled") {
    gacc::Rng rng(3);
    auto x = random_matrix<double>(rng, 300, 3);
    x.col(2).setOnes();  // so y is the sum of the weights that are left, divided by 1 - p
    const DotProductAttention<double> layer(1, {.dropout = 0.25});
    CHECK((forward<double>(layer, x, {300, 3}).array() - 1).abs().maxCoeff() < 1e-14);
    const auto y = forward<double>(layer, x, {300, 3}, {.seed = 1, .training = true});
    CHECK(std::abs(y.mean() - 1) < 0.01);  // of 90,000 weights
    CHECK((y.array() - 1).abs().maxCoeff() > 0.05);
    const auto other = forward<double>(layer, x, {300, 3}, {.seed = 2, .training = true});
    CHECK(other != y);
}

TEST_CASE("DotProductAttention: keys at the padding token do not count, by hand") {
    const double log3 = std::log(3.0);
    const Matrix<double> x{{1, 0, 8}, {1, 9, 900}, {1, log3, 4}}, tokens{{7, 2, 0}}, only_padding{{2, 2, 2}};
    const DotProductAttention<double> padded(1, {.padding_token = 2});
    CHECK(padded.plan({3, 3}).reads_tokens);
    CHECK(!DotProductAttention<double>(1).plan({3, 3}).reads_tokens);
    const auto y = forward<double>(padded, x, {3, 3}, {}, tokens);
    for (Index i = 0; i < 3; ++i) { CHECK(y(i, 0) == doctest::Approx(8 * 0.25 + 4 * 0.75).epsilon(1e-15)); }
    CHECK(forward<double>(padded, x, {3, 3}, {}, only_padding) == Matrix<double>::Zero(3, 1));
}

TEST_CASE("DotProductAttention: keeps a number a token and head, however many the pairs of tokens") {
    const DotProductAttention<float> layer(24, {.heads = 3, .causal = true});
    const auto plan = layer.plan({256, 72});
    CHECK(plan.y == Shape{256, 24});
    CHECK(plan.kept == 256 * 3);
    CHECK(DotProductAttention<float>(24).plan({2, 72}).work == 2 * 2 * 2 * 24);
}

TEST_CASE("DotProductAttention: what it cannot take is an error") {
    const auto make = [](Index width, DotProductAttentionOptions options) {
        DotProductAttention<float>{width, options};
    };
    CHECK_THROWS_WITH_AS(
        make(128, {.heads = 3}),
        "gacc: DotProductAttention: expected heads that divide the width, got 3 heads for a width of 128", ShapeError);
    CHECK_THROWS_AS(make(0, {}), ShapeError);
    CHECK_THROWS_AS(make(4, {.heads = 0}), ShapeError);
    CHECK_THROWS_AS(make(4, {.heads = -2}), ShapeError);
    CHECK_THROWS_WITH_AS(make(4, {.dropout = 1}),
                         "gacc: DotProductAttention: expected a probability from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make(6, {.heads = 2, .rotary_positions = 5}),
                         "gacc: DotProductAttention: expected heads of an even size for rotary positions, got 3",
                         ShapeError);
    CHECK_THROWS_WITH_AS(make(4, {.rotary_positions = -1}),
                         "gacc: DotProductAttention: expected rotary positions from 0 to 262144, got -1", ShapeError);
    CHECK_THROWS_AS(make(4, {.rotary_positions = std::numeric_limits<Index>::max()}), ShapeError);
    CHECK_THROWS_WITH_AS(
        make(4, {.padding_token = -2}),
        "gacc: DotProductAttention: expected a padding token from 0 to 16777216, or -1 for none, got -2",
        gacc::UsageError);
    CHECK_NOTHROW(make(4, {.padding_token = 16777216}));
    CHECK_THROWS_AS(make(4, {.padding_token = 16777217}), gacc::UsageError);
    CHECK_NOTHROW(DotProductAttention<double>(4, {.padding_token = 16777217}));

    const DotProductAttention<float> layer(4, {.heads = 2, .causal = true, .rotary_positions = 5});
    CHECK(layer.description() == "DotProductAttention(4, 2 heads, causal)");
    CHECK(DotProductAttention<float>(4).description() == "DotProductAttention(4, 1 head)");
    CHECK_THROWS_WITH_AS(
        layer.plan({6, 12}),
        "gacc: DotProductAttention(4, 2 heads, causal): expected at most 5 tokens, its rotary positions, "
        "got 6",
        ShapeError);
    for (const Shape& shape : {Shape{5, 4}, Shape{12}, Shape{2, 5, 12}}) {
        CHECK_THROWS_AS(layer.plan(shape), ShapeError);
    }
    CHECK_THROWS_WITH_AS(
        layer.plan({12}),
        "gacc: DotProductAttention(4, 2 heads, causal): expected samples of tokens x 12, got samples of "
        "shape 12",
        ShapeError);
}

}  // namespace dot_product_attention_test
