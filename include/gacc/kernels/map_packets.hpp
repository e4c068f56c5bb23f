#pragma once

#include <gacc/kernels/simd.hpp>

#include <algorithm>

namespace gacc::inline GACC_ABI::detail {

/// A packet of the `count` elements from `from` on. If they do not fill it, the rest are copies of the last element.
template <class Scalar, class Packet = typename Simd<Scalar>::Packet>
EIGEN_ALWAYS_INLINE Packet load_padded(const Scalar* from, Index count) {
    using Eigen::internal::ploadu;
    if (count >= Simd<Scalar>::lanes) { return ploadu<Packet>(from); }
    Scalar numbers[Simd<Scalar>::lanes];
    for (Index i = 0; i < Simd<Scalar>::lanes; ++i) { numbers[i] = from[std::min(i, count - 1)]; }
    return ploadu<Packet>(numbers);
}

/// Writes the first `count` lanes, or all if there are fewer.
template <class Scalar, class Packet = typename Simd<Scalar>::Packet>
EIGEN_ALWAYS_INLINE void store_first(Scalar* to, const Packet& packet, Index count) {
    using Eigen::internal::pstoreu;
    if (count >= Simd<Scalar>::lanes) { return pstoreu(to, packet); }
    Scalar numbers[Simd<Scalar>::lanes];
    pstoreu(numbers, packet);
    for (Index i = 0; i < count; ++i) { to[i] = numbers[i]; }
}

/// out[i] = f(in[i]...) for `count` elements. `f` takes one packet for each array `in` and returns a packet. The last
/// elements are computed in a whole packet too, filled up with copies. So no bit depends on the place of an element.
/// `out` may be one of `in`; otherwise they must not overlap. All of `f` is inlined.
///
/// Example    map_packets(count, [](const auto& x) { return exponential(x); }, y, x);
template <class Scalar, class Function, class... Inputs>
[[gnu::flatten]] void map_packets(Index count, Function f, Scalar* out, const Inputs*... in) {
    for (Index i = 0; i < count; i += Simd<Scalar>::lanes) {
        store_first(out + i, f(load_padded(in + i, count - i)...), count - i);
    }
}

}  // namespace gacc::detail
