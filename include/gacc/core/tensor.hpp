#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Numbers with a shape, samples first. They lie in memory as a row-major matrix, samples x (product of the other
/// sizes). matrix() gives that matrix to Eigen.
///
/// Throws     ShapeError if a shape is empty, has a negative size, or changes the number of numbers;
///            std::bad_alloc if there is not enough memory
/// Example    gacc::Tensor<float> images({100, 28, 28});  images.matrix().row(3).setOnes();
template <class Scalar = float>
class Tensor {
public:
    Tensor() : Tensor(Shape{0}) {}
    explicit Tensor(Shape shape)
        : shape_(checked(std::move(shape))), features_(elements(shape_, 1)), data_(elements(shape_)) {}

    const Shape& shape() const { return shape_; }
    /// Throws     UsageError if the tensor was moved from; so do matrix() and rows()
    Index samples() const {
        if (shape_.empty()) { throw UsageError("Tensor", "expected a tensor, got one that was moved from"); }
        return shape_.front();
    }
    /// The numbers of one sample.
    Index features() const { return features_; }
    Index size() const { return data_.size(); }

    Scalar* data() { return data_.data(); }
    const Scalar* data() const { return data_.data(); }

    /// All samples as rows, without a copy.
    MatrixView<Scalar> matrix() & { return rows(0, samples()); }
    ConstMatrixView<Scalar> matrix() const& { return rows(0, samples()); }
    void matrix() const&& = delete;  // the view would outlive the tensor

    /// Samples first, first + 1, ..., first + count - 1 as rows, without a copy.
    MatrixView<Scalar> rows(Index first, Index count) & {
        check_rows(first, count);
        return {data() + first * features(), count, features(), Eigen::OuterStride<>(features())};
    }
    ConstMatrixView<Scalar> rows(Index first, Index count) const& {
        check_rows(first, count);
        return {data() + first * features(), count, features()};
    }

    void rows(Index first, Index count) const&& = delete;

    /// Gives the same numbers another shape.
    void reshape(Shape shape) {
        if (elements(checked(shape)) != size()) {
            throw ShapeError("Tensor::reshape", detail::text("expected a shape of ", size(), " numbers as ",
                                                             to_string(shape_), ", got ", to_string(shape)));
        }
        shape_ = std::move(shape);
        features_ = elements(shape_, 1);
    }

private:
    static Shape checked(Shape shape) {
        bool valid = !shape.empty();
        Index product = 1;
        for (const Index size : shape) {
            valid = valid && size >= 0;
            product = detail::product_of(product, std::max<Index>(size, 1));
        }
        valid = valid && product <= detail::most_numbers<Scalar>;
        if (!valid) {
            throw ShapeError("Tensor",
                             "expected sizes of 0 or more that memory can hold, got [" + to_string(shape) + "]");
        }
        return shape;
    }
    void check_rows(Index first, Index count) const {
        if (first < 0 || count < 0 || first > samples() - count) {
            throw ShapeError("Tensor::rows", detail::text("expected samples within the ", samples(), " there are, got ",
                                                          count, " from ", first, " on"));
        }
    }

    Shape shape_;
    Index features_ = 0;
    Buffer<Scalar> data_;  // samples x features
};

}  // namespace gacc
