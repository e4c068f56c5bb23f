#pragma once

#include <gacc/core/simd.hpp>
#include <gacc/core/types.hpp>

namespace gacc::detail {

/// One factor of a product: element (r, k) is data[r * row + k * step].
template <class Scalar>
struct Strided {
    const Scalar* data;
    Index row;
    Index step;
};

/// Rows of `width` numbers, `row` apart.
template <class Scalar>
struct PanelRows {
    Scalar* data;
    Index row;
};

/// C = C0 + A B for one panel of columns and `tiles` times Rows rows: every element is one chain of multiply-adds in
/// the order k = 0, 1, ..., depth - 1, which starts from its element of C0. All products of the library are made of
/// this chain, so a result depends neither on the shape of the whole nor on who computes which part.
///
/// Pointers are pinned where they are moved on. Compilers left to themselves keep one for every row, more than there
/// are registers, and then wait for those they had to put away more than for the multiply-adds.
///
/// Shapes     A tiles * Rows x depth;  B depth x width, one row after the other;  C0, C tiles * Rows x width
template <int Rows, class Scalar>
void column_of_tiles(Index tiles, Index depth, Strided<Scalar> a, const Scalar* b, PanelRows<const Scalar> c0,
                     PanelRows<Scalar> c) {
    using namespace Eigen::internal;
    using Packet = typename Simd<Scalar>::Packet;
    constexpr Index lanes = Simd<Scalar>::lanes, width = Simd<Scalar>::width;
    constexpr int group = 4, groups = (Rows + group - 1) / group;  // rows of A that share a pointer

    for (Index tile = 0; tile < tiles; ++tile) {
        Packet sum[Rows][2];  // in registers, since every loop over it is written out
#pragma GCC unroll 16
        for (auto& row : sum) {
            row[0] = ploadu<Packet>(c0.data);
            row[1] = ploadu<Packet>(c0.data + lanes);
            c0.data += c0.row;
            pin(c0.data);
        }
        const Scalar* factors[groups];
#pragma GCC unroll 16
        for (int i = 0; i < groups; ++i) { factors[i] = a.data + i * group * a.row; }
        const Scalar* panel = b;
        for (Index k = 0; k < depth; ++k) {
            Packet left = ploadu<Packet>(panel);
            Packet right = ploadu<Packet>(panel + lanes);
            pin(left);
            pin(right);
#pragma GCC unroll 16
            for (Index r = 0; r < Rows; ++r) {
                const Packet factor = pset1<Packet>(factors[r / group][r % group * a.row]);
                sum[r][0] = pmadd(factor, left, sum[r][0]);
                sum[r][1] = pmadd(factor, right, sum[r][1]);
            }
#pragma GCC unroll 16
            for (auto& row : factors) {
                row += a.step;
                pin(row);
            }
            panel += width;
        }
#pragma GCC unroll 16
        for (const auto& row : sum) {
            pstoreu(c.data, row[0]);
            pstoreu(c.data + lanes, row[1]);
            c.data += c.row;
            pin(c.data);
        }
        a.data += Rows * a.row;
    }
}

/// The same with the number of rows, 1 to Simd::height, known only now.
template <class Scalar, int Rows = Simd<Scalar>::height>
void column_of_tiles(Index rows, Index tiles, Index depth, Strided<Scalar> a, const Scalar* b,
                     PanelRows<const Scalar> c0, PanelRows<Scalar> c) {
    if constexpr (Rows > 0) {
        if (rows == Rows) { return column_of_tiles<Rows>(tiles, depth, a, b, c0, c); }
        return column_of_tiles<Scalar, Rows - 1>(rows, tiles, depth, a, b, c0, c);
    }
}

}  // namespace gacc::detail
