#pragma once

#include <gacc/kernels/simd.hpp>

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace gacc::inline GACC_ABI::detail {

template <class Packet>
using ScalarOf = typename Eigen::internal::unpacket_traits<Packet>::type;

/// Unsigned integers as wide as the lanes of a packet. Vectors of them have C++'s operators too (g++, clang++).
template <class Packet, class Word = std::conditional_t<sizeof(ScalarOf<Packet>) == 4, std::uint32_t, std::uint64_t>>
struct BitsOf {
    using type [[gnu::vector_size(sizeof(Packet))]] = Word;
};
template <>
struct BitsOf<float> {
    using type = std::uint32_t;
};
template <>
struct BitsOf<double> {
    using type = std::uint64_t;
};

template <class Packet>
EIGEN_ALWAYS_INLINE auto bits(const Packet& x) {
    return std::bit_cast<typename BitsOf<Packet>::type>(x);
}

/// The bits of a float or double: the sign, the exponent plus `bias`, then `digits` bits of the fraction.
template <class Scalar>
struct Layout {
    using Word = typename BitsOf<Scalar>::type;
    static constexpr int digits = std::numeric_limits<Scalar>::digits - 1;
    static constexpr Word bias = std::numeric_limits<Scalar>::max_exponent - 1;
    static constexpr Word fraction = (Word{1} << digits) - 1;
    /// 2^digits. From this number to its double, all numbers are integers, and their bits count up by one.
    static constexpr Scalar integers = static_cast<Scalar>(Word{1} << digits);
};

/// x, which is not negative, with the sign of `from`.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet with_sign(const Packet& x, const Packet& from) {
    constexpr auto sign = ~(~typename BitsOf<ScalarOf<Packet>>::type{} >> 1);
    return std::bit_cast<Packet>(bits(x) | (bits(from) & sign));
}

}  // namespace gacc::detail
