#include <gacc/core/scalar_range.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace scalar_range_test {

using gacc::detail::has_inverse;
using gacc::detail::in_range;

TEST_CASE("in_range: a float ends at its largest number, and NaN is in no range") {
    constexpr double largest = std::numeric_limits<float>::max(), infinity = std::numeric_limits<double>::infinity();
    CHECK(in_range<float>(largest));
    CHECK(in_range<float>(-largest));
    CHECK(in_range<float>(0));
    CHECK_FALSE(in_range<float>(1.0001 * largest));
    CHECK_FALSE(in_range<float>(-1.0001 * largest));
    CHECK(in_range<double>(1.0001 * largest));
    CHECK_FALSE(in_range<double>(infinity));
    CHECK_FALSE(in_range<float>(std::nan("")));
    CHECK_FALSE(in_range<double>(std::nan("")));
}

TEST_CASE("has_inverse: what a step divides by has an inverse with all bits of its type") {
    CHECK(has_inverse<float>(1));
    CHECK(has_inverse<float>(1e-38));
    CHECK(has_inverse<float>(8e37));
    CHECK_FALSE(has_inverse<float>(1e-40));
    CHECK_FALSE(has_inverse<float>(9e37));
    CHECK_FALSE(has_inverse<float>(0));
    CHECK_FALSE(has_inverse<float>(-1));
    CHECK_FALSE(has_inverse<float>(std::nan("")));
    CHECK(has_inverse<double>(1e-40));
    CHECK_FALSE(has_inverse<double>(1e-310));
    CHECK_FALSE(has_inverse<double>(std::numeric_limits<double>::infinity()));
}

}  // namespace scalar_range_test
