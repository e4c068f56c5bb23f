#pragma once

#include <gacc/core/view.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>

#include <algorithm>
#include <cstddef>

namespace gacc::inline GACC_ABI::detail {

/// Columns of a matrix that are worked on at once: `Packets` whole packets, or one packet that may have fewer columns.
template <class Scalar, int Packets>
struct Strip {
    using Packet = typename Simd<Scalar>::Packet;
    struct Values {
        Packet packets[Packets];

        static constexpr std::size_t size() { return static_cast<std::size_t>(Packets); }
        Packet& operator[](std::size_t i) { return packets[i]; }
        const Packet& operator[](std::size_t i) const { return packets[i]; }
    };
    static constexpr Index lanes = Simd<Scalar>::lanes;

    Index first, count;  // columns

    EIGEN_ALWAYS_INLINE Values load(const Scalar* row) const {
        Values values;
        if constexpr (Packets == 1) {
            values[0] = load_padded(row + first, count);
        } else {
            for (std::size_t i = 0; i < values.size(); ++i) {
                values[i] = load_packet(row + first + static_cast<Index>(i) * lanes);
            }
        }
        return values;
    }
    EIGEN_ALWAYS_INLINE void store(Scalar* row, const Values& values) const {
        if constexpr (Packets == 1) {
            store_first(row + first, values[0], count);
        } else {
            for (std::size_t i = 0; i < values.size(); ++i) {
                store_packet(row + first + static_cast<Index>(i) * lanes, values[i]);
            }
        }
    }
};

/// Calls f(strip) for all columns: strips of two packets, and then of one.
template <class Scalar, class F>
void for_strips(Index cols, const F& f) {
    constexpr Index lanes = Simd<Scalar>::lanes;
    Index first = 0;
    for (; first + 2 * lanes <= cols; first += 2 * lanes) { f(Strip<Scalar, 2>{first, 2 * lanes}); }
    for (; first < cols; first += lanes) { f(Strip<Scalar, 1>{first, std::min(lanes, cols - first)}); }
}

/// Sums over the rows of a strip. add(row, sums) adds what a row gives to each of `Sums` sums, which begin at zero. Row i
/// is added to chain i % 4, and in the end the chains: (0 + 1) + (2 + 3). So the bits depend only on the numbers, and
/// processors need not wait for one chain.
template <int Sums, class Scalar, int Packets, class Add>
EIGEN_ALWAYS_INLINE auto strip_sums(const Strip<Scalar, Packets>&, Index rows, const Add& add) {
    using Values = typename Strip<Scalar, Packets>::Values;
    struct All {
        Values sums[Sums];

        Values& operator[](std::size_t i) { return sums[i]; }
        const Values& operator[](std::size_t i) const { return sums[i]; }
    };
    All chains[4];
    for (All& chain : chains) {
        for (Values& values : chain.sums) {
            for (auto& packet : values.packets) { packet = all_lanes<typename Simd<Scalar>::Packet>(0); }
        }
    }
    Index row = 0;
    for (; row + 4 <= rows; row += 4) {
        add(row, chains[0]);
        add(row + 1, chains[1]);
        add(row + 2, chains[2]);
        add(row + 3, chains[3]);
    }
    for (int chain = 0; row < rows; ++row, ++chain) { add(row, chains[chain]); }
    for (std::size_t s = 0; s < static_cast<std::size_t>(Sums); ++s) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(Packets); ++i) {
            chains[0][s][i] = plus(plus(chains[0][s][i], chains[1][s][i]), plus(chains[2][s][i], chains[3][s][i]));
        }
    }
    return chains[0];
}

/// Adds the rows of a matrix to `sums`, row by row. So the sums do not depend on how the rows are cut.
template <class Scalar>
void add_column_sums(const ConstMatrixView<Scalar>& rows, Scalar* sums) {
    for_strips<Scalar>(rows.cols(), [&](const auto& strip) {
        auto sum = strip.load(sums);
        for (Index row = 0; row < rows.rows(); ++row) {
            const auto here = strip.load(rows.data() + row * rows.outerStride());
            for (std::size_t i = 0; i < sum.size(); ++i) { sum[i] = plus(sum[i], here[i]); }
        }
        strip.store(sums, sum);
    });
}

}  // namespace gacc::detail
