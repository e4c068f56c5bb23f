#pragma once

#include <gacc/core/thread_scratch.hpp>
#include <gacc/core/view.hpp>
#include <gacc/kernels/blocks.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/kernels/tile.hpp>

#include <algorithm>
#include <array>

namespace gacc::inline GACC_ABI::detail {

/// C = X Yᵀ, where the rows of Y lie in panels. Every element is the chain of column_of_tiles, from zero.
///
/// A tile needs one of its factors transposed. Only small pieces are copied, when they are needed. A whole transposed Y
/// would be all of a layer's weights once more. If X has many rows, pieces of X are transposed, and the tiles are those
/// of Cᵀ = Y Xᵀ. With few rows that would leave too many lanes of a packet empty, so pieces of Y are transposed.
///
/// Shapes     X rows x depth;  Y cols x depth;  C rows x cols
template <class Scalar>
struct RowProduct {
    Index rows, cols, depth;
    Strided<Scalar> x;
    Runs<Scalar> y;

    /// Does not write C, but calls put(row, column, part) once for each part of C. The thread that made a part calls
    /// it.
    template <class Put>
    void run_into(const Put& put) const {
        share_product<Scalar>(rows, cols, depth, [&](Range panels, Range rows_here) {
            const Range columns{panels.first * width, std::min(panels.last * width, cols)};
            for (Index first = rows_here.first; first < rows_here.last;) {
                const Index left = rows_here.last - first;
                if (left > lanes + few) {
                    const Index full = std::min(most_panels, (left + width - lanes - few - 1) / width);
                    const Index take = std::min(left, full * width);
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
    static constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    /// Up to this many rows, transposing Y takes no longer than the lanes that they would leave empty (measured).
    static constexpr Index few = std::max<Index>(lanes - 4, 0);
    /// A copy of X serves this many columns. With their sums it fits into the second cache.
    static constexpr Index most_depth = 128, most_columns = 384, most_panels = 4;
    static_assert(most_depth % width == 0);
    static_assert(most_panels * most_columns * width * sizeof(Scalar) <= ThreadScratch::bytes);

    /// Puts rows of X into panels of `Packets` packets. All panels go through a piece of Y before the next piece, which
    /// may come from memory.
    template <int Packets, class Put>
    void many_rows(Range rows_here, Range columns, const Put& put) const {
        constexpr Index most = most_columns * width;
        const ThreadScratch::Numbers<Scalar> sums(most_panels * most);
        alignas(64) std::array<Scalar, width * width> part;
        const auto panel = [&](Index i) {
            const Index first = rows_here.first + i * width;
            return Range{first, std::min(first + width, rows_here.last)};
        };
        const Index panels = (rows_here.size() + width - 1) / width;
        for_blocks(columns, most_columns, [&](Range block) {
            for (Index k = 0; k < depth; k += most_depth) {
                for (Index i = 0; i < panels; ++i) {
                    multiply<Packets>(k, block.size(), y.rows(block.first), panel(i).size(), x.rows(panel(i).first),
                                      sums.data() + i * most);
                }
            }
            for (Index i = 0; i < panels; ++i) {
                for (Index column = 0; column < block.size(); column += width) {
                    const Index count = std::min(width, block.size() - column);
                    const Strided<Scalar> from{sums.data() + i * most + column * width, width, 1};
                    Panels<Scalar>::transpose(count, Packets * lanes, from, part.data());
                    put(panel(i).first, block.first + column,
                        ConstMatrixView<Scalar>(part.data(), panel(i).size(), count, width));
                }
            }
        });
    }

    template <class Put>
    void few_rows(Range rows_here, Range columns, const Put& put) const {
        alignas(64) std::array<Scalar, width * width> sums;
        for (Index column = columns.first; column < columns.last; column += width) {
            const Index count = std::min(width, columns.last - column);
            for (Index k = 0; k < depth; k += most_depth) {
                multiply<2>(k, rows_here.size(), x.rows(rows_here.first), count, y.rows(column), sums.data());
            }
            put(rows_here.first, column, ConstMatrixView<Scalar>(sums.data(), rows_here.size(), count, width));
        }
    }

    /// Adds the terms of one piece of the depth, from k on, to the products of rows of A with rows of B. It copies the
    /// rows of B, which must fit into `Packets` packets.
    template <int Packets, class A, class B>
    void multiply(Index k, Index rows_of_a, A a, Index rows_of_b, B b, Scalar* sums) const {
        alignas(64) std::array<Scalar, most_depth * width> copy;
        const Index count = std::min(most_depth, depth - k);
        Panels<Scalar>::template transpose<Packets>(rows_of_b, count, b.from(k), copy.data());
        const PanelRows<const Scalar> from =
            k == 0 ? PanelRows<const Scalar>{zeros<Scalar>.data(), 0} : PanelRows<const Scalar>{sums, width};
        multiply_panel<Packets>(rows_of_a, count, a.from(k), copy.data(), from, PanelRows<Scalar>{sums, width});
    }
};

}  // namespace gacc::detail
