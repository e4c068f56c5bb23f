#pragma once

#include <gacc/core/shape.hpp>
#include <gacc/core/view.hpp>
#include <gacc/layers/layer.hpp>

#include <memory>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Gives the numbers of a matrix, by the place of a sample in the batch, in place of its x. After it, a part of a model
/// has the x that it has in the model, and the model's inputs, whose tokens it may read.
///
/// Shapes     values all samples x numbers of the shape
template <class Scalar>
class GivenValues : public Layer<Scalar> {
public:
    GivenValues(const Matrix<Scalar>& values, Shape shape)
        : values_(std::make_shared<const Matrix<Scalar>>(values)), shape_(std::move(shape)) {}

    std::string description() const override { return "GivenValues"; }
    LayerPlan plan(const Shape&) const override { return {.y = shape_, .reads_x = false, .reads_y = false}; }
    void forward(Forward<Scalar> call) const override {
        const Index sample = call.where.first_row / (call.x.rows() / call.samples);
        call.y = ConstMatrixView<Scalar>(values_->data() + sample * values_->cols(), call.y.rows(), call.y.cols());
    }
    void backward(Backward<Scalar>) override {}

private:
    std::shared_ptr<const Matrix<Scalar>> values_;  // copies share it
    Shape shape_;
};

}  // namespace gacc::detail
