#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/model_body.hpp>

#include <new>

namespace gacc::inline GACC_ABI::detail {

/// Throws     UsageError if the model has no layers; ShapeError if it cannot take these inputs
template <class Scalar>
void check_inputs(const ModelBody<Scalar>& body, const ConstMatrixView<Scalar>& inputs) {
    if (body.blocks.empty()) { throw UsageError("Sequential", "expected a model with layers, got none; add one"); }
    const auto where = [&] { return body.blocks.front().description(); };
    if (inputs.rows() == 0) { throw ShapeError(where(), "expected one sample or more, got none"); }
    const Shape& shape = body.graph.input().shape;
    if (inputs.cols() != elements(shape)) {
        throw ShapeError(where(), text("expected ", elements(shape), " features a sample, got a micro-batch of shape ",
                                       inputs.rows(), " x ", inputs.cols(), " (samples x features)"));
    }
    if (rows_of(shape) > 1 && inputs.outerStride() != inputs.cols() && inputs.rows() > 1) {
        throw ShapeError(where(), text("expected samples of ", to_string(shape),
                                       " that lie side by side, got some that lie ", inputs.outerStride(),
                                       " numbers apart; copy them into a gacc::Matrix"));
    }
}

/// A matrix for the outputs of all samples.
///
/// Throws     MemoryError if there is no memory for it
template <class Scalar>
Matrix<Scalar> outputs_for(const Value& outputs, const ConstMatrixView<Scalar>& inputs) {
    const Index numbers = product_of(inputs.rows(), outputs.rows(), outputs.features());
    return with_memory("Sequential::predict", numbers, sizeof(Scalar), "outputs", "predict fewer samples at a time", [&] {
        if (numbers > most_numbers<Scalar>) { throw std::bad_alloc(); }
        return Matrix<Scalar>(inputs.rows() * outputs.rows(), outputs.features());
    });
}

/// Throws     ShapeError if the gradient or its weights do not fit the outputs of this number of samples
template <class Scalar>
void check_gradient(const Value& outputs, Index samples, const LossGradient<Scalar>& loss) {
    const Index rows = samples * outputs.rows();
    if (loss.grad.rows() != rows || loss.grad.cols() != outputs.features() ||
        static_cast<Index>(loss.sample_weights.size()) != rows) {
        throw ShapeError("Sequential::backward",
                         text("expected a gradient of shape ", rows, " x ", outputs.features(), " and as many weights as ",
                              outputs.rows() > 1 ? "rows" : "samples", ", got ", loss.grad.rows(), " x ",
                              loss.grad.cols(), " and ", loss.sample_weights.size()));
    }
}

}  // namespace gacc::detail
