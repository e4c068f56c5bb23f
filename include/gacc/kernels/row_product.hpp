#pragma once

#include <gacc/core/thread_scratch.hpp>
#include <gacc/core/view.hpp>
#include <gacc/kernels/blocks.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/kernels/tile.hpp>

#include <algorithm>
#include <array>

namespace gacc::inline GACC_ABI::detail {

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
    /// For so many rows, transposing Y takes no longer than the lanes that they would leave empty (measured).
    static constexpr Index few = std::max<Index>(lanes - 4, 0);
    /// A copy of X serves so many columns; with their sums it finds place in the second cache.
    static constexpr Index most_depth = 128, most_columns = 384, most_panels = 4;
    static_assert(most_depth % width == 0);
    static_assert(most_panels * most_columns * width * sizeof(Scalar) <= ThreadScratch::bytes);

    /// Rows of X in panels that so many packets hold. All panels go through a piece of Y before the next piece, which
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

    /// The terms of one piece of the depth, from k on, in the products of rows of A with rows of B, of which no more
    /// than so many packets hold are copied.
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
