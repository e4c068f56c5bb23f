#include <gacc/optim/elementwise.hpp>

#include <gacc/core/random.hpp>
#include <gacc/optim/lion.hpp>
#include <gacc/optim/nadam.hpp>
#include <gacc/optim/rmsprop.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

namespace elementwise_test {

using gacc::Buffer;
using gacc::Index;

namespace {

constexpr Index packets = 7;

template <class Scalar>
struct Arrays {
    std::array<Buffer<Scalar>, 5> all;  // value, grad, and three that are kept

    Arrays() {
        gacc::Rng rng(1);
        for (auto& numbers : all) {
            numbers = Buffer<Scalar>(packets * gacc::detail::Simd<Scalar>::lanes);
            std::ranges::generate(numbers.span(), [&] { return static_cast<Scalar>(rng.uniform(0, 1)); });
        }
    }
    gacc::detail::ElementArrays<Scalar> view() {
        return {all[0].data(), all[1].data(), {all[2].data(), all[3].data(), all[4].data()}, packets};
    }
    bool operator==(const Arrays& other) const {
        return std::ranges::equal(all, other.all,
                                  [](const auto& a, const auto& b) { return std::ranges::equal(a.span(), b.span()); });
    }
};

/// A pass updates the packets that it is given, each once, like that packet alone.
template <class Scalar, class Pass>
void check(const Pass& pass) {
    for (Index first = 0; first <= packets; ++first) {
        for (Index last = first; last <= packets; ++last) {
            CAPTURE(first);
            CAPTURE(last);
            Arrays<Scalar> together, alone;
            pass.run(together.view(), first, last);
            for (Index i = first; i < last; ++i) { pass.run(alone.view(), i, i + 1); }
            CHECK(together == alone);
            CHECK((together == Arrays<Scalar>()) == (first == last));
        }
    }
}

}  // namespace

TEST_CASE_TEMPLATE("Elementwise: passes update the packets they are given, each once, like that packet alone", Scalar,
                   float, double) {
    check<Scalar>(gacc::detail::LionPass<Scalar>({.scale = Scalar(0.5),
                                                  .beta1 = Scalar(0.9),
                                                  .beta2 = Scalar(0.99),
                                                  .rest1 = Scalar(0.1),
                                                  .rest2 = Scalar(0.01),
                                                  .learning_rate = Scalar(0.1),
                                                  .decay = Scalar(0.01)}));
    const gacc::detail::RMSpropStep<Scalar> rmsprop{.scale = Scalar(0.5),
                                                    .alpha = Scalar(0.9),
                                                    .rest = Scalar(0.1),
                                                    .epsilon = Scalar(1e-8),
                                                    .weight_decay = Scalar(0.1),
                                                    .momentum = Scalar(0.5),
                                                    .learning_rate = Scalar(0.1)};
    check<Scalar>(gacc::detail::RMSpropPass<Scalar, false, false>(rmsprop));
    check<Scalar>(gacc::detail::RMSpropPass<Scalar, false, true>(rmsprop));
    check<Scalar>(gacc::detail::RMSpropPass<Scalar, true, false>(rmsprop));
    check<Scalar>(gacc::detail::RMSpropPass<Scalar, true, true>(rmsprop));
    check<Scalar>(gacc::detail::NAdamPass<Scalar>({.scale = Scalar(0.5),
                                                   .beta1 = Scalar(0.9),
                                                   .beta2 = Scalar(0.99),
                                                   .rest1 = Scalar(0.1),
                                                   .rest2 = Scalar(0.01),
                                                   .of_grad = Scalar(0.1),
                                                   .of_mean = Scalar(0.2),
                                                   .root_scale = Scalar(2),
                                                   .epsilon = Scalar(1e-8),
                                                   .decay = Scalar(0.01)}));
}

}  // namespace elementwise_test
