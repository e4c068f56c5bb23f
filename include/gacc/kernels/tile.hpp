#pragma once

#include <gacc/core/types.hpp>
#include <gacc/kernels/simd.hpp>

#include <algorithm>
#include <array>

namespace gacc::inline GACC_ABI::detail {

/// One factor of a product: element (r, k) is data[r * row + k * step].
template <class Scalar>
struct Strided {
    static constexpr bool in_runs = false, in_panels = false;

    const Scalar* data;
    Index row;
    Index step;

    Strided rows(Index first) const { return {data + first * row, row, step}; }
    Strided from(Index k) const { return {at(k), row, step}; }
    const Scalar* at(Index k) const { return data + k * step; }
};

/// A factor whose rows go through panels, `width` numbers in each: element (r, k) is
/// data[r * row + k / width * panel + k % width].
template <class Scalar>
struct Runs {
    static constexpr bool in_runs = true, in_panels = true;
    static constexpr Index width = Simd<Scalar>::panel_width, step = 1;

    const Scalar* data;
    Index row;
    Index panel;

    Runs rows(Index first) const { return {data + first * row, row, panel}; }
    Runs from(Index k) const { return {at(k), row, panel}; }  // k is a multiple of width
    const Scalar* at(Index k) const { return data + k / width * panel + k % width; }
};

/// A factor whose rows are windows of an image. A row goes through runs of `run` elements, `step` apart. After a run it
/// moves on by `jump`; after every `runs` runs, which are one row of the window, by `leap` instead.
template <class Scalar>
struct WindowRuns {
    static constexpr bool in_runs = true, in_panels = false;

    const Scalar* data;
    Index row;
    Index step;
    Index run;
    Index runs;
    Index jump;
    Index leap;

    WindowRuns rows(Index first) const { return {data + first * row, row, step, run, runs, jump, leap}; }
};

/// Rows of `width` numbers, `row` apart.
template <class Scalar>
struct PanelRows {
    Scalar* data;
    Index row;
};

/// C = C0 + A B for `tiles` times Rows rows and a panel of columns, or its left half if Packets is 1. Every element is
/// one chain of multiply-adds in the order k = 0, 1, ..., depth - 1. The chain starts from the element of C0. All
/// products of the library are made of this chain. So a result does not depend on the shape of the whole product, nor
/// on the thread that computes a part.
///
/// Pointers are pinned where they are moved on. Otherwise compilers keep one for every row, more than there are
/// registers, and then wait for the stored ones longer than for the multiply-adds.
///
/// If rows of A go through panels, each step also prefetches one line of the next tile: A may come from memory, and
/// processors do not foresee the jump from panel to panel.
///
/// Shapes     A tiles * Rows x depth;  B depth x width, one row after the other;  C0, C tiles * Rows x width
template <int Packets, int Rows, class Scalar, template <class> class Factor>
void column_of_tiles(Index tiles, Index depth, Factor<Scalar> a, const Scalar* b, PanelRows<const Scalar> c0,
                     PanelRows<Scalar> c) {
    using namespace Eigen::internal;
    using Packet = typename Simd<Scalar>::Packet;
    constexpr Index lanes = Simd<Scalar>::lanes, width = Simd<Scalar>::panel_width;
    constexpr bool in_runs = Factor<Scalar>::in_runs, in_panels = Factor<Scalar>::in_panels;
    constexpr int group = 4, groups = (Rows + group - 1) / group;  // rows of A that share a pointer
    constexpr Index line = 64 / sizeof(Scalar);

    for (Index tile = 0; tile < tiles; ++tile) {
        Packet sum[Rows][Packets];  // in registers, since every loop over it is unrolled
#pragma GCC unroll 16
        for (auto& row : sum) {
#pragma GCC unroll 2
            for (int j = 0; j < Packets; ++j) { row[j] = ploadu<Packet>(c0.data + j * lanes); }
            c0.data += c0.row;
            pin(c0.data);
        }
        const Scalar* factors[groups];
#pragma GCC unroll 16
        for (int i = 0; i < groups; ++i) { factors[i] = a.data + i * group * a.row; }
        const Scalar* panel = b;
        Index run = depth;
        [[maybe_unused]] Index runs_left = 0;
        if constexpr (in_panels) {
            run = width;
        } else if constexpr (in_runs) {
            run = a.run;
            runs_left = a.runs;
        }
        for (Index first = 0; first < depth; first += run) {
            const Index last = in_runs ? std::min(first + run, depth) : depth;
            [[maybe_unused]] const Scalar* ahead = factors[0] + Rows * a.row;
            for (Index k = first; k < last; ++k) {
                Packet left = ploadu<Packet>(panel);
                Packet right = Packets == 2 ? ploadu<Packet>(panel + lanes) : left;
                pin(left);
                pin(right);
#if defined(__GNUC__)
                if constexpr (in_panels) {
                    __builtin_prefetch(ahead);
                    ahead += line;
                    pin(ahead);
                }
#endif
#pragma GCC unroll 16
                for (Index r = 0; r < Rows; ++r) {
                    const Packet factor = pset1<Packet>(factors[r / group][r % group * a.row]);
                    sum[r][0] = multiply_add(factor, left, sum[r][0]);
                    if constexpr (Packets == 2) { sum[r][1] = multiply_add(factor, right, sum[r][1]); }
                }
#pragma GCC unroll 16
                for (auto& row : factors) {
                    row += a.step;
                    pin(row);
                }
                panel += width;
            }
            if constexpr (in_runs) {
                Index jump = 0;
                if constexpr (in_panels) {
                    jump = a.panel - width;
                } else if (--runs_left == 0) {
                    jump = a.leap;
                    runs_left = a.runs;
                } else {
                    jump = a.jump;
                }
#pragma GCC unroll 16
                for (auto& row : factors) {
                    row += jump;
                    pin(row);
                }
            }
        }
#pragma GCC unroll 16
        for (const auto& row : sum) {
#pragma GCC unroll 2
            for (int j = 0; j < Packets; ++j) { pstoreu(c.data + j * lanes, row[j]); }
            c.data += c.row;
            pin(c.data);
        }
        a = a.rows(Rows);
    }
}

/// The same for a number of rows, 1 to Simd::tile_height, that is known only at run time.
template <int Packets, class Scalar, template <class> class Factor, int Rows = Simd<Scalar>::tile_height>
void tiles_of_rows(Index rows, Index tiles, Index depth, Factor<Scalar> a, const Scalar* b, PanelRows<const Scalar> c0,
                   PanelRows<Scalar> c) {
    if constexpr (Rows > 0) {
        if (rows == Rows) { return column_of_tiles<Packets, Rows>(tiles, depth, a, b, c0, c); }
        return tiles_of_rows<Packets, Scalar, Factor, Rows - 1>(rows, tiles, depth, a, b, c0, c);
    }
}

/// The same for any number of rows from 1 up, usually for the whole panel. They are cut into tiles that differ by one
/// row at most, so no tile is thin.
template <int Packets = 2, class Scalar, template <class> class Factor>
void multiply_panel(Index rows, Index depth, Factor<Scalar> a, const Scalar* b, PanelRows<const Scalar> c0,
                    PanelRows<Scalar> c) {
    constexpr Index height = Simd<Scalar>::tile_height;
    const Index tiles = (rows + height - 1) / height;
    const Index small = rows / tiles, large_tiles = rows % tiles, split = large_tiles * (small + 1);
    if (large_tiles > 0) { tiles_of_rows<Packets>(small + 1, large_tiles, depth, a, b, c0, c); }
    const PanelRows<const Scalar> from{c0.data + split * c0.row, c0.row};
    tiles_of_rows<Packets>(small, tiles - large_tiles, depth, a.rows(split), b, from, {c.data + split * c.row, c.row});
}

/// A row of zeros for chains to start from.
template <class Scalar>
inline constexpr std::array<Scalar, static_cast<std::size_t>(Simd<Scalar>::panel_width)> zeros{};

}  // namespace gacc::detail
