#pragma once

#include <gacc/core/abi.hpp>

#include <bit>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace gacc::inline GACC_ABI {

/// The upper half of a float: its sign, its exponent and 7 bits of its fraction. It has a float's range and about two and
/// a half digits. It is for storage: arithmetic is done in float.
class BFloat16 {
public:
    BFloat16() = default;
    /// Cuts the other bits off. A float that came from a BFloat16 is that BFloat16 again.
    template <class Number>
        requires std::is_arithmetic_v<Number>
    constexpr explicit BFloat16(Number number)
        : bits_(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(number)) >> 16)) {}

    /// It is exact.
    template <std::floating_point Number>
    constexpr explicit operator Number() const {
        return static_cast<Number>(std::bit_cast<float>(std::uint32_t{bits_} << 16));
    }
    constexpr std::uint16_t bits() const { return bits_; }
    bool operator==(const BFloat16&) const = default;

private:
    std::uint16_t bits_ = 0;
};

}  // namespace gacc
