#include <gacc/kernels/attention_forward.hpp>

#include "support/attention.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace attention_forward_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;

namespace {

template <class Scalar, class Drop>
void check_forward(gacc::Rng& rng, bool causal, bool padded = false) {
    const Index tokens = random_tokens(rng), size = 1 + static_cast<Index>(rng.below(40));
    CAPTURE(tokens);
    CAPTURE(size);
    auto numbers = random_attention<Scalar>(rng, tokens, size);
    if (padded) { add_padding(numbers, rng); }
    run_attention<Scalar, Drop>(numbers, causal);
    const auto expected = defined_attention(numbers, causal, Drop::drops);
    // Some units in the last place of numbers up to 20; a wrong key or scale changes y by 0.01 and more.
    const double tolerance = 500 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    CHECK((numbers.y.template cast<double>() - expected.y).cwiseAbs().maxCoeff() < tolerance);
    for (std::size_t i = 0; i < numbers.lse.size(); ++i) {
        CHECK(std::abs(static_cast<double>(numbers.lse[i]) - expected.lse[i]) < tolerance);
    }
}

}  // namespace

TEST_CASE_TEMPLATE("AttentionForward: y and the logarithms are those of the definition", Scalar, float, double) {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        check_forward<Scalar, gacc::detail::DropNothing>(rng, trial % 2 == 0);
        check_forward<Scalar, DropSome>(rng, trial % 2 == 0);
    }
}

TEST_CASE_TEMPLATE("AttentionForward: padding does not count; without a key, y and the logarithm are 0", Scalar, float,
                   double) {
    gacc::Rng rng(3);
    for (int trial = 0; trial < 200; ++trial) {
        check_forward<Scalar, gacc::detail::DropNothing>(rng, trial % 2 == 0, true);
        check_forward<Scalar, DropSome>(rng, trial % 2 == 0, true);
    }
}

TEST_CASE("AttentionForward: padding is not read, and at the ends of a sample it changes no bit") {
    gacc::Rng rng(4);
    for (int trial = 0; trial < 100; ++trial) {
        const bool causal = trial % 2 == 0;
        const Index tokens = random_tokens(rng), before = trial % 4 == 1 ? random_tokens(rng) : 0,
                    after = random_tokens(rng);
        auto alone = random_attention<float>(rng, tokens, 20);
        run_attention(alone, causal);
        auto padded = random_attention<float>(rng, before + tokens + after, 20);
        padded.tokens.assign(padded.lse.size(), 0);
        std::fill_n(padded.tokens.begin() + before, tokens, 1.0F);
        padded.x.rightCols(40).setConstant(std::numeric_limits<float>::quiet_NaN());
        padded.x.middleRows(before, tokens) = alone.x;
        run_attention(padded, causal);
        CHECK(padded.y.middleRows(before, tokens) == alone.y);
        CHECK(std::equal(alone.lse.begin(), alone.lse.end(), padded.lse.begin() + before));
    }
}

TEST_CASE("AttentionForward: if it is causal, later tokens change no bit") {
    gacc::Rng rng(2);
    auto all = random_attention<float>(rng, 150, 20);
    run_attention(all, true);
    for (const Index tokens : {1, 3, 16, 40, 64, 65, 130}) {
        auto first = random_attention<float>(rng, tokens, 20);
        first.x = all.x.topRows(tokens);
        run_attention(first, true);
        CHECK(first.y == all.y.topRows(tokens));
        CHECK(std::equal(first.lse.begin(), first.lse.end(), all.lse.begin()));
    }
}

TEST_CASE("AttentionForward: large scores do not overflow, though the largest comes last") {
    Matrix<float> x = Matrix<float>::Zero(130, 3);
    for (Index i = 0; i < 130; ++i) { x.row(i) << 1000, static_cast<float>(i), static_cast<float>(i % 7); }
    for (const bool causal : {true, false}) {
        AttentionNumbers<float> numbers{x, Matrix<float>(130, 1), {}, {}, std::vector<float>(130)};
        run_attention(numbers, causal);
        for (Index i = 0; i < 130; ++i) {
            const Index best = causal ? i : 129;
            CHECK(numbers.y(i, 0) == static_cast<float>(best % 7));
            CHECK(numbers.lse[static_cast<std::size_t>(i)] == 1000.0F * static_cast<float>(best));
        }
    }
}

}  // namespace attention_forward_test
