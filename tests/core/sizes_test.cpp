#include <gacc/core/sizes.hpp>

#include <doctest/doctest.h>

#include <new>
#include <string>

namespace sizes_test {

using gacc::Index;
using gacc::detail::largest_size;
using gacc::detail::product_of;
using gacc::detail::sum_of;
using gacc::detail::with_memory;

TEST_CASE("sizes: a product is exact up to the largest size, and that size beyond") {
    CHECK(product_of(6, 7) == 42);
    CHECK(product_of(2, 3, 7) == 42);
    CHECK(product_of(0, largest_size) == 0);
    CHECK(product_of(largest_size, 0) == 0);
    CHECK(product_of(largest_size, 1) == largest_size);
    CHECK(product_of(largest_size / 2, 2) == largest_size - 1);
    CHECK(product_of(largest_size / 2 + 1, 2) == largest_size);
    CHECK(product_of(2, largest_size / 2 + 1) == largest_size);
    CHECK(product_of(largest_size, largest_size, largest_size) == largest_size);
}

TEST_CASE("sizes: a sum is exact up to the largest size, and that size beyond") {
    CHECK(sum_of(40, 2) == 42);
    CHECK(sum_of(1, 1, 40) == 42);
    CHECK(sum_of(largest_size - 2, 1) == largest_size - 1);
    CHECK(sum_of(largest_size - 1, 1) == largest_size);
    CHECK(sum_of(largest_size, 1) == largest_size);
    CHECK(sum_of(largest_size, largest_size, 1) == largest_size);
}

TEST_CASE("sizes: memory that is not there is an error with its bytes") {
    CHECK(with_memory("layer", 3, 4, "weight", "use smaller sizes", [] { return 5; }) == 5);
    const auto none = []() -> int { throw std::bad_alloc(); };
    CHECK_THROWS_WITH_AS(with_memory("layer", 300, 4, "weight", "use smaller sizes", none),
                         "gacc: layer: expected memory for 1,200 bytes of weight, got none; use smaller sizes",
                         gacc::MemoryError);
    CHECK_THROWS_AS(with_memory("layer", largest_size, 4, "weight", "use smaller sizes", none), gacc::MemoryError);
}

}  // namespace sizes_test
