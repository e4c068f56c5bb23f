#include <gacc/core/checksum.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace checksum_test {

using gacc::Crc64;

namespace {

std::uint64_t sum_of(std::span<const std::uint8_t> bytes) {
    Crc64 sum;
    sum.add(bytes);
    return sum.value();
}

}  // namespace

TEST_CASE("Crc64: the check value of CRC-64/XZ") {
    constexpr std::string_view digits = "123456789";
    CHECK(sum_of({reinterpret_cast<const std::uint8_t*>(digits.data()), digits.size()}) == 0x995DC9BBDF1939FA);
    CHECK(sum_of({}) == 0);
}

TEST_CASE("Crc64: knows nothing of the pieces in which the bytes come") {
    std::vector<std::uint8_t> bytes(60);
    std::ranges::generate(bytes, [n = 1U]() mutable { return static_cast<std::uint8_t>((n *= 75U) >> 3); });
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        Crc64 sum;
        sum.add(std::span(bytes).first(cut));
        sum.add(std::span(bytes).subspan(cut));
        CHECK(sum.value() == sum_of(bytes));
    }
}

TEST_CASE("Crc64: every bit counts") {
    std::vector<std::uint8_t> bytes(40, 0x5a);
    const std::uint64_t whole = sum_of(bytes);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
        CHECK(sum_of(bytes) != whole);
        bytes[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    }
}

}  // namespace checksum_test
