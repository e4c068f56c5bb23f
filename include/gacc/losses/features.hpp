#pragma once

#include <gacc/core/view.hpp>

#include <functional>
#include <utility>

namespace gacc::inline GACC_ABI {

/// What the last layer of a model reads, for a loss that computes the model's outputs itself, some rows at a time. It
/// refers to the values and the layer, and owns neither. Sequential::forward_features() returns it.
///
/// Shapes     values rows x width;  outputs rows x outputs()
template <class Scalar>
class Features {
public:
    /// Writes the outputs y of the rows of x.
    using Write = std::function<void(const ConstMatrixView<Scalar>& x, MatrixView<Scalar> y)>;

    Features() = default;
    Features(const ConstMatrixView<Scalar>& values, Index outputs, Write write, Index forward = 0)
        : data_(values.data()), rows_(values.rows()), width_(values.cols()), stride_(values.outerStride()),
          outputs_(outputs), forward_(forward), write_(std::move(write)) {}

    ConstMatrixView<Scalar> values() const { return {data_, rows_, width_, stride_}; }
    Index rows() const { return rows_; }
    /// The columns of the outputs.
    Index outputs() const { return outputs_; }

    /// The number of the model's forward pass that made them, from 1; 0 if it was no pass for training. The loss passes it
    /// on to backward, which refuses the features of another pass than the last: they may be gone.
    Index forward() const { return forward_; }

    /// Rows first to first + count - 1.
    Features some_rows(Index first, Index count) const {
        return {values().middleRows(first, count), outputs_, write_, forward_};
    }

    /// Writes the outputs of as many rows as y has, from row `first` on.
    void write_outputs(Index first, MatrixView<Scalar> y) const {
        write_(ConstMatrixView<Scalar>(data_ + first * stride_, y.rows(), width_, stride_), y);
    }

private:
    const Scalar* data_ = nullptr;
    Index rows_ = 0, width_ = 0, stride_ = 0, outputs_ = 0, forward_ = 0;
    Write write_;
};

/// The same for a validation. It owns the values; the layer is that of the model, which must outlive it.
/// Sequential::predict_features() returns it.
template <class Scalar>
class OwnFeatures {
public:
    OwnFeatures(Matrix<Scalar> values, Index outputs, typename Features<Scalar>::Write write)
        : values_(std::move(values)), outputs_(outputs), write_(std::move(write)) {}

    Features<Scalar> view() const { return {values_, outputs_, write_}; }

private:
    Matrix<Scalar> values_;
    Index outputs_;
    typename Features<Scalar>::Write write_;
};

namespace detail {

/// A loss whose forward takes Features in place of outputs.
template <class Loss>
concept TakesFeatures = requires { requires Loss::takes_features; };

}  // namespace detail
}  // namespace gacc
