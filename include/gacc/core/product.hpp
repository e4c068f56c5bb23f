#pragma once

#include <gacc/core/panels.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/tile.hpp>

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
    Columns<Scalar> c;         // padded, or b is

    /// Shares out panels over the threads, or rows where there are fewer panels than threads; never the depth.
    void run() const {
        const Index panels = Panels<Scalar>::count(cols);
        const Index work = rows * cols * depth;
        if (panels >= threads()) {
            parallel_for(panels, work, [&](Index first, Index last) { run(first, last, 0, rows); });
        } else {
            parallel_for(rows, work, [&](Index first, Index last) { run(0, panels, first, last); });
        }
    }

private:
    void run(Index first_panel, Index last_panel, Index first_row, Index last_row) const {
        for (Index p = first_panel; p < last_panel; ++p) {
            const Index columns = std::min(width, cols - p * width);
            const Strided<Scalar> factor{a.data + first_row * a.row, a.row, a.step};
            const PanelRows<const Scalar> start{c0.at(p).data + first_row * c0.row, c0.row};
            const PanelRows<Scalar> result{c.at(p).data + first_row * c.row, c.row};
            if (!b.padded) {
                copied_factor(last_row - first_row, columns, depth, factor, b.at(p), start, result);
            } else if (columns == width || c.padded) {
                panel(last_row - first_row, depth, factor, b.at(p), start, result);
            } else {
                narrow_result(last_row - first_row, columns, depth, factor, b.at(p), start, result);
            }
        }
    }

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

    /// The last panel of a C without memory for all its columns: through a block that has it.
    static void narrow_result(Index rows, Index columns, Index depth, Strided<Scalar> a, PanelRows<const Scalar> b,
                              PanelRows<const Scalar> c0, PanelRows<Scalar> c) {
        constexpr Index block_rows = 8 * Simd<Scalar>::height;
        alignas(64) std::array<Scalar, block_rows * width> block;
        for (Index first = 0; first < rows; first += block_rows) {
            const Index part = std::min(block_rows, rows - first);
            panel(part, depth, {a.data + first * a.row, a.row, a.step}, b, {c0.data + first * c0.row, c0.row},
                  {block.data(), width});
            for (Index r = 0; r < part; ++r) {
                std::copy_n(block.data() + r * width, columns, c.data + (first + r) * c.row);
            }
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
