#pragma once

#include <gacc/layers/convolution_layer.hpp>
#include <gacc/layers/convolution_options.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/size2d.hpp>

#include <span>
#include <string>

namespace gacc::inline GACC_ABI {

struct Conv2dOptions {
    Size2d kernel = 3;    ///< rows and columns of a kernel; one number or {height, width}
    Size2d stride = 1;    ///< pixels of x from one pixel of y to the next
    Size2d padding = 0;   ///< rows or columns of zeros on each side of x
    Size2d dilation = 1;  ///< pixels of x from one number of a kernel to the next
    Index groups = 1;     ///< parts of the channels; each part of y reads its part of x only
    bool bias = true;     ///< add b to each channel
    Initialization initialization = Initialization::he_normal;  ///< or uniform_fan_in, PyTorch's default
};

/// Convolution of images: each channel of y is the sum over a window of x times a kernel, plus b. It is what PyTorch
/// calls Conv2d, with channels last.
///
/// Shapes     samples {height, width, in_channels} -> {(height + 2 padding - dilation (kernel - 1) - 1) / stride + 1,
///            the same of width, out_channels};  W out_channels x in_channels / groups x kernel height x kernel width;
///            b out_channels
/// Gradients  grad_W += sum of grad_y times its windows of x,  grad_b += sum of grad_y   (added, pixel by pixel)
///            grad_x  = sum over the windows that hold the pixel of grad_y times W       (written)
/// Throws     ShapeError if a size is not positive, the groups do not divide the channels, samples are not images of
///            in_channels channels, or the kernel is larger than the padded image; MemoryError if there is no memory
///            for the parameters
/// Source     He et al. 2015, arXiv:1502.01852, eq. 10 (initialize)
/// Example    gacc::Conv2d layer(3, 16, {.kernel = 3, .padding = 1});
///            gacc::Conv2d wide(16, 32, {.kernel = {3, 5}, .stride = 2, .bias = false});
template <class Scalar = float>
class Conv2d : public detail::ConvolutionLayer<Scalar> {
    using Base = detail::ConvolutionLayer<Scalar>;
    using typename Base::Axes;

public:
    Conv2d(Index in_channels, Index out_channels, Conv2dOptions options = {})
        : Base(shape_of_weight(in_channels, out_channels, options), out_channels, options,
               detail::described_convolution("Conv2d", in_channels, out_channels, options)),
          in_(in_channels), out_(out_channels), options_(options) {}

    std::string description() const override {
        return detail::described_convolution("Conv2d", in_, out_, options_);
    }
    LayerConfig config() const override { return detail::convolution_config("Conv2d", in_, out_, options_); }

    LayerPlan plan(const Shape& x) const override {
        if (x.size() != 3 || x.back() != in_) {
            throw ShapeError(description(), detail::text("expected samples of shape height x width x ", in_,
                                                         ", got samples of shape ", to_string(x)));
        }
        const auto [rows, columns] = axes(x);
        if (rows.extent() > rows.padded() || columns.extent() > columns.padded()) {
            throw ShapeError(description(),
                             detail::text("expected images of ", rows.extent(), " x ", columns.extent(),
                                          " pixels or more with their padding, got ", rows.padded(), " x ",
                                          columns.padded()));
        }
        const Index pixels = detail::product_of(rows.outputs(), columns.outputs());
        return {.y = {rows.outputs(), columns.outputs(), out_},
                .work = this->work(pixels, pixels),
                .reads_y = false,
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        const auto along = axes(call.shape);
        const auto& [rows, columns] = along;
        this->template convolve<false>(along, call.samples, this->images(call.x, rows.size, columns.size),
                                       this->images(call.y, rows.outputs(), columns.outputs()), this->bias_values());
    }

    void backward(Backward<Scalar> call) override {
        const auto along = axes(call.shape);
        const auto& [rows, columns] = along;
        const auto grad_y = this->images(call.grad_y, rows.outputs(), columns.outputs());
        this->add_weight_gradient(along, call.samples, this->images(call.x, rows.size, columns.size), grad_y);
        this->add_bias_gradient(call.grad_y);
        if (!call.wants_grad_x()) { return; }
        this->template convolve<true>(along, call.samples, grad_y, this->images(call.grad_x, rows.size, columns.size),
                                      nullptr);
    }

private:
    static Shape shape_of_weight(Index in, Index out, const Conv2dOptions& options) {
        const Size2d& kernel = detail::checked_convolution("Conv2d", in, out, options).kernel;
        return {out, in / options.groups, kernel.height, kernel.width};
    }
    Axes axes(std::span<const Index> x) const {
        const auto& [kernel, stride, padding, dilation, groups, bias, initialization] = options_;
        return {{x[0], kernel.height, stride.height, padding.height, dilation.height},
                {x[1], kernel.width, stride.width, padding.width, dilation.width}};
    }

    Index in_, out_;
    Conv2dOptions options_;
};

}  // namespace gacc
