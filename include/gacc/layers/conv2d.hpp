#pragma once

#include <gacc/kernels/column_strips.hpp>
#include <gacc/kernels/convolution.hpp>
#include <gacc/kernels/convolution_weights.hpp>
#include <gacc/kernels/depthwise.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/size2d.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

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
class Conv2d : public Layer<Scalar> {
public:
    Conv2d(Index in_channels, Index out_channels, Conv2dOptions options = {})
        : in_(in_channels), out_(out_channels), options_(checked(options)),
          weight_("weight", {out_, in_ / options.groups, options.kernel.height, options.kernel.width}, description()) {
        if (options_.bias) { bias_.emplace("bias", Shape{out_}, description()); }
    }

    std::string description() const override {
        std::string more;
        const auto add = [&](const char* name, Size2d value, Index usual) {
            if (value != Size2d(usual)) { more += std::string(", ") + name + " " + shown(value); }
        };
        add("stride", options_.stride, 1);
        add("padding", options_.padding, 0);
        add("dilation", options_.dilation, 1);
        if (options_.groups != 1) { more += ", groups " + std::to_string(options_.groups); }
        return detail::text("Conv2d(", in_, " -> ", out_, ", kernel ", options_.kernel.height, "x",
                            options_.kernel.width, more, ")");
    }
    LayerConfig config() const override {
        const bool he = options_.initialization == Initialization::he_normal;
        return {"Conv2d", {{"in_channels", in_},
                           {"out_channels", out_},
                           {"kernel_height", options_.kernel.height},
                           {"kernel_width", options_.kernel.width},
                           {"stride_height", options_.stride.height},
                           {"stride_width", options_.stride.width},
                           {"padding_height", options_.padding.height},
                           {"padding_width", options_.padding.width},
                           {"dilation_height", options_.dilation.height},
                           {"dilation_width", options_.dilation.width},
                           {"groups", options_.groups},
                           {"bias", options_.bias},
                           {"initialization", he ? "he_normal" : "uniform_fan_in"}}};
    }

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
        const Index work = weight_.size() + (bias_ ? bias_->size() : 0);
        return {.y = {rows.outputs(), columns.outputs(), out_},
                .work = detail::product_of(pixels, work),
                .reads_y = false,
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        const auto [rows, columns] = axes(call.shape);
        convolve<false>(rows, columns, call.samples, images(call.x, rows.size, columns.size),
                        images(call.y, rows.outputs(), columns.outputs()),
                        bias_ ? bias_->stored_values().data() : nullptr);
    }

    void backward(Backward<Scalar> call) override {
        const auto [rows, columns] = axes(call.shape);
        const auto grad_y = images(call.grad_y, rows.outputs(), columns.outputs());
        if (!weight_.is_frozen()) {
            const auto x = images(call.x, rows.size, columns.size);
            const auto [grad, from_zero] = weight_.start_grads();
            if (is_depthwise()) {
                detail::DepthwiseWeights<Scalar>{rows, columns, call.samples, x, grad_y, kernels(), grad.data(),
                                                 from_zero}
                    .run();
            } else {
                detail::ConvolutionWeights<Scalar>{rows, columns, call.samples, x, grad_y, kernels(), grad.data(),
                                                   from_zero}
                    .run();
            }
        }
        if (bias_ && !bias_->is_frozen()) { detail::add_column_sums(call.grad_y, bias_->materialize_grads().data()); }
        if (!call.wants_grad_x()) { return; }
        convolve<true>(rows, columns, call.samples, grad_y, images(call.grad_x, rows.size, columns.size), nullptr);
    }

    Parameter<Scalar>& weight() { return weight_; }
    /// Throws     UsageError if the layer has no bias
    Parameter<Scalar>& bias() {
        if (!bias_) { throw UsageError(description(), "expected a layer with a bias, got one with .bias = false"); }
        return *bias_;
    }
    std::vector<Parameter<Scalar>*> parameters() override {
        if (!bias_) { return {&weight_}; }
        return {&weight_, &*bias_};
    }

    /// Draws W in PyTorch's order, then b. The fan in is in_channels / groups * kernel height * kernel width.
    void initialize(Rng& rng) override {
        const double scale = std::sqrt(1 / static_cast<double>(weight_.cols()));
        const bool he = options_.initialization == Initialization::he_normal;
        weight_.generate([&] {
            return static_cast<Scalar>(he ? scale * std::sqrt(2.0) * rng.normal() : rng.uniform(-scale, scale));
        });
        if (bias_) { bias_->generate([&] { return static_cast<Scalar>(he ? 0.0 : rng.uniform(-scale, scale)); }); }
    }

private:
    struct Axes {
        detail::ConvolutionAxis rows, columns;
    };

    static std::string shown(Size2d value) {
        return value.height == value.width ? std::to_string(value.height)
                                           : detail::text(value.height, "x", value.width);
    }
    Conv2dOptions checked(const Conv2dOptions& options) const {
        const auto refuse = [](const char* what, const auto&... got) {
            throw ShapeError("Conv2d", detail::text("expected ", what, ", got ", got...));
        };
        if (in_ < 1 || out_ < 1) { refuse("1 or more channels", in_, " -> ", out_); }
        const auto check = [&](const char* what, Size2d value, Index least) {
            if (value.height < least || value.width < least) { refuse(what, value.height, " x ", value.width); }
        };
        check("a kernel of 1 or more", options.kernel, 1);
        check("a stride of 1 or more", options.stride, 1);
        check("a padding of 0 or more", options.padding, 0);
        check("a dilation of 1 or more", options.dilation, 1);
        if (options.groups < 1 || in_ % options.groups != 0 || out_ % options.groups != 0) {
            refuse("groups that divide the channels", options.groups, " groups for ", in_, " -> ", out_);
        }
        return options;
    }

    Axes axes(std::span<const Index> x) const {
        const auto& [kernel, stride, padding, dilation, groups, bias, initialization] = options_;
        return {{x[0], kernel.height, stride.height, padding.height, dilation.height},
                {x[1], kernel.width, stride.width, padding.width, dilation.width}};
    }
    bool is_depthwise() const { return options_.groups == in_ && in_ == out_ && in_ > 1; }
    detail::ConvolutionKernels<Scalar> kernels() const {
        return {std::as_const(weight_).stored_values().data(), in_ / options_.groups, out_ / options_.groups,
                options_.groups, options_.kernel.height, options_.kernel.width};
    }
    static detail::Images<const Scalar> images(const ConstMatrixView<Scalar>& rows, Index height, Index width) {
        return {rows.data(), height, width, rows.outerStride()};
    }
    static detail::Images<Scalar> images(MatrixView<Scalar>& rows, Index height, Index width) {
        return {rows.data(), height, width, rows.outerStride()};
    }

    template <bool gradient>
    void convolve(const detail::ConvolutionAxis& rows, const detail::ConvolutionAxis& columns, Index samples,
                  const detail::Images<const Scalar>& source, const detail::Images<Scalar>& result,
                  const Scalar* bias) const {
        if (is_depthwise()) {
            detail::Depthwise<Scalar>{rows, columns, kernels(), samples, gradient, source, result, bias}.run();
        } else {
            detail::Convolution<Scalar>{rows, columns, kernels(), samples, gradient, source, result, bias}.run();
        }
    }

    Index in_, out_;
    Conv2dOptions options_;
    Parameter<Scalar> weight_;               // out x in / groups x kernel height x kernel width
    std::optional<Parameter<Scalar>> bias_;  // out
};

}  // namespace gacc
