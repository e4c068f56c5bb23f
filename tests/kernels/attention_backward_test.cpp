#include <gacc/kernels/attention_backward.hpp>

#include "support/attention.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

namespace attention_backward_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;

namespace {

template <class Scalar, class Drop>
void check_backward(gacc::Rng& rng, bool causal, bool padded = false) {
    const Index tokens = random_tokens(rng), size = 1 + static_cast<Index>(rng.below(40));
    CAPTURE(tokens);
    CAPTURE(size);
    auto numbers = random_attention<Scalar>(rng, tokens, size);
    if (padded) { add_padding(numbers, rng); }
    run_attention<Scalar, Drop>(numbers, causal);
    run_attention_backward<Scalar, Drop>(numbers, causal);
    const auto expected = defined_attention(numbers, causal, Drop::drops);
    // Some units in the last place of numbers up to 20; a wrong key or scale changes a gradient by 0.01 and more.
    const double tolerance = 1000 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    CHECK((numbers.grad_x.template cast<double>() - expected.grad_x).cwiseAbs().maxCoeff() < tolerance);
    for (Index i = 0; i < tokens; ++i) {
        if (numbers.is_padding(i)) { CHECK((numbers.grad_x.row(i).rightCols(2 * size).array() == 0).all()); }
    }
}

}  // namespace

TEST_CASE_TEMPLATE("AttentionBackward: the gradients are those of the definition", Scalar, float, double) {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        check_backward<Scalar, gacc::detail::DropNothing>(rng, trial % 2 == 0);
        check_backward<Scalar, DropSome>(rng, trial % 2 == 0);
    }
}

TEST_CASE_TEMPLATE("AttentionBackward: k and v of padding have no gradient", Scalar, float, double) {
    gacc::Rng rng(4);
    for (int trial = 0; trial < 200; ++trial) {
        check_backward<Scalar, gacc::detail::DropNothing>(rng, trial % 2 == 0, true);
        check_backward<Scalar, DropSome>(rng, trial % 2 == 0, true);
    }
}

TEST_CASE("AttentionBackward: padding is not read, and at the ends of a sample it changes no bit") {
    gacc::Rng rng(5);
    for (int trial = 0; trial < 100; ++trial) {
        const bool causal = trial % 2 == 0;
        const Index tokens = random_tokens(rng), before = trial % 4 == 1 ? random_tokens(rng) : 0,
                    after = random_tokens(rng);
        auto alone = random_attention<float>(rng, tokens, 20);
        run_attention(alone, causal);
        run_attention_backward(alone, causal);
        auto padded = random_attention<float>(rng, before + tokens + after, 20);
        padded.tokens.assign(padded.lse.size(), 0);
        std::fill_n(padded.tokens.begin() + before, tokens, 1.0F);
        padded.x.rightCols(40).setConstant(std::numeric_limits<float>::quiet_NaN());
        padded.x.middleRows(before, tokens) = alone.x;
        padded.grad_y.setZero();
        padded.grad_y.middleRows(before, tokens) = alone.grad_y;
        run_attention(padded, causal);
        run_attention_backward(padded, causal);
        CHECK(padded.grad_x.middleRows(before, tokens) == alone.grad_x);
        CHECK((padded.grad_x.topRows(before).array() == 0).all());
        CHECK((padded.grad_x.bottomRows(after).array() == 0).all());
    }
}

TEST_CASE("AttentionBackward: gradients may lie over q, k and v") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 40; ++trial) {
        auto apart = random_attention<float>(rng, random_tokens(rng), 1 + static_cast<Index>(rng.below(40)));
        if (trial % 4 >= 2) { add_padding(apart, rng); }
        run_attention(apart, trial % 2 == 0);
        auto over = apart;
        run_attention_backward(apart, trial % 2 == 0);
        run_attention_backward(over, trial % 2 == 0, true);
        CHECK(over.grad_x == apart.grad_x);
    }
}

TEST_CASE("AttentionBackward: if it is causal, an infinite value of a later token changes no gradient of a query") {
    gacc::Rng rng(3);
    auto numbers = random_attention<float>(rng, 40, 8);
    run_attention(numbers, true);
    auto other = numbers;
    other.x(37, 2 * 8) = std::numeric_limits<float>::infinity();
    run_attention_backward(numbers, true);
    run_attention_backward(other, true);
    CHECK(other.grad_x.topLeftCorner(37, 8) == numbers.grad_x.topLeftCorner(37, 8));
    CHECK(!other.grad_x.row(38).array().isFinite().all());
}

}  // namespace attention_backward_test
