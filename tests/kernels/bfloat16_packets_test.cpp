#include <gacc/kernels/bfloat16_packets.hpp>

#include <gacc/core/random.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace bfloat16_packets_test {

using gacc::BFloat16;

namespace {

using Packet = gacc::detail::Simd<float>::Packet;
constexpr auto lanes = static_cast<std::size_t>(gacc::detail::Simd<float>::lanes);

/// What store_rounded stores for these numbers and random bits.
std::array<BFloat16, lanes> rounded(const std::array<float, lanes>& numbers,
                                    const std::array<std::uint32_t, lanes>& random) {
    std::array<BFloat16, lanes> result;
    const auto packet = gacc::detail::load_packet(numbers.data());
    gacc::detail::store_rounded(result.data(), packet, std::bit_cast<decltype(gacc::detail::bits(packet))>(random));
    return result;
}
float rounded(float number, std::uint32_t random) {
    std::array<float, lanes> numbers;
    std::array<std::uint32_t, lanes> words;
    numbers.fill(number);
    words.fill(random);
    const auto result = rounded(numbers, words);
    for (const BFloat16 each : result) { CHECK(each == result[0]); }
    return static_cast<float>(result[0]);
}

}  // namespace

TEST_CASE("load_bfloat16: the numbers in their lanes") {
    std::array<BFloat16, lanes> stored;
    std::array<float, lanes> expected, loaded;
    for (std::size_t i = 0; i < lanes; ++i) {
        expected[i] = 1.5F * static_cast<float>(i) - 2;
        stored[i] = BFloat16(expected[i]);
    }
    Packet packet;
    gacc::detail::load_bfloat16(stored.data(), packet);
    gacc::detail::store_packet(loaded.data(), packet);
    CHECK(loaded == expected);
}

TEST_CASE("store_rounded: each lane has its own number and random bits") {
    std::array<float, lanes> numbers;
    std::array<std::uint32_t, lanes> random;
    for (std::size_t i = 0; i < lanes; ++i) {
        numbers[i] = std::bit_cast<float>(0x40008000U + static_cast<std::uint32_t>(i << 16));  // between two
        random[i] = i % 2 == 0 ? 0x7FFF : 0x8000;
    }
    const auto result = rounded(numbers, random);
    for (std::size_t i = 0; i < lanes; ++i) { CHECK(result[i].bits() == 0x4000 + i + i % 2); }
}

TEST_CASE("store_rounded: away from zero for as many of the random numbers as the lower bits say") {
    for (const std::uint32_t lower : {0U, 1U, 0x1234U, 0x8000U, 0xFFFFU}) {
        for (const std::uint32_t sign : {0U, 0x80000000U}) {
            const float number = std::bit_cast<float>(sign + 0x3DCC0000U + lower);
            std::uint32_t away = 0;
            for (std::uint32_t random = 0; random <= 0xFFFF; random += static_cast<std::uint32_t>(lanes)) {
                std::array<float, lanes> numbers;
                std::array<std::uint32_t, lanes> words;
                numbers.fill(number);
                for (std::size_t i = 0; i < lanes; ++i) { words[i] = random + static_cast<std::uint32_t>(i); }
                for (const BFloat16 each : rounded(numbers, words)) {
                    const std::uint32_t bits = each.bits();
                    REQUIRE((bits == (sign >> 16) + 0x3DCC || bits == (sign >> 16) + 0x3DCD));
                    away += bits & 1;
                }
            }
            CHECK(away == lower);
        }
    }
}

TEST_CASE("store_rounded: zero, infinity and NaN stay, and no finite number becomes infinite") {
    constexpr float largest = std::numeric_limits<float>::max(), infinity = std::numeric_limits<float>::infinity();
    const float largest_rounded = std::bit_cast<float>(0x7F7F0000U);
    for (const std::uint32_t random : {0U, 1U, 0x8000U, 0xFFFFU}) {
        for (const float sign : {1.0F, -1.0F}) {
            const float zero = sign * 0.0F;
            CHECK(std::bit_cast<std::uint32_t>(rounded(zero, random)) == std::bit_cast<std::uint32_t>(zero));
            CHECK(rounded(sign * largest, random) == sign * largest_rounded);
            CHECK(rounded(sign * largest_rounded, random) == sign * largest_rounded);
            CHECK(rounded(sign * infinity, random) == sign * infinity);
        }
        CHECK(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN(), random)));
        CHECK(std::isnan(rounded(std::bit_cast<float>(0x7FFFFFFFU), random)));
        CHECK(rounded(std::numeric_limits<float>::min(), random) == std::numeric_limits<float>::min());
    }
    CHECK(rounded(std::bit_cast<float>(0x7F7EFFFFU), 0xFFFF) == largest_rounded);  // the last that may be rounded up
}

}  // namespace bfloat16_packets_test
