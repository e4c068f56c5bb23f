#pragma once

#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/simd.hpp>

namespace gacc::inline GACC_ABI::detail {

/// f(f(..., in[0]...), in[1]...) over `count` elements. f takes the sum so far and an element of each array, as
/// packets, and adds to the sum. Element i goes to lane i % lanes. In the end the lanes are added from the first to the
/// last. So the bits depend only on the numbers and the processor's lanes, not on the place in memory as in Eigen's
/// sums. If f adds a product, it must use multiply_add; else the compiler might fuse it or not.
///
/// Example    sum_packets(count, [](const auto& sum, const auto& x) { return multiply_add(x, x, sum); }, numbers);
template <class Scalar, class Function, class... Inputs>
[[gnu::flatten]] Scalar sum_packets(Index count, Function f, const Scalar* first, const Inputs*... more) {
    using namespace Eigen::internal;
    using Packet = typename Simd<Scalar>::Packet;
    constexpr Index lanes = Simd<Scalar>::lanes;
    Packet sums = pset1<Packet>(Scalar(0));
    Index i = 0;
    for (; i + lanes <= count; i += lanes) { sums = f(sums, ploadu<Packet>(first + i), ploadu<Packet>(more + i)...); }
    Scalar numbers[lanes];
    pstoreu(numbers, sums);
    if (i < count) {  // a whole packet too; its first lanes count
        Scalar rest[lanes];
        pstoreu(rest, f(sums, load_padded(first + i, count - i), load_padded(more + i, count - i)...));
        for (Index lane = 0; lane < count - i; ++lane) { numbers[lane] = rest[lane]; }
    }
    Scalar sum = 0;
    for (const Scalar number : numbers) { sum += number; }
    return sum;
}

}  // namespace gacc::detail
