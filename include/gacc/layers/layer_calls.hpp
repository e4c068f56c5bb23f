#pragma once

#include <gacc/core/types.hpp>
#include <gacc/core/view.hpp>

#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI {

/// The place of a layer's call in training. Random numbers depend on it and not on the order of calls. So they are the
/// same for every cut of the batch, for any number of threads, and when a block is computed again.
struct Where {
    std::uint64_t seed = 0;
    Index step = 0;          ///< batches begun before this one
    Index layer = 0;         ///< index of the layer in the model
    Index first_row = 0;     ///< of x, counted from the first sample of the batch
    Index first_column = 0;  ///< of x; other than 0 only for tiles
    bool training = false;

    /// The place of a part that begins at this row and column.
    Where at(Index row, Index column) const {
        Where part = *this;
        part.first_row += row;
        part.first_column += column;
        return part;
    }
};

/// The arguments of a layer's forward.
template <class Scalar>
struct Forward {
    ConstMatrixView<Scalar> x;
    MatrixView<Scalar> y;
    Index samples;            ///< of x and y; each has one or more rows
    MatrixView<Scalar> kept;  ///< samples x the plan's kept; to write
    Where where;
    std::span<const Index> shape = {};  ///< of a sample of x; only for a whole call, not for a tile
    ConstMatrixView<Scalar> tokens{nullptr, 0, 0};  ///< samples x tokens of the model's input, if the plan reads_tokens
};

template <class Scalar>
class Layer;

/// The arguments of a layer's backward.
template <class Scalar>
struct Backward {
    ConstMatrixView<Scalar> x;     ///< of the forward call, if the plan says reads_x; else do not read it
    ConstMatrixView<Scalar> y;     ///< of the forward call, if the plan says reads_y; else do not read it
    Index samples;                 ///< of all these matrices
    ConstMatrixView<Scalar> kept;  ///< samples x the plan's kept, as forward wrote them
    ConstMatrixView<Scalar> grad_y;
    MatrixView<Scalar> grad_x;     ///< to write; see wants_grad_x()
    Where where;
    ConstMatrixView<Scalar> tokens{nullptr, 0, 0};  ///< as in forward

    /// For layers that put tiles: whether grad_x already has sums, to which the tiles are added. And the layer whose
    /// output is x, if its backward takes each tile and makes the gradient by its own input from it.
    bool adds = false;
    Layer<Scalar>* before = nullptr;
    Where where_before = {};
    std::span<const Index> shape = {};  ///< of a sample of x

    /// Whether grad_x is wanted. The first layer of a model need not compute it.
    bool wants_grad_x() const { return grad_x.data() != nullptr; }

    /// Writes or adds a tile of grad_x. Its first element is element (row, column) of grad_x. Any number of threads may
    /// put tiles that do not overlap.
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
