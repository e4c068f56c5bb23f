#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/tile.hpp>
#include <gacc/core/view.hpp>

#include <algorithm>

namespace gacc::detail {

/// How the product kernels like a matrix M, rows x cols, to lie: in panels of `width` rows, each panel transposed, so
/// that the numbers of one column that belong to one tile lie side by side. Rows missing in the last panel are zero.
///
///     element (r, c) of M is data[(r / width) * cols * width + c * width + r % width]
template <class Scalar>
struct Panels {
    static constexpr Index width = Simd<Scalar>::width;

    static Index count(Index rows) { return (rows + width - 1) / width; }
    /// Numbers in all, with the zeros.
    static Index size(Index rows, Index cols) { return count(rows) * width * cols; }

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

    /// From the panels of M, rows x cols, to the panels of its transpose, cols x rows.
    static void transpose(const Scalar* panels, Index rows, Index cols, Scalar* transposed) {
        parallel_for(count(cols), rows * cols, [&](Index first, Index last) {
            for (Index c = first * width; c < std::min(last * width, cols); c += lanes) {
                for (Index r = 0; r < rows; r += lanes) {
                    const Scalar* from = panels + (r / width * cols + c) * width + r % width;
                    Scalar* to = transposed + (c / width * rows + r) * width + c % width;
                    if (r + lanes <= rows && c + lanes <= cols) {
                        transpose_square(from, to);
                    } else {
                        transpose_rest(from, to, std::min(lanes, rows - r), std::min(lanes, cols - c));
                    }
                }
            }
        });
    }

private:
    static constexpr Index lanes = Simd<Scalar>::lanes;

    static void transpose_square(const Scalar* from, Scalar* to) {
        using Packet = typename Simd<Scalar>::Packet;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"  // a packet's alignment, which its members keep anyway
        Eigen::internal::PacketBlock<Packet, static_cast<int>(lanes)> block;
#pragma GCC diagnostic pop
        for (Index i = 0; i < lanes; ++i) { block.packet[i] = Eigen::internal::ploadu<Packet>(from + i * width); }
        Eigen::internal::ptranspose(block);
        for (Index i = 0; i < lanes; ++i) { Eigen::internal::pstoreu(to + i * width, block.packet[i]); }
    }
    static void transpose_rest(const Scalar* from, Scalar* to, Index rows, Index cols) {
        for (Index r = 0; r < rows; ++r) {
            for (Index c = 0; c < cols; ++c) { to[r * width + c] = from[c * width + r]; }
        }
    }
};

}  // namespace gacc::detail
