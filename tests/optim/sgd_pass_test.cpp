#include <gacc/optim/sgd_pass.hpp>

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace sgd_pass_test {

using gacc::Buffer;
using gacc::Index;
using gacc::detail::Momentum;
using gacc::detail::SGDPass;

namespace {

constexpr Index packets = 7;

struct Arrays {
    Buffer<float> value, grad, velocity;

    Arrays() : value(size()), grad(size()), velocity(size()) {
        gacc::Rng rng(1);
        for (auto* numbers : {&value, &grad, &velocity}) {
            std::ranges::generate(numbers->span(), [&] { return static_cast<float>(rng.uniform(-1, 1)); });
        }
    }
    static Index size() { return packets * gacc::detail::Simd<float>::lanes; }

    gacc::detail::SGDArrays<float> view() { return {value.data(), grad.data(), velocity.data(), packets}; }
    bool operator==(const Arrays& other) const {
        return std::ranges::equal(value.span(), other.value.span()) &&
               std::ranges::equal(velocity.span(), other.velocity.span());
    }
};

template <Momentum kind>
void check() {
    const SGDPass<float, kind> pass({.scale = 0.5F, .weight_decay = 0.1F, .momentum = 0.9F, .learning_rate = 0.1F});
    for (Index first = 0; first <= packets; ++first) {
        for (Index last = first; last <= packets; ++last) {
            Arrays together, alone;
            pass.run(together.view(), first, last);
            for (Index i = first; i < last; ++i) { pass.run(alone.view(), i, i + 1); }
            CHECK(together == alone);
            CHECK((together == Arrays()) == (first == last));
        }
    }
}

}  // namespace

TEST_CASE("SGDPass: updates the packets it is given, each once, like that packet alone") {
    check<Momentum::none>();
    check<Momentum::plain>();
    check<Momentum::nesterov>();
}

TEST_CASE("SGDPass: without momentum there need be no velocities") {
    Arrays arrays, same;
    const SGDPass<float, Momentum::none> pass(
        {.scale = 0.5F, .weight_decay = 0.1F, .momentum = 0, .learning_rate = 0.1F});
    auto view = arrays.view();
    view.velocity = nullptr;
    pass.run(view, 0, packets);
    pass.run(same.view(), 0, packets);
    CHECK(arrays == same);
}

}  // namespace sgd_pass_test
