#pragma once

#include <gacc/core/abi.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI {

namespace detail {

using Crc64Tables = std::array<std::array<std::uint64_t, 256>, 8>;

/// tables[k][b]: the checksum of the byte b followed by k zeros.
inline Crc64Tables crc64_tables() {
    constexpr std::uint64_t polynomial = 0xC96C5795D7870F42;  // bits reversed
    Crc64Tables tables{};
    for (std::uint64_t byte = 0; byte < 256; ++byte) {
        std::uint64_t sum = byte;
        for (int bit = 0; bit < 8; ++bit) { sum = sum >> 1 ^ ((sum & 1) != 0 ? polynomial : 0); }
        tables[0][static_cast<std::size_t>(byte)] = sum;
    }
    for (std::size_t k = 1; k < 8; ++k) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint64_t before = tables[k - 1][byte];
            tables[k][byte] = tables[0][before & 0xff] ^ before >> 8;
        }
    }
    return tables;
}

}  // namespace detail

/// The CRC-64 of the xz format. Detects every burst up to 64 bits; misses others with probability 2^-64.
///
/// Source     ECMA-182, annex B; xz-utils, "The .xz File Format", 6
/// Example    gacc::Crc64 sum;  sum.add(bytes);  sum.value();
class Crc64 {
public:
    void add(std::span<const std::uint8_t> bytes) {
        static const detail::Crc64Tables tables = detail::crc64_tables();
        std::uint64_t sum = ~value_;
        std::size_t i = 0;
        for (; i + 8 <= bytes.size(); i += 8) {  // eight bytes at once, each with the table for its distance
            std::uint64_t next = 0;
            for (int j = 7; j >= 0; --j) { next = next << 8 | bytes[i + static_cast<std::size_t>(j)]; }
            sum ^= next;
            std::uint64_t folded = 0;
            for (std::size_t j = 0; j < 8; ++j) { folded ^= tables[7 - j][sum >> (8 * j) & 0xff]; }
            sum = folded;
        }
        for (; i < bytes.size(); ++i) { sum = tables[0][(sum ^ bytes[i]) & 0xff] ^ sum >> 8; }
        value_ = ~sum;
    }

    /// Of all bytes added so far.
    std::uint64_t value() const { return value_; }

private:
    std::uint64_t value_ = 0;
};

}  // namespace gacc
