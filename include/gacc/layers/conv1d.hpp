#pragma once

#include <gacc/layers/convolution_layer.hpp>
#include <gacc/layers/convolution_options.hpp>
#include <gacc/layers/layer.hpp>

#include <span>
#include <string>

namespace gacc::inline GACC_ABI {

struct Conv1dOptions {
    Index kernel = 3;    ///< tokens that a kernel spans
    Index stride = 1;    ///< tokens of x from one token of y to the next
    Index padding = 0;   ///< tokens of zeros before the first and after the last token of x
    Index dilation = 1;  ///< tokens of x from one number of a kernel to the next
    Index groups = 1;    ///< parts of the channels; each part of y reads its part of x only
    bool bias = true;    ///< add b to each channel
    Initialization initialization = Initialization::he_normal;  ///< or uniform_fan_in, PyTorch's default
};

/// Convolution of sequences: kernels over the windows of a sequence, as a Conv2d over an image of height 1.
///
/// Shapes     samples {tokens, in_channels} -> {floor((tokens + 2 padding - dilation (kernel - 1) - 1) / stride) + 1,
///            out_channels};  W out_channels x in_channels / groups x kernel;  b out_channels
/// Gradients  grad_W += sum of grad_y times its windows,  grad_b += sum of grad_y   (added, token by token)
///            grad_x  = sum of grad_y times the kernels that met it                 (written)
/// Throws     ShapeError if a size is out of its range, the groups do not divide the channels, or samples are not
///            sequences of in_channels channels or shorter than the kernel; MemoryError if there is no memory for the
///            parameters
/// Source     He et al. 2015, arXiv:1502.01852, eq. 10 (initialize)
/// Example    gacc::Conv1d layer(128, 64, {.kernel = 5, .padding = 2});
template <class Scalar = float>
class Conv1d : public detail::ConvolutionLayer<Scalar> {
    using Base = detail::ConvolutionLayer<Scalar>;
    using typename Base::Axes;

public:
    Conv1d(Index in_channels, Index out_channels, Conv1dOptions options = {})
        : Base(shape_of_weight(in_channels, out_channels, options), out_channels, options,
               detail::described_convolution("Conv1d", in_channels, out_channels, options)),
          in_(in_channels), out_(out_channels), options_(options) {}

    std::string description() const override { return detail::described_convolution("Conv1d", in_, out_, options_); }
    LayerConfig config() const override { return detail::convolution_config("Conv1d", in_, out_, options_); }

    LayerPlan plan(const Shape& x) const override {
        if (x.size() != 2 || x.back() != in_) {
            throw ShapeError(description(), detail::text("expected samples of shape tokens x ", in_,
                                                         ", got samples of shape ", to_string(x)));
        }
        const auto tokens = axes(x).columns;
        if (tokens.extent() > tokens.padded()) {
            throw ShapeError(description(), detail::text("expected sequences of ", tokens.extent(),
                                                         " tokens or more with their padding, got ", tokens.padded()));
        }
        return {.y = {tokens.outputs(), out_},
                .work = this->work(tokens.outputs(), tokens.outputs()),
                .reads_y = false,
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        const Axes along = axes(call.shape);
        this->template convolve<false>(along, call.samples, this->images(call.x, 1, along.columns.size),
                                       this->images(call.y, 1, along.columns.outputs()), this->bias_values());
    }

    void backward(Backward<Scalar> call) override {
        const Axes along = axes(call.shape);
        const Index tokens = along.columns.size;
        const auto grad_y = this->images(call.grad_y, 1, along.columns.outputs());
        this->add_weight_gradient(along, call.samples, this->images(call.x, 1, tokens), grad_y);
        this->add_bias_gradient(call.grad_y);
        if (!call.wants_grad_x()) { return; }
        this->template convolve<true>(along, call.samples, grad_y, this->images(call.grad_x, 1, tokens), nullptr);
    }

private:
    static Shape shape_of_weight(Index in, Index out, const Conv1dOptions& options) {
        const Index kernel = detail::checked_convolution("Conv1d", in, out, options).kernel;
        return {out, in / options.groups, kernel};
    }
    Axes axes(std::span<const Index> x) const {
        const auto& [kernel, stride, padding, dilation, groups, bias, initialization] = options_;
        return {{1, 1, 1, 0, 1}, {x[0], kernel, stride, padding, dilation}};
    }

    Index in_, out_;
    Conv1dOptions options_;
};

}  // namespace gacc
