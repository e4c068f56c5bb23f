#pragma once

#include <gacc/core/panels.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/tile.hpp>
#include <gacc/core/view.hpp>

#include <algorithm>
#include <array>

namespace gacc::detail {

/// C = C0 + A B for whole matrices, one panel of columns after the other: see column_of_tiles for what is promised of
/// every element. Panel p of B, C0 and C starts p * (its panel stride) after the first.
///
/// Shapes     A rows x depth;  B depth x cols;  C0, C rows x cols
template <class Scalar>
struct Product {
    static constexpr Index width = Simd<Scalar>::width;

    /// A matrix as panels of columns. One that is `padded` has memory for all columns of the last panel.
    template <class S>
    struct Columns {
        S* data;
        Index row;
        Index panel;
        bool padded;

        PanelRows<S> at(Index p) const { return {data + p * panel, row}; }
    };

    Index rows, cols, depth;
    Strided<Scalar> a;
    Columns<const Scalar> b;
    Columns<const Scalar> c0;  // padded
    Columns<Scalar> c = {};    // padded, or b is

    void run() const {
        share([&](Index p, Index first, Index last) {
            const Index columns = std::min(width, cols - p * width);
            const auto result = c.at(p);
            if (!b.padded) {
                copied_factor(last - first, columns, depth, rows_of_a(first), b.at(p), start(p, first),
                              {result.data + first * result.row, result.row});
            } else if (columns == width || c.padded) {
                panel(last - first, depth, rows_of_a(first), b.at(p), start(p, first),
                      {result.data + first * result.row, result.row});
            } else {
                through_block(p, first, last, [&](Index row, Index, const ConstMatrixView<Scalar>& part) {
                    for (Index r = 0; r < part.rows(); ++r) {
                        std::copy_n(part.data() + r * part.outerStride(), columns,
                                    result.data + (row + r) * result.row);
                    }
                });
            }
        });
    }

    /// C is not written, but handed to put(row, column, part) in parts with their place in C, each once, by the thread
    /// that made it. B must be padded.
    template <class Put>
    void run_into(const Put& put) const {
        share([&](Index p, Index first, Index last) { through_block(p, first, last, put); });
    }

private:
    /// Calls part(panel, first_row, last_row) for all of C. Shares out panels over the threads, or rows where there are
    /// fewer panels than threads; never the depth.
    template <class Part>
    void share(const Part& part) const {
        const Index panels = Panels<Scalar>::count(cols), work = rows * cols * depth;
        const bool by_panel = panels >= threads();
        parallel_for(
            by_panel ? panels : rows, work,
            [&](Index first, Index last) {
                for (Index p = by_panel ? first : 0; p < (by_panel ? last : panels); ++p) {
                    part(p, by_panel ? 0 : first, by_panel ? rows : last);
                }
            },
            by_panel ? 1 : Simd<Scalar>::height);
    }

    Strided<Scalar> rows_of_a(Index first) const { return {a.data + first * a.row, a.row, a.step}; }
    PanelRows<const Scalar> start(Index p, Index first) const { return {c0.at(p).data + first * c0.row, c0.row}; }

    /// Rows are cut into tiles that differ by one row at most, so that none is thin.
    static void panel(Index rows, Index depth, Strided<Scalar> a, PanelRows<const Scalar> b, PanelRows<const Scalar> c0,
                      PanelRows<Scalar> c) {
        constexpr Index height = Simd<Scalar>::height;
        const Index tiles = (rows + height - 1) / height;
        const Index small = rows / tiles, large_tiles = rows % tiles, split = large_tiles * (small + 1);
        if (large_tiles > 0) { column_of_tiles(small + 1, large_tiles, depth, a, b, c0, c); }
        column_of_tiles(small, tiles - large_tiles, depth, {a.data + split * a.row, a.row, a.step}, b,
                        {c0.data + split * c0.row, c0.row}, {c.data + split * c.row, c.row});
    }

    /// Some rows of a panel of C, part by part through a block that has memory for all its columns.
    template <class Put>
    void through_block(Index p, Index first_row, Index last_row, const Put& put) const {
        constexpr Index block_rows = 8 * Simd<Scalar>::height;
        alignas(64) std::array<Scalar, block_rows * width> block;
        for (Index first = first_row; first < last_row; first += block_rows) {
            const Index count = std::min(block_rows, last_row - first);
            panel(count, depth, rows_of_a(first), b.at(p), start(p, first), {block.data(), width});
            put(first, p * width,
                ConstMatrixView<Scalar>(block.data(), count, std::min(width, cols - p * width), width));
        }
    }

    /// A panel of a B that is a plain matrix: copied, some rows at a time, with zeros for columns it has not. That also
    /// brings rows together that lay far apart, and walks the depth in pieces whose rows of A stay in the cache.
    static void copied_factor(Index rows, Index columns, Index depth, Strided<Scalar> a, PanelRows<const Scalar> b,
                              PanelRows<const Scalar> c0, PanelRows<Scalar> c) {
        constexpr Index block_rows = 64;
        alignas(64) std::array<Scalar, block_rows * width> block{};
        for (Index first = 0; first < depth; first += block_rows) {
            const Index part = std::min(block_rows, depth - first);
            for (Index k = 0; k < part; ++k) {
                std::copy_n(b.data + (first + k) * b.row, columns, block.data() + k * width);
            }
            panel(rows, part, {a.data + first * a.step, a.row, a.step}, {block.data(), width}, c0, c);
            c0 = {c.data, c.row};  // the chains go on from where they are
        }
    }
};

/// A row of zeros for chains to start from.
template <class Scalar>
inline constexpr std::array<Scalar, static_cast<std::size_t>(Simd<Scalar>::width)> zeros{};

}  // namespace gacc::detail
