#include <gacc/kernels/map_packets.hpp>

#include <doctest/doctest.h>

#include <algorithm>

namespace map_packets_test {

using gacc::Index;

TEST_CASE_TEMPLATE("map_packets: every element of arrays of any length, and none behind them", Scalar, float, double) {
    constexpr Index most = 3 * gacc::detail::Simd<Scalar>::lanes + 1;
    const auto f = [](const auto& a, const auto& b) { return Eigen::internal::psub(a, b); };
    Scalar a[most], b[most];
    for (Index i = 0; i < most; ++i) { a[i] = static_cast<Scalar>(i + 1), b[i] = static_cast<Scalar>(100 - 2 * i); }
    for (Index first = 0; first < most; ++first) {
        for (Index count = 0; first + count <= most; ++count) {
            Scalar out[most], in_place[most];
            std::fill_n(out, most, Scalar(-1));
            std::copy_n(a, most, in_place);
            gacc::detail::map_packets(count, f, out + first, a + first, b + first);
            gacc::detail::map_packets(count, f, in_place + first, in_place + first, b + first);
            for (Index i = 0; i < most; ++i) {
                const bool inside = i >= first && i < first + count;
                REQUIRE(out[i] == (inside ? a[i] - b[i] : Scalar(-1)));
                REQUIRE(in_place[i] == (inside ? a[i] - b[i] : a[i]));
            }
        }
    }
}

// Zeros could raise flags of the processor, as in 1 / x, that no element asks for.
TEST_CASE_TEMPLATE("map_packets: the last packet is filled up with elements", Scalar, float, double) {
    const Scalar in[] = {Scalar(4)};
    Scalar out[1];
    gacc::detail::map_packets(
        1,
        [](const auto& x) {
            Scalar lanes[gacc::detail::Simd<Scalar>::lanes];
            Eigen::internal::pstoreu(lanes, x);
            for (const Scalar lane : lanes) { CHECK(lane == 4); }
            return x;
        },
        out, in);
    CHECK(out[0] == 4);
}

}  // namespace map_packets_test
