#pragma once

#include <gacc/core/shape.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/windows.hpp>

#include <string>

namespace gacc::inline GACC_ABI {

/// The mean of each channel over all pixels of the image. A classifier uses it in place of Flatten, for images of any
/// height and width.
///
/// Shapes     x {height, width, channels};  y {channels}
/// Gradients  grad_x = grad_y / pixels
/// Throws     ShapeError if samples are no images
/// Source     Lin et al. 2013, arXiv:1312.4400, section 3.2
/// Example    model.add(gacc::GlobalAveragePool());  model.add(gacc::Linear(64, 10));
template <class Scalar = float>
class GlobalAveragePool : public Layer<Scalar> {
public:
    std::string description() const override { return "GlobalAveragePool"; }
    LayerConfig config() const override { return {"GlobalAveragePool"}; }
    LayerPlan plan(const Shape& x) const override {
        detail::check_image(description(), x);
        return {.y = {x[2]},
                .work = detail::product_of(rows_of(x), x[2]),
                .reads_x = false,
                .reads_y = false,
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        const Index channels = call.x.cols(), pixels = call.x.rows() / call.samples;
        const Packet divisor = detail::all_lanes<Packet>(static_cast<double>(pixels));
        for (Index sample = 0; sample < call.samples; ++sample) {
            for (Index i = 0; i < channels; i += lanes) {
                const Scalar* x = call.x.data() + sample * pixels * call.x.outerStride() + i;
                Packet sum = detail::all_lanes<Packet>(0);
                for (Index pixel = 0; pixel < pixels; ++pixel, x += call.x.outerStride()) {
                    sum = detail::plus(sum, detail::load_padded(x, channels - i));
                }
                detail::store_first(call.y.data() + sample * call.y.outerStride() + i, detail::quotient(sum, divisor),
                                    channels - i);
            }
        }
    }

    void backward(Backward<Scalar> call) override {
        if (!call.wants_grad_x()) { return; }
        const Index channels = call.grad_x.cols(), pixels = call.grad_x.rows() / call.samples;
        const Packet divisor = detail::all_lanes<Packet>(static_cast<double>(pixels));
        for (Index sample = 0; sample < call.samples; ++sample) {
            for (Index i = 0; i < channels; i += lanes) {
                const Scalar* grad_y = call.grad_y.data() + sample * call.grad_y.outerStride() + i;
                const Packet share = detail::quotient(detail::load_padded(grad_y, channels - i), divisor);
                Scalar* grad_x = call.grad_x.data() + sample * pixels * call.grad_x.outerStride() + i;
                for (Index pixel = 0; pixel < pixels; ++pixel, grad_x += call.grad_x.outerStride()) {
                    detail::store_first(grad_x, share, channels - i);
                }
            }
        }
    }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;
};

}  // namespace gacc
