#pragma once

#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/simd.hpp>

namespace gacc::inline GACC_ABI::detail {

/// The sum of f(in[i]...) over `count` elements; f takes and returns packets. Element i is added in lane i % lanes, and
/// the lanes are added up in the end, from the first to the last. So the bits depend on the numbers and the processor's
/// lanes alone: not on where they lie in memory, as they do in Eigen's sums.
template <class Scalar, class Function, class... Inputs>
[[gnu::flatten]] Scalar sum_packets(Index count, Function f, const Scalar* first, const Inputs*... more) {
    using namespace Eigen::internal;
    using Packet = typename Simd<Scalar>::Packet;
    constexpr Index lanes = Simd<Scalar>::lanes;
    Packet sums = pset1<Packet>(Scalar(0));
    Index i = 0;
    for (; i + lanes <= count; i += lanes) { sums = padd(sums, f(ploadu<Packet>(first + i), ploadu<Packet>(more + i)...)); }
    Scalar numbers[lanes];
    pstoreu(numbers, sums);
    if (i < count) {
        Scalar rest[lanes];
        pstoreu(rest, f(load_padded(first + i, count - i), load_padded(more + i, count - i)...));
        for (Index lane = 0; lane < count - i; ++lane) { numbers[lane] += rest[lane]; }
    }
    Scalar sum = 0;
    for (const Scalar number : numbers) { sum += number; }
    return sum;
}

}  // namespace gacc::detail
