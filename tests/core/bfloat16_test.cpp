#include <gacc/core/bfloat16.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace bfloat16_test {

using gacc::BFloat16;

TEST_CASE("BFloat16: is the upper half of a float") {
    CHECK(BFloat16(1.0F).bits() == 0x3F80);
    CHECK(BFloat16(-2.5F).bits() == 0xC020);
    CHECK(static_cast<float>(BFloat16(1.00390625F)) == 1);  // 1 + 2^-8: the bit is cut off
    CHECK(static_cast<float>(BFloat16(1.0078125F)) == 1.0078125F);
    CHECK(static_cast<float>(BFloat16(-1e-30F)) == doctest::Approx(-1e-30).epsilon(0.008));
    CHECK(BFloat16() == BFloat16(0.0F));
}

TEST_CASE("BFloat16: every one of them is a float and itself again") {
    for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
        const BFloat16 number = std::bit_cast<BFloat16>(static_cast<std::uint16_t>(bits));
        CHECK(BFloat16(static_cast<float>(number)) == number);
    }
    CHECK(static_cast<float>(std::bit_cast<BFloat16>(std::uint16_t{0x7F80})) == std::numeric_limits<float>::infinity());
    CHECK(std::isnan(static_cast<float>(std::bit_cast<BFloat16>(std::uint16_t{0x7FC0}))));
}

}  // namespace bfloat16_test
