#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/model_body.hpp>

#include <new>
#include <string>

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

/// Throws     UsageError if the model does not end with a Linear, after other layers
template <class Scalar>
void check_head(const char* where, const ModelBody<Scalar>& body) {
    if (body.graph.head() != nullptr) { return; }
    const std::string last = body.blocks.empty() ? "no layers" : body.blocks.back().description() + " at the end";
    throw UsageError(where, text("expected a model that ends with a Linear after other layers, got ", last,
                                 body.blocks.size() == 1 ? " and no other layers" : "",
                                 "; use SoftmaxCrossEntropy and forward()"));
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

/// Throws     UsageError if the gradient comes in blocks though the forward pass computed the outputs, or the other way
///            round; ShapeError if it or its weights do not fit the outputs of this number of samples
template <class Scalar>
void check_gradient(const Value& outputs, Index samples, const LossGradient<Scalar>& loss, bool ends_at_features) {
    if (ends_at_features != static_cast<bool>(loss.block)) {
        throw UsageError("Sequential::backward",
                         ends_at_features
                             ? "expected the gradient of a loss of features, such as LinearCrossEntropy, after "
                               "forward_features(), got one of a loss of outputs; call forward()"
                             : "expected the gradient of a loss of outputs after forward(), got one of a loss of "
                               "features; call forward_features()");
    }
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
