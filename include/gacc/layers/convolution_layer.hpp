#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/kernels/column_strips.hpp>
#include <gacc/kernels/convolution.hpp>
#include <gacc/kernels/convolution_weights.hpp>
#include <gacc/kernels/depthwise.hpp>
#include <gacc/layers/initialization.hpp>
#include <gacc/layers/layer.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// What all convolutions share: their parameters, and calls of the kernels. A convolution goes from images of many
/// channels, its source, to its result; its gradient goes back. A transposed convolution takes the way back as its way
/// forward.
template <class Scalar>
class ConvolutionLayer : public Layer<Scalar> {
public:
    Parameter<Scalar>& weight() { return weight_; }
    /// Throws     UsageError if the layer has no bias
    Parameter<Scalar>& bias() {
        if (!bias_) {
            throw UsageError(this->description(), "expected a layer with a bias, got one with .bias = false");
        }
        return *bias_;
    }
    std::vector<Parameter<Scalar>*> parameters() override {
        if (!bias_) { return {&weight_}; }
        return {&weight_, &*bias_};
    }

    /// Draws W in PyTorch's order, then b. The fan in is that of PyTorch: numbers of W for each of its first size.
    void initialize(Rng& rng) override {
        draw_first_values(rng, initialization_, weight_.cols(), &weight_, bias_ ? &*bias_ : nullptr);
    }

protected:
    /// The convolution along both sides of an image.
    struct Axes {
        ConvolutionAxis rows, columns;
    };

    /// `weight` is the shape of W: channels of the result, channels of the source of a group, and the kernel's sizes.
    template <class Options>
    ConvolutionLayer(Shape weight, Index channels_of_y, const Options& options, const std::string& description)
        : groups_(options.groups), initialization_(options.initialization),
          weight_("weight", std::move(weight), description) {
        if (options.bias) { bias_.emplace("bias", Shape{channels_of_y}, description); }
    }

    /// Multiply-adds for a sample, by the pixels of the convolution's result and those of y.
    Index work(Index pixels_of_result, Index pixels_of_y) const {
        return sum_of(product_of(pixels_of_result, weight_.size()), product_of(pixels_of_y, bias_ ? bias_->size() : 0));
    }
    const Scalar* bias_values() const { return bias_ ? std::as_const(*bias_).stored_values().data() : nullptr; }

    static Images<const Scalar> images(const ConstMatrixView<Scalar>& rows, Index height, Index width) {
        return {rows.data(), height, width, rows.outerStride()};
    }
    static Images<Scalar> images(MatrixView<Scalar>& rows, Index height, Index width) {
        return {rows.data(), height, width, rows.outerStride()};
    }

    /// Writes the result from the source; with `gradient` from the result's place to the source's.
    template <bool gradient>
    void convolve(const Axes& axes, Index samples, const Images<const Scalar>& from, const Images<Scalar>& to,
                  const Scalar* bias) const {
        const auto& [rows, columns] = axes;
        if (is_depthwise()) {
            Depthwise<Scalar>{rows, columns, kernels(), samples, gradient, from, to, bias}.run();
        } else {
            Convolution<Scalar>{rows, columns, kernels(), samples, gradient, from, to, bias}.run();
        }
    }

    /// Adds to the gradient of W, if it is not frozen, for a convolution of `source` and the gradient of its result.
    void add_weight_gradient(const Axes& axes, Index samples, const Images<const Scalar>& source,
                             const Images<const Scalar>& grad) {
        if (weight_.is_frozen()) { return; }
        const auto& [rows, columns] = axes;
        const auto [sums, from_zero] = weight_.start_grads();
        if (is_depthwise()) {
            DepthwiseWeights<Scalar>{rows, columns, samples, source, grad, kernels(), sums.data(), from_zero}.run();
        } else {
            ConvolutionWeights<Scalar>{rows, columns, samples, source, grad, kernels(), sums.data(), from_zero}.run();
        }
    }

    /// Adds pixel by pixel, so the sum does not depend on the cut.
    void add_bias_gradient(const ConstMatrixView<Scalar>& grad_y) {
        if (!bias_ || bias_->is_frozen()) { return; }
        add_column_sums(grad_y, bias_->materialize_grads().data());
    }

private:
    ConvolutionKernels<Scalar> kernels() const {
        const Shape& shape = weight_.shape();
        return {weight_.stored_values().data(), shape[1], shape[0] / groups_, groups_,
                shape.size() > 3 ? shape[2] : 1, shape.back()};
    }
    bool is_depthwise() const { return groups_ > 1 && weight_.shape()[0] == groups_ && weight_.shape()[1] == 1; }

    Index groups_;
    Initialization initialization_;
    Parameter<Scalar> weight_;
    std::optional<Parameter<Scalar>> bias_;  // of each channel of y
};

}  // namespace gacc::detail
