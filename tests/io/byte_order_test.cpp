#include <gacc/io/byte_order.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdint>

namespace byte_order_test {

using gacc::detail::from_little_endian;
using gacc::detail::little_endian;

TEST_CASE("little_endian: the lowest byte first, on every machine") {
    CHECK(little_endian(std::uint8_t{7}) == std::array<std::uint8_t, 1>{7});
    CHECK(little_endian(std::uint16_t{0x1234}) == std::array<std::uint8_t, 2>{0x34, 0x12});
    CHECK(little_endian(std::uint64_t{0x0102030405060708}) == std::array<std::uint8_t, 8>{8, 7, 6, 5, 4, 3, 2, 1});
    CHECK(little_endian(std::int32_t{-2}) == std::array<std::uint8_t, 4>{0xfe, 0xff, 0xff, 0xff});
    CHECK(little_endian(1.0F) == std::array<std::uint8_t, 4>{0, 0, 0x80, 0x3f});
    CHECK(little_endian(-2.0) == std::array<std::uint8_t, 8>{0, 0, 0, 0, 0, 0, 0, 0xc0});
}

TEST_CASE("from_little_endian: the number again, from any address") {
    const std::array<std::uint8_t, 9> bytes{0xff, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0};
    CHECK(from_little_endian<float>(bytes.data() + 1) == 1.0F);
    CHECK(from_little_endian<std::uint16_t>(bytes.data() + 3) == 0x3f80);
    CHECK(from_little_endian<std::int64_t>(bytes.data() + 1) == -0x3fffffffc0800000);
}

}  // namespace byte_order_test
