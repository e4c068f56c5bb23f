#pragma once

#include <gacc/core/blocks.hpp>
#include <gacc/core/panels.hpp>
#include <gacc/core/tile.hpp>
#include <gacc/core/view.hpp>

#include <algorithm>
#include <array>

namespace gacc::detail {

/// C = X Yᵀ, where the rows of Y lie in panels: every element is the chain of column_of_tiles, from zero.
///
/// A tile needs one of its factors transposed. That is always a small piece, copied when it is needed: no transposed Y,
/// which would be all of a layer's weights once more, is kept. Many rows of X are transposed themselves, and their
/// tiles are those of Cᵀ = Y Xᵀ; of a few, that would leave too many lanes of a packet empty, and Y is copied.
///
/// Shapes     X rows x depth;  Y cols x depth;  C rows x cols
template <class Scalar>
struct RowProduct {
    Index rows, cols, depth;
    Strided<Scalar> x;
    Runs<Scalar> y;

    /// C is not written, but handed to put(row, column, part) in parts with their place in C, each once, by the thread
    /// that made it.
    template <class Put>
    void run_into(const Put& put) const {
        share_product<Scalar>(rows, cols, depth, [&](Range panels, Range rows_here) {
            const Range columns{panels.first * width, std::min(panels.last * width, cols)};
            for (Index first = rows_here.first; first < rows_here.last;) {
                const Index left = rows_here.last - first;
                if (left > lanes + few) {
                    const Index take = std::min(left, width);
                    many_rows<2>({first, first + take}, columns, put);
                    first += take;
                } else if (left > few) {
                    const Index take = std::min(left, lanes);
                    many_rows<1>({first, first + take}, columns, put);
                    first += take;
                } else {
                    few_rows({first, rows_here.last}, columns, put);
                    first = rows_here.last;
                }
            }
        });
    }

private:
    static constexpr Index width = Simd<Scalar>::width, lanes = Simd<Scalar>::lanes;
    /// For so many rows, transposing Y takes no longer than the lanes that they would leave empty (measured).
    static constexpr Index few = std::max<Index>(lanes - 4, 0);
    /// A copy of X serves so many columns; with their sums it finds place in the second cache.
    static constexpr Index most_depth = 128, most_columns = 384;
    static_assert(most_depth % width == 0);

    /// Rows of X that fill so many packets.
    template <int Packets, class Put>
    void many_rows(Range rows_here, Range columns, const Put& put) const {
        alignas(64) std::array<Scalar, most_columns * width> sums;
        alignas(64) std::array<Scalar, width * width> part;
        for_blocks(columns, most_columns, [&](Range block) {
            multiply<Packets>(block.size(), y.rows(block.first), rows_here.size(), x.rows(rows_here.first),
                              sums.data());
            for (Index column = 0; column < block.size(); column += width) {
                const Index count = std::min(width, block.size() - column);
                const Strided<Scalar> from{sums.data() + column * width, width, 1};
                Panels<Scalar>::transpose(count, Packets * lanes, from, part.data());
                put(rows_here.first, block.first + column,
                    ConstMatrixView<Scalar>(part.data(), rows_here.size(), count, width));
            }
        });
    }

    template <class Put>
    void few_rows(Range rows_here, Range columns, const Put& put) const {
        alignas(64) std::array<Scalar, width * width> sums;
        for (Index column = columns.first; column < columns.last; column += width) {
            const Index count = std::min(width, columns.last - column);
            multiply<2>(rows_here.size(), x.rows(rows_here.first), count, y.rows(column), sums.data());
            put(rows_here.first, column, ConstMatrixView<Scalar>(sums.data(), rows_here.size(), count, width));
        }
    }

    /// The products of rows of A with rows of B, no more than so many packets hold, which are copied piece by piece.
    template <int Packets, class A, class B>
    void multiply(Index rows_of_a, A a, Index rows_of_b, B b, Scalar* sums) const {
        alignas(64) std::array<Scalar, most_depth * width> copy;
        for (Index k = 0; k < depth; k += most_depth) {
            const Index count = std::min(most_depth, depth - k);
            Panels<Scalar>::template transpose<Packets>(rows_of_b, count, b.from(k), copy.data());
            const PanelRows<const Scalar> from =
                k == 0 ? PanelRows<const Scalar>{zeros<Scalar>.data(), 0} : PanelRows<const Scalar>{sums, width};
            multiply_panel<Packets>(rows_of_a, count, a.from(k), copy.data(), from, PanelRows<Scalar>{sums, width});
        }
    }
};

}  // namespace gacc::detail
