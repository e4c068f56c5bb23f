#include <gacc/optim/adam_pass.hpp>

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace adam_pass_test {

using gacc::Buffer;
using gacc::Index;
using gacc::detail::AdamArrays;
using gacc::detail::AdamPass;

namespace {

constexpr Index packets = 12;

template <class Scalar>
struct Arrays {
    Buffer<Scalar> value, grad, m, v;

    Arrays() : value(size()), grad(size()), m(size()), v(size()) {
        gacc::Rng rng(1);
        for (auto* numbers : {&value, &grad, &m}) {
            std::ranges::generate(numbers->span(), [&] { return static_cast<Scalar>(rng.uniform(-1, 1)); });
        }
        std::ranges::generate(v.span(), [&] { return static_cast<Scalar>(rng.uniform(0, 1)); });
    }
    static Index size() { return packets * gacc::detail::Simd<Scalar>::lanes; }

    AdamArrays<Scalar> view() { return {value.data(), grad.data(), m.data(), v.data(), packets}; }
    bool operator==(const Arrays& other) const {
        return std::ranges::equal(value.span(), other.value.span()) && std::ranges::equal(m.span(), other.m.span()) &&
               std::ranges::equal(v.span(), other.v.span());
    }
};

}  // namespace

TEST_CASE_TEMPLATE("AdamPass: updates the packets it is given, each once, like that packet alone", Scalar, float,
                   double) {
    const AdamPass<Scalar> pass({.scale = Scalar(0.5),
                                 .beta1 = Scalar(0.9),
                                 .beta2 = Scalar(0.99),
                                 .rest1 = Scalar(0.1),
                                 .rest2 = Scalar(0.01),
                                 .step_size = Scalar(0.1),
                                 .root_scale = Scalar(2),
                                 .epsilon = Scalar(1e-8)});
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

}  // namespace adam_pass_test
