#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/layers/convolution_layer.hpp>
#include <gacc/layers/convolution_options.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/size2d.hpp>

#include <algorithm>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI {

struct ConvTranspose2dOptions {
    Size2d kernel = 3;          ///< rows and columns of a kernel; one number or {height, width}, as the next four
    Size2d stride = 1;          ///< pixels of y from one pixel of x to the next
    Size2d padding = 0;         ///< rows or columns that y loses on each side
    Size2d output_padding = 0;  ///< rows or columns that y has more at its end; less than the stride or the dilation
    Size2d dilation = 1;        ///< pixels of y from one number of a kernel to the next
    Index groups = 1;           ///< parts of the channels; each part of y reads its part of x only
    bool bias = true;           ///< add b to each channel
    Initialization initialization = Initialization::he_normal;  ///< or uniform_fan_in, PyTorch's default
};

/// Transposed convolution, from an image to a larger one: each pixel of x times the kernels is added to a window of y.
/// For a Conv2d with the same options, y is to x what grad_x is to grad_y.
///
/// Shapes     samples {height, width, in_channels} -> {height of y, width of y, out_channels}, where a side of y is
///            (side of x - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1;
///            W in_channels x out_channels / groups x kernel height x kernel width;  b out_channels
/// Gradients  grad_W += sum of x times its windows of grad_y,  grad_b += sum of grad_y   (added, pixel by pixel)
///            grad_x  = grad_y convolved with the kernels                                (written)
/// Throws     ShapeError if a size is out of its range, the groups do not divide the channels, samples are not images
///            of in_channels channels, or y would have no pixels; MemoryError if there is no memory for the parameters
/// Source     Dumoulin and Visin 2016, arXiv:1603.07285, section 4;  He et al. 2015, arXiv:1502.01852, eq. 10
///            (initialize, with PyTorch's fan in: out_channels / groups * kernel height * kernel width)
/// Example    gacc::ConvTranspose2d layer(32, 16, {.kernel = 2, .stride = 2});  // twice as high and wide
template <class Scalar = float>
class ConvTranspose2d : public detail::ConvolutionLayer<Scalar> {
    using Base = detail::ConvolutionLayer<Scalar>;
    using typename Base::Axes;

public:
    ConvTranspose2d(Index in_channels, Index out_channels, ConvTranspose2dOptions options = {})
        : Base(shape_of_weight(in_channels, out_channels, options), out_channels, options,
               detail::described_convolution("ConvTranspose2d", in_channels, out_channels, options)),
          in_(in_channels), out_(out_channels), options_(options) {}

    std::string description() const override {
        return detail::described_convolution("ConvTranspose2d", in_, out_, options_);
    }
    LayerConfig config() const override { return detail::convolution_config("ConvTranspose2d", in_, out_, options_); }

    LayerPlan plan(const Shape& x) const override {
        if (x.size() != 3 || x.back() != in_) {
            throw ShapeError(description(), detail::text("expected samples of shape height x width x ", in_,
                                                         ", got samples of shape ", to_string(x)));
        }
        const Size2d y = size_of_y(x);
        if (std::min(y.height, y.width) < 1 || std::max(y.height, y.width) == detail::largest_size) {
            throw ShapeError(description(), detail::text("expected images whose output has from 1 to ",
                                                         detail::largest_size - 1, " pixels a side, got one of ",
                                                         y.height, " x ", y.width));
        }
        return {.y = {y.height, y.width, out_},
                .work = this->work(detail::product_of(x[0], x[1]), detail::product_of(y.height, y.width)),
                .reads_y = false,
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        const Size2d y = size_of_y(call.shape);
        this->template convolve<true>(axes(y), call.samples, this->images(call.x, call.shape[0], call.shape[1]),
                                      this->images(call.y, y.height, y.width), this->bias_values());
    }

    void backward(Backward<Scalar> call) override {
        const Size2d y = size_of_y(call.shape), &more = options_.output_padding;
        // Without the output padding there is one window for each pixel of x. The last windows may still read its pixels.
        const Axes along = axes({y.height - more.height, y.width - more.width});
        const Index height = call.shape[0], width = call.shape[1];
        const auto grad_y = this->images(call.grad_y, y.height, y.width);
        this->add_weight_gradient(along, call.samples, grad_y, this->images(call.x, height, width));
        this->add_bias_gradient(call.grad_y);
        if (!call.wants_grad_x()) { return; }
        this->template convolve<false>(along, call.samples, grad_y, this->images(call.grad_x, height, width), nullptr);
    }

private:
    static Shape shape_of_weight(Index in, Index out, const ConvTranspose2dOptions& options) {
        const auto& [kernel, stride, padding, output_padding, dilation, groups, bias, initialization] =
            detail::checked_convolution("ConvTranspose2d", in, out, options);
        if (std::min(output_padding.height, output_padding.width) < 0 ||
            output_padding.height >= std::max(stride.height, dilation.height) ||
            output_padding.width >= std::max(stride.width, dilation.width)) {
            throw ShapeError("ConvTranspose2d",
                             detail::text("expected an output padding of 0 or more, less than the stride or the "
                                          "dilation, got ",
                                          output_padding.height, " x ", output_padding.width));
        }
        return {in, out / groups, kernel.height, kernel.width};
    }

    /// A side of y; the largest size if it is too large for an Index.
    static Index side_of_y(Index pixels, Index kernel, Index stride, Index padding, Index more, Index dilation) {
        const Index all = detail::sum_of(detail::product_of(pixels - 1, stride),
                                         detail::product_of(kernel - 1, dilation), more, 1);
        return all == detail::largest_size ? all : all - detail::product_of(2, padding);
    }
    Size2d size_of_y(std::span<const Index> x) const {
        const auto& [kernel, stride, padding, more, dilation, groups, bias, initialization] = options_;
        return {side_of_y(x[0], kernel.height, stride.height, padding.height, more.height, dilation.height),
                side_of_y(x[1], kernel.width, stride.width, padding.width, more.width, dilation.width)};
    }
    /// Of the convolution from images like y to images like x.
    Axes axes(const Size2d& y) const {
        const auto& [kernel, stride, padding, more, dilation, groups, bias, initialization] = options_;
        return {{y.height, kernel.height, stride.height, padding.height, dilation.height},
                {y.width, kernel.width, stride.width, padding.width, dilation.width}};
    }

    Index in_, out_;
    ConvTranspose2dOptions options_;
};

}  // namespace gacc
