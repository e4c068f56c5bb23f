#pragma once

#include <gacc/core/types.hpp>
#include <gacc/core/view.hpp>

#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI {

/// Where in training a call of a layer is. Random numbers are drawn by it, and not in the order of calls: so they are
/// the same for every cut of the batch and any threads, and when a block is computed again.
struct Where {
    std::uint64_t seed = 0;
    Index step = 0;          ///< batches begun before this one
    Index layer = 0;         ///< of the model, counted from 0
    Index first_row = 0;     ///< of x, counted from the first sample of the batch
    Index first_column = 0;  ///< of x; other than 0 only for tiles
    bool training = false;

    /// Of a part that begins at this row and column.
    Where at(Index row, Index column) const {
        Where part = *this;
        part.first_row += row;
        part.first_column += column;
        return part;
    }
};

/// What a layer's forward reads and writes.
template <class Scalar>
struct Forward {
    ConstMatrixView<Scalar> x;
    MatrixView<Scalar> y;
    Index samples;            ///< of x and y, which have one or more rows for each
    MatrixView<Scalar> kept;  ///< samples x the plan's kept; to write
    Where where;
    std::span<const Index> shape = {};  ///< of a sample of x; of a whole call, not of a tile
};

template <class Scalar>
class Layer;

/// What a layer's backward reads and writes.
template <class Scalar>
struct Backward {
    ConstMatrixView<Scalar> x;     ///< of the forward call, if the plan says reads_x; else not to be read
    ConstMatrixView<Scalar> y;     ///< likewise, if the plan says reads_y
    Index samples;                 ///< of all of these
    ConstMatrixView<Scalar> kept;  ///< samples x the plan's kept, as forward wrote them
    ConstMatrixView<Scalar> grad_y;
    MatrixView<Scalar> grad_x;     ///< to write; see wants_grad_x()
    Where where;

    /// For layers that put tiles: whether grad_x has sums already, to which these are added; and a layer whose output
    /// is x, whose own backward takes each tile and makes the gradient by *its* input of it.
    bool adds = false;
    Layer<Scalar>* before = nullptr;
    Where where_before = {};
    std::span<const Index> shape = {};  ///< of a sample of x

    /// Whether grad_x is wanted: the first layer of a model is spared that work.
    bool wants_grad_x() const { return grad_x.data() != nullptr; }

    /// Writes or adds a tile of grad_x whose first element is (row, column) of it. Any number of threads may put tiles
    /// that do not overlap.
    void put(Index row, Index column, const ConstMatrixView<Scalar>& tile) {
        Scalar* to = grad_x.data() + row * grad_x.outerStride() + column;
        MatrixView<Scalar> part(to, tile.rows(), tile.cols(), Eigen::OuterStride<>(grad_x.outerStride()));
        if (before != nullptr) {
            const ConstMatrixView<Scalar> here(part), none(nullptr, 0, 0);
            before->backward({here, here, tile.rows(), none, tile, part, where_before.at(row, column)});
        } else if (adds) {
            part += tile;
        } else {
            part = tile;
        }
    }
};

}  // namespace gacc
