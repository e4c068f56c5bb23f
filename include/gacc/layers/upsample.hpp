#pragma once

#include <gacc/core/shape.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/size2d.hpp>
#include <gacc/layers/windows.hpp>

#include <algorithm>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI {

/// An image with larger pixels: each pixel of x becomes a rectangle of equal pixels (nearest neighbour).
///
/// Shapes     x {height, width, channels};  y {height scale, width scale, channels}
/// Gradients  grad_x = the sum of grad_y over the rectangle, row by row
/// Throws     ShapeError if the scale is below 1 or above 4096, or samples are no images
/// Example    gacc::Upsample layer(2);
template <class Scalar = float>
class Upsample : public Layer<Scalar> {
public:
    explicit Upsample(Size2d scale) : scale_(scale) {
        if (std::min(scale.height, scale.width) < 1 || std::max(scale.height, scale.width) > 4096) {
            throw ShapeError("Upsample", detail::text("expected a scale from 1 to 4096, got ", to_string(scale)));
        }
    }

    std::string description() const override { return "Upsample(" + to_string(scale_) + ")"; }
    LayerConfig config() const override {
        return {"Upsample", {{"scale_height", scale_.height}, {"scale_width", scale_.width}}};
    }
    LayerPlan plan(const Shape& x) const override {
        detail::check_image(description(), x);
        const Shape y{detail::product_of(x[0], scale_.height), detail::product_of(x[1], scale_.width), x[2]};
        return {.y = y,
                .work = detail::product_of(y[0], y[1], y[2]),
                .reads_x = false,
                .reads_y = false,
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        for_each_pixel(call.samples, call.shape, [&](Index row_of_x, const detail::PixelBox& rectangle) {
            const Scalar* x = call.x.data() + row_of_x * call.x.outerStride();
            rectangle.for_each(
                [&](Index row) { std::copy_n(x, call.x.cols(), call.y.data() + row * call.y.outerStride()); });
        });
    }

    void backward(Backward<Scalar> call) override {
        if (!call.wants_grad_x()) { return; }
        const Index channels = call.grad_x.cols();
        for_each_pixel(call.samples, call.shape, [&](Index row_of_x, const detail::PixelBox& rectangle) {
            for (Index i = 0; i < channels; i += lanes) {
                Packet sum = detail::all_lanes<Packet>(0);
                rectangle.for_each([&](Index row) {
                    const Scalar* grad_y = call.grad_y.data() + row * call.grad_y.outerStride() + i;
                    sum = detail::plus(sum, detail::load_padded(grad_y, channels - i));
                });
                detail::store_first(call.grad_x.data() + row_of_x * call.grad_x.outerStride() + i, sum, channels - i);
            }
        });
    }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;

    /// Calls f(row of x, rectangle of y) for every pixel of x, in order. `shape` is that of a sample of x.
    template <class F>
    void for_each_pixel(Index samples, std::span<const Index> shape, const F& f) const {
        const Index height = shape[0], width = shape[1], width_of_y = width * scale_.width;
        for (Index row = 0; row < samples * height; ++row) {
            for (Index column = 0; column < width; ++column) {
                const Index left = column * scale_.width;
                f(row * width + column, detail::PixelBox{0, scale_.height, left, left + scale_.width,
                                                         row * scale_.height * width_of_y, width_of_y});
            }
        }
    }

    Size2d scale_;
};

}  // namespace gacc
