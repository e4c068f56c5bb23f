#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/simd.hpp>

namespace gacc::inline GACC_ABI::detail {

/// to += from, one rounding a number. Both are aligned as a Buffer is, and `count` is a multiple of the panel width.
template <class Scalar>
void add_to(Scalar* to, const Scalar* from, Index count) {
    constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    constexpr Index cost = 8;  // reading and writing takes as long as so many multiply-adds
    parallel_for(count / width, std::int64_t{count} * cost, [&](Index first, Index last) {
        for (Index i = first * width; i < last * width; i += lanes) {
            store_aligned(to + i, plus(load_aligned(to + i), load_aligned(from + i)));
        }
    });
}

}  // namespace gacc::detail
