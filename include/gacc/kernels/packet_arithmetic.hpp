#pragma once

#include <gacc/kernels/packet_bits.hpp>
#include <gacc/kernels/simd.hpp>

// Arithmetic of layers on packets, in every lane by itself. A product that is added to a number must go through
// multiply_add (simd.hpp); else the compiler might fuse one and not another. A comparison returns a mask: all bits of a
// lane are set if it holds, and no bit if it does not hold or a number is NaN.

namespace gacc::inline GACC_ABI::detail {

/// A packet of the numbers from this address on, which may be unaligned.
template <class Scalar>
EIGEN_ALWAYS_INLINE auto load_packet(const Scalar* from) {
    return Eigen::internal::ploadu<typename Simd<Scalar>::Packet>(from);
}
template <class Scalar>
EIGEN_ALWAYS_INLINE void store_packet(Scalar* to, const typename Simd<Scalar>::Packet& packet) {
    Eigen::internal::pstoreu(to, packet);
}
/// The same at an address that is a multiple of the packet's size, as in a Buffer. Without AVX it is faster.
template <class Scalar>
EIGEN_ALWAYS_INLINE auto load_aligned(const Scalar* from) {
    return Eigen::internal::pload<typename Simd<Scalar>::Packet>(from);
}
template <class Scalar>
EIGEN_ALWAYS_INLINE void store_aligned(Scalar* to, const typename Simd<Scalar>::Packet& packet) {
    Eigen::internal::pstore(to, packet);
}

/// The number in every lane.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet all_lanes(double number) {
    return Eigen::internal::pset1<Packet>(static_cast<ScalarOf<Packet>>(number));
}

/// a + b
template <class Packet>
EIGEN_ALWAYS_INLINE Packet plus(const Packet& a, const Packet& b) {
    return Eigen::internal::padd(a, b);
}
/// a - b
template <class Packet>
EIGEN_ALWAYS_INLINE Packet minus(const Packet& a, const Packet& b) {
    return Eigen::internal::psub(a, b);
}
/// a b
template <class Packet>
EIGEN_ALWAYS_INLINE Packet times(const Packet& a, const Packet& b) {
    return Eigen::internal::pmul(a, b);
}
/// -x
template <class Packet>
EIGEN_ALWAYS_INLINE Packet negated(const Packet& x) {
    return Eigen::internal::pnegate(x);
}
/// The larger of a and b. If one is NaN, the result depends on the processor.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet larger(const Packet& a, const Packet& b) {
    return Eigen::internal::pmax(a, b);
}
/// |x|
template <class Packet>
EIGEN_ALWAYS_INLINE Packet magnitude(const Packet& x) {
    return Eigen::internal::pabs(x);
}

/// The mask of a < b.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet is_less(const Packet& a, const Packet& b) {
    return Eigen::internal::pcmp_lt(a, b);
}
/// The mask of a <= b.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet is_at_most(const Packet& a, const Packet& b) {
    return Eigen::internal::pcmp_le(a, b);
}
/// The mask of a == b.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet is_equal(const Packet& a, const Packet& b) {
    return Eigen::internal::pcmp_eq(a, b);
}
/// The mask of NaN.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet is_nan(const Packet& x) {
    return Eigen::internal::pcmp_lt_or_nan(x, x);
}
/// The mask that holds where one of these holds.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet either(const Packet& a, const Packet& b) {
    return Eigen::internal::por(a, b);
}
/// a where the mask holds, else b.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet choose(const Packet& mask, const Packet& a, const Packet& b) {
    return Eigen::internal::pselect(mask, a, b);
}
/// x where the mask holds, else 0.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet keep_where(const Packet& mask, const Packet& x) {
    return Eigen::internal::pand(x, mask);
}
/// 0 where the mask holds, else x.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet zero_where(const Packet& mask, const Packet& x) {
    return Eigen::internal::pandnot(x, mask);
}

}  // namespace gacc::detail
