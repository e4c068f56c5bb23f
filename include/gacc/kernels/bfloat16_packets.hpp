#pragma once

#include <gacc/core/bfloat16.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_bits.hpp>

#include <bit>
#include <cstdint>
#include <cstring>

namespace gacc::inline GACC_ABI::detail {

/// As many unsigned integers of 16 bits as a packet of floats has lanes.
template <class Packet>
struct HalvesOf {
    using type [[gnu::vector_size(sizeof(Packet) / 2)]] = std::uint16_t;
};
template <>
struct HalvesOf<float> {
    using type = std::uint16_t;
};

/// Sets a packet of floats to numbers of 16 bits.
template <class Packet>
EIGEN_ALWAYS_INLINE void load_bfloat16(const BFloat16* from, Packet& to) {
    if constexpr (sizeof(Packet) == sizeof(float)) {
        to = static_cast<float>(*from);
    } else {
        typename HalvesOf<Packet>::type halves;
        std::memcpy(&halves, from, sizeof halves);
        to = std::bit_cast<Packet>(__builtin_convertvector(halves, typename BitsOf<Packet>::type) << 16);
    }
}

/// Rounds every lane to one of the two BFloat16 beside it, and stores it: away from zero if its lower 16 bits and those
/// of `random`, below 2^16, carry over. So if `random` is equally distributed, the expected value is x. A number that is
/// a BFloat16 stays what it is, as do zero, infinity and NaN. The largest finite numbers are rounded towards zero.
template <class Packet>
EIGEN_ALWAYS_INLINE void store_rounded(BFloat16* to, const Packet& x, typename BitsOf<Packet>::type random) {
    using Words = typename BitsOf<Packet>::type;
    constexpr std::uint32_t largest = 0x7F7F0000;
    const Words words = bits(x);
    const Words is_below = 0U - (((words & 0x7FFFFFFFU) - largest) >> 31);  // all bits, or none
    const Words rounded = (words + (random & is_below)) >> 16;
    if constexpr (sizeof(Packet) == sizeof(float)) {
        *to = std::bit_cast<BFloat16>(static_cast<std::uint16_t>(rounded));
    } else {
        const auto halves = __builtin_convertvector(rounded, typename HalvesOf<Packet>::type);
        std::memcpy(static_cast<void*>(to), &halves, sizeof halves);
    }
}

}  // namespace gacc::detail
