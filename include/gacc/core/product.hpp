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

    /// A matrix as panels of columns. One that is `padded` has memory for all columns of the last panel;
    /// rows of a padded B are `width` apart.
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
        share([&](Range panels, Range rows_here) {
            if (b.padded) {
                for_blocks(rows_here, most_rows,
                           [&](Range block) { for_panels(panels, [&](Index p) { write(p, block); }); });
            } else {
                for_blocks({0, depth}, most_depth,
                           [&](Range block) { for_panels(panels, [&](Index p) { add(p, rows_here, block); }); });
            }
        });
    }

    /// C is not written, but handed to put(row, column, part) in parts with their place in C, each once, by the thread
    /// that made it. B must be padded.
    template <class Put>
    void run_into(const Put& put) const {
        share([&](Range panels, Range rows_here) {
            for_blocks(rows_here, most_rows,
                       [&](Range block) { for_panels(panels, [&](Index p) { through_buffer(p, block, put); }); });
        });
    }

private:
    struct Range {
        Index first, last;
        Index size() const { return last - first; }
    };

    /// Calls part(panels, rows) for all of C. Shares out panels over the threads, or rows where there are fewer panels
    /// than threads; never the depth.
    template <class Part>
    void share(const Part& part) const {
        const Index panels = Panels<Scalar>::count(cols), work = rows * cols * depth;
        const bool by_panel = panels >= threads();
        parallel_for(
            by_panel ? panels : rows, work,
            [&](Index first, Index last) {
                if (by_panel) {
                    part({first, last}, {0, rows});
                } else {
                    part({0, panels}, {first, last});
                }
            },
            by_panel ? 1 : Simd<Scalar>::height);
    }

    /// A block of so many rows, or, where B is copied, of the depth, goes through all panels before the next, so that
    /// its numbers of A stay in the cache. (Models come with blocks of 128 samples already.)
    static constexpr Index most_rows = 128, most_depth = 256;

    /// Calls f(block) for pieces of the range, of about the same size and at most so large.
    template <class F>
    static void for_blocks(Range range, Index most, const F& f) {
        const Index blocks = (range.size() + most - 1) / most;
        for (Index i = 0; i < blocks; ++i) {
            f(Range{range.first + range.size() * i / blocks, range.first + range.size() * (i + 1) / blocks});
        }
    }
    template <class F>
    static void for_panels(Range panels, const F& f) {
        for (Index p = panels.first; p < panels.last; ++p) { f(p); }
    }

    Strided<Scalar> rows_of_a(Index first) const { return {a.data + first * a.row, a.row, a.step}; }
    PanelRows<const Scalar> start(Index p, Index first) const { return {c0.at(p).data + first * c0.row, c0.row}; }

    /// Rows are cut into tiles that differ by one row at most, so that none is thin.
    static void panel(Index rows, Index depth, Strided<Scalar> a, const Scalar* b, PanelRows<const Scalar> c0,
                      PanelRows<Scalar> c) {
        constexpr Index height = Simd<Scalar>::height;
        const Index tiles = (rows + height - 1) / height;
        const Index small = rows / tiles, large_tiles = rows % tiles, split = large_tiles * (small + 1);
        if (large_tiles > 0) { column_of_tiles(small + 1, large_tiles, depth, a, b, c0, c); }
        column_of_tiles(small, tiles - large_tiles, depth, {a.data + split * a.row, a.row, a.step}, b,
                        {c0.data + split * c0.row, c0.row}, {c.data + split * c.row, c.row});
    }

    /// Some rows of panel p of C.
    void write(Index p, Range block) const {
        const Index columns = std::min(width, cols - p * width);
        const auto result = c.at(p);
        if (columns == width || c.padded) {
            return panel(block.size(), depth, rows_of_a(block.first), b.at(p).data, start(p, block.first),
                         {result.data + block.first * result.row, result.row});
        }
        through_buffer(p, block, [&](Index row, Index, const ConstMatrixView<Scalar>& part) {
            for (Index r = 0; r < part.rows(); ++r) {
                std::copy_n(part.data() + r * part.outerStride(), columns, result.data + (row + r) * result.row);
            }
        });
    }

    /// Some rows of a panel of C, part by part through a buffer that has memory for all its columns.
    template <class Put>
    void through_buffer(Index p, Range block, const Put& put) const {
        constexpr Index buffer_rows = 8 * Simd<Scalar>::height;
        alignas(64) std::array<Scalar, buffer_rows * width> buffer;
        for_blocks(block, buffer_rows, [&](Range part) {
            panel(part.size(), depth, rows_of_a(part.first), b.at(p).data, start(p, part.first),
                  {buffer.data(), width});
            put(part.first, p * width,
                ConstMatrixView<Scalar>(buffer.data(), part.size(), std::min(width, cols - p * width), width));
        });
    }

    /// A part of the depth of some rows of panel p of C, whose B is a plain matrix: its panel is copied piece by piece,
    /// with zeros for columns it has not. That also brings rows together that lay far apart, and pieces are so short
    /// that their rows of A stay in the cache.
    void add(Index p, Range rows_here, Range depth_here) const {
        constexpr Index copied_rows = 64;
        const Index columns = std::min(width, cols - p * width);
        const auto factor = b.at(p);
        const auto result = c.at(p);
        alignas(64) std::array<Scalar, copied_rows * width> copy{};
        for_blocks(depth_here, copied_rows, [&](Range piece) {
            for (Index k = piece.first; k < piece.last; ++k) {
                std::copy_n(factor.data + k * factor.row, columns, copy.data() + (k - piece.first) * width);
            }
            const PanelRows<Scalar> to{result.data + rows_here.first * result.row, result.row};
            const auto from = piece.first == 0 ? start(p, rows_here.first) : PanelRows<const Scalar>{to.data, to.row};
            panel(rows_here.size(), piece.size(),
                  {rows_of_a(rows_here.first).data + piece.first * a.step, a.row, a.step}, copy.data(), from, to);
        });
    }
};

/// A row of zeros for chains to start from.
template <class Scalar>
inline constexpr std::array<Scalar, static_cast<std::size_t>(Simd<Scalar>::width)> zeros{};

}  // namespace gacc::detail
