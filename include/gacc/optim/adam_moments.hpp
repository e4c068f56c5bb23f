#pragma once

#include <gacc/core/bfloat16.hpp>
#include <gacc/core/buffer.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/bfloat16_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/random_places.hpp>
#include <gacc/optim/kept_slice.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace gacc::inline GACC_ABI::detail {

/// The moments of the packets of a parameter, as they are.
template <class Scalar>
struct FullMoments {
    using Packet = typename Simd<Scalar>::Packet;
    struct Packets {
        Packet m, v;
    };

    Scalar* m;
    Scalar* v;

    EIGEN_ALWAYS_INLINE Packets load(Index i) const { return {load_aligned(m + i), load_aligned(v + i)}; }
    EIGEN_ALWAYS_INLINE void store(Index i, const Packet& next_m, const Packet& next_v) const {
        store_aligned(m + i, next_m);
        store_aligned(v + i, next_v);
    }
};

/// The same in bfloat16, rounded at random. Packets must be stored in order. The random bits follow from the key and from
/// the row and column of a number. So neither the threads nor a slice change a bit.
struct RoundedMoments {
    using Packet = Simd<float>::Packet;
    struct Packets {
        Packet m, v;
    };

    BFloat16* m;
    BFloat16* v;
    std::array<std::uint32_t, 2> key;
    PacketPlaces places;

    EIGEN_ALWAYS_INLINE Packets load(Index i) const {
        Packets packets;
        load_bfloat16(m + i, packets.m);
        load_bfloat16(v + i, packets.v);
        return packets;
    }
    EIGEN_ALWAYS_INLINE void store(Index i, const Packet& next_m, const Packet& next_v) {
        const auto words = random_words(places.next(), key);
        store_rounded(m + i, next_m, words & 0xFFFFU);
        store_rounded(v + i, next_v, words >> 16);
    }
};

/// m and v of all parameters, one after the other.
template <class Number>
struct MomentBuffers {
    Buffer<Number> m, v;

    std::size_t bytes() const { return m.bytes() + v.bytes(); }
    /// Those of another slice: see KeptSlice.
    MomentBuffers moved(const KeptSlice& from, const KeptSlice& to) const {
        return {from.moved(m, to), from.moved(v, to)};
    }
};

}  // namespace gacc::detail
