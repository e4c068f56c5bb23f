#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/kernels/tile.hpp>

#include <algorithm>

namespace gacc::inline GACC_ABI::detail {

/// The layout of a matrix M, rows x cols, for the product kernels: panels of `width` rows, each panel transposed. So
/// the numbers of one column that belong to one tile lie side by side. Missing rows of the last panel are zero.
///
///     element (r, c) of M is data[(r / width) * cols * width + c * width + r % width]
template <class Scalar>
struct Panels {
    static constexpr Index width = Simd<Scalar>::panel_width;

    static Index count(Index rows) { return rows / width + (rows % width != 0 ? 1 : 0); }
    /// The count of all numbers, with the zeros; largest_size if an Index cannot hold it.
    static Index size(Index rows, Index cols) { return product_of(count(rows), width, cols); }

    static Matrix<Scalar> unpack(const Scalar* panels, Index rows, Index cols) {
        Matrix<Scalar> matrix(rows, cols);
        for (Index r = 0; r < rows; ++r) {
            const Scalar* first = panels + r / width * width * cols + r % width;
            for (Index c = 0; c < cols; ++c) { matrix(r, c) = first[c * width]; }
        }
        return matrix;
    }

    static void pack(const Matrix<Scalar>& matrix, Scalar* panels) {
        const Index cols = matrix.cols();
        for (Index r = 0; r < matrix.rows(); ++r) {
            Scalar* first = panels + r / width * width * cols + r % width;
            for (Index c = 0; c < cols; ++c) { first[c * width] = matrix(r, c); }
        }
    }

    /// Copies columns 0 to cols - 1 of `rows` rows of M into the rows of a panel: its number (c, r) is M's element
    /// (r, c), or 0 if M has no row r. The rows must fit into `Packets` packets.
    template <int Packets = 2, class Factor>
    static void transpose(Index rows, Index cols, Factor matrix, Scalar* panel) {
        for (Index r = 0; r < Packets * lanes; r += lanes) {
            for (Index c = 0; c < cols; c += lanes) {
                const Scalar* square = matrix.rows(r).at(c);
                Scalar* to = panel + c * width + r;
                if (c + lanes <= cols) {
                    transpose_square(square, matrix.row, rows - r, to);
                } else {
                    transpose_rest(square, matrix.row, rows - r, cols - c, to);
                }
            }
        }
    }

private:
    static constexpr Index lanes = Simd<Scalar>::lanes;

    /// Missing rows, if there are fewer than lanes, are zeros.
    static void transpose_square(const Scalar* from, Index row, Index rows, Scalar* to) {
        using namespace Eigen::internal;
        using Packet = typename Simd<Scalar>::Packet;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // a packet's alignment, which its members keep anyway
        PacketBlock<Packet, static_cast<int>(lanes)> block;
#pragma GCC diagnostic pop
        if (rows >= lanes) {
#pragma GCC unroll 16
            for (Index i = 0; i < lanes; ++i) { block.packet[i] = ploadu<Packet>(from + i * row); }
        } else {
#pragma GCC unroll 16
            for (Index i = 0; i < lanes; ++i) {
                block.packet[i] = ploadu<Packet>(i < rows ? from + i * row : zeros<Scalar>.data());
            }
        }
        ptranspose(block);
#pragma GCC unroll 16
        for (Index i = 0; i < lanes; ++i) { pstoreu(to + i * width, block.packet[i]); }
    }
    static void transpose_rest(const Scalar* from, Index row, Index rows, Index cols, Scalar* to) {
        for (Index c = 0; c < cols; ++c) {
            for (Index r = 0; r < lanes; ++r) { to[c * width + r] = r < rows ? from[r * row + c] : Scalar(0); }
        }
    }
};

}  // namespace gacc::detail
