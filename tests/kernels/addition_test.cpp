#include <gacc/kernels/addition.hpp>

#include <gacc/core/buffer.hpp>

#include <doctest/doctest.h>

namespace addition_test {

TEST_CASE("add_to: every number is added once, with any number of threads") {
    const int before = gacc::threads();
    constexpr gacc::Index width = gacc::detail::Simd<float>::panel_width;
    for (const int threads : {1, 3}) {
        gacc::set_threads(threads);
        for (const gacc::Index count : {width, 3 * width, 5000 * width}) {
            gacc::Buffer<float> to(count + width), from(count + width);
            for (gacc::Index i = 0; i < count + width; ++i) {
                to[i] = static_cast<float>(i);
                from[i] = 0.5F + static_cast<float>(i);
            }
            gacc::detail::add_to(to.data(), from.data(), count);
            int wrong = 0;
            for (gacc::Index i = 0; i < count + width; ++i) {
                const float sum = i < count ? static_cast<float>(i) + (0.5F + static_cast<float>(i)) : static_cast<float>(i);
                wrong += to[i] == sum && from[i] == 0.5F + static_cast<float>(i) ? 0 : 1;
            }
            CHECK(wrong == 0);
        }
    }
    gacc::set_threads(before);
}

}  // namespace addition_test
