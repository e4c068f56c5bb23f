#pragma once

#include <gacc/core/blocks.hpp>
#include <gacc/core/panels.hpp>
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
    Columns<Scalar> c;         // padded, or b is

    void run() const {
        share_product<Scalar>(rows, cols, depth, [&](Range panels, Range rows_here) {
            if (b.padded) {
                for_blocks(rows_here, most_rows,
                           [&](Range block) { for_panels(panels, [&](Index p) { write(p, block); }); });
            } else {
                for_blocks({0, depth}, most_depth,
                           [&](Range block) { for_panels(panels, [&](Index p) { add(p, rows_here, block); }); });
            }
        });
    }

private:
    /// A block of so many rows, or, where B is copied, of the depth, goes through all panels before the next, so that
    /// its numbers of A stay in the cache. (Models come with blocks of 128 samples already.)
    static constexpr Index most_rows = 128, most_depth = 256;

    template <class F>
    static void for_panels(Range panels, const F& f) {
        for (Index p = panels.first; p < panels.last; ++p) { f(p); }
    }

    PanelRows<const Scalar> start(Index p, Index first) const { return {c0.at(p).data + first * c0.row, c0.row}; }

    /// Some rows of panel p of C; part by part through a buffer where C has no memory for all its columns.
    void write(Index p, Range block) const {
        const Index columns = std::min(width, cols - p * width);
        const auto multiply = [&](Range part, PanelRows<Scalar> to) {
            multiply_panel(part.size(), depth, a.rows(part.first), b.at(p).data, start(p, part.first), to);
        };
        const auto row = [&](Index r) { return c.at(p).data + r * c.row; };
        if (columns == width || c.padded) { return multiply(block, {row(block.first), c.row}); }

        constexpr Index buffer_rows = 8 * Simd<Scalar>::height;
        alignas(64) std::array<Scalar, buffer_rows * width> buffer;
        for_blocks(block, buffer_rows, [&](Range part) {
            multiply(part, {buffer.data(), width});
            for (Index r = 0; r < part.size(); ++r) {
                std::copy_n(buffer.data() + r * width, columns, row(part.first + r));
            }
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
            multiply_panel(rows_here.size(), piece.size(), a.rows(rows_here.first).from(piece.first), copy.data(), from,
                           to);
        });
    }
};

}  // namespace gacc::detail
