#pragma once

#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/blocks.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/kernels/tile.hpp>

#include <algorithm>
#include <array>

namespace gacc::inline GACC_ABI::detail {

/// C = C0 + A B for whole matrices, one panel of columns after the other. column_of_tiles says what is promised of
/// every element. Panel p of B, C0 and C starts p * (its panel stride) after the first.
///
/// Shapes     A rows x depth;  B depth x cols;  C0, C rows x cols
template <class Scalar>
struct Product {
    static constexpr Index width = Simd<Scalar>::panel_width;

    /// A matrix as panels of columns. If it is `padded`, it has memory for all columns of the last panel. Rows of a
    /// padded B are `width` apart.
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
                for_blocks(rows_here, most_of_a / std::clamp<Index>(depth, 1, most_depth), [&](Range block) {
                    for_blocks({0, depth}, most_depth,
                               [&](Range piece) { for_panels(panels, [&](Index p) { add(p, block, piece); }); });
                });
            }
        });
    }

private:
    /// A block of this many rows goes through all panels before the next block, so its numbers of A stay in the cache.
    /// (Models call with blocks of 128 samples already.)
    static constexpr Index most_rows = 128;
    /// If B is copied: the piece of the depth that is copied at once, and the numbers of A in a block, half of a second
    /// cache of 1 MiB.
    static constexpr Index most_depth = 256, most_of_a = (Index{1} << 19) / static_cast<Index>(sizeof(Scalar));

    template <class F>
    static void for_panels(Range panels, const F& f) {
        for (Index p = panels.first; p < panels.last; ++p) { f(p); }
    }

    PanelRows<const Scalar> start(Index p, Index first) const { return {c0.at(p).data + first * c0.row, c0.row}; }

    /// Writes some rows of panel p of C. If C has no memory for all columns of the panel, they go through a buffer.
    void write(Index p, Range block) const {
        const Index columns = std::min(width, cols - p * width);
        const auto multiply = [&](Range part, PanelRows<Scalar> to) {
            multiply_panel(part.size(), depth, a.rows(part.first), b.at(p).data, start(p, part.first), to);
        };
        const auto row = [&](Index r) { return c.at(p).data + r * c.row; };
        if (columns == width || c.padded) { return multiply(block, {row(block.first), c.row}); }

        constexpr Index buffer_rows = 8 * Simd<Scalar>::tile_height;
        alignas(64) std::array<Scalar, buffer_rows * width> buffer;
        for_blocks(block, buffer_rows, [&](Range part) {
            multiply(part, {buffer.data(), width});
            for (Index r = 0; r < part.size(); ++r) {
                std::copy_n(buffer.data() + r * width, columns, row(part.first + r));
            }
        });
    }

    /// Adds a piece of the depth to some rows of panel p of C, for a B that is a plain matrix. The rows of B lie far
    /// apart, so they are copied, with zeros for missing columns.
    void add(Index p, Range rows_here, Range piece) const {
        const Index columns = std::min(width, cols - p * width);
        const auto factor = b.at(p);
        const ThreadScratch::Numbers<Scalar> copy(most_depth * width);
        if (columns < width) { std::fill_n(copy.data(), piece.size() * width, Scalar(0)); }
        for (Index k = piece.first; k < piece.last; ++k) {
            std::copy_n(factor.data + k * factor.row, columns, copy.data() + (k - piece.first) * width);
        }
        const PanelRows<Scalar> to{c.at(p).data + rows_here.first * c.row, c.row};
        const auto from = piece.first == 0 ? start(p, rows_here.first) : PanelRows<const Scalar>{to.data, to.row};
        const auto part = a.rows(rows_here.first).from(piece.first);
        multiply_panel(rows_here.size(), piece.size(), part, copy.data(), from, to);
    }
};

}  // namespace gacc::detail
