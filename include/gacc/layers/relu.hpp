#pragma once

#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/layers/layer.hpp>

namespace gacc::inline GACC_ABI {

/// Rectified linear unit: y = max(x, 0), element by element. NaN passes through.
///
/// Gradients  grad_x = grad_y where y > 0, else 0 (also at x = 0)
/// Source     Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines"
/// Example    gacc::Sequential model(gacc::Linear(2, 8), gacc::ReLU(), gacc::Linear(8, 1));
template <class Scalar = float>
class ReLU : public Layer<Scalar> {
public:
    std::string description() const override { return "ReLU"; }
    LayerConfig config() const override { return {"ReLU"}; }
    LayerPlan plan(const Shape& x) const override { return {.y = x, .reads_x = false, .elementwise = true}; }

    void forward(Forward<Scalar> call) const override {
        for (Index i = 0; i < call.x.rows(); ++i) {
            const Scalar* in = call.x.data() + i * call.x.outerStride();
            Scalar* out = call.y.data() + i * call.y.outerStride();
            Index j = 0;
            for (; j + lanes <= call.x.cols(); j += lanes) {
                const Packet value = detail::load_packet(in + j);
                const Packet negative = detail::is_less(value, detail::all_lanes<Packet>(0));
                detail::store_packet(out + j, detail::zero_where(negative, value));
            }
            for (; j < call.x.cols(); ++j) { out[j] = in[j] < 0 ? Scalar(0) : in[j]; }
        }
    }

    void backward(Backward<Scalar> call) override {
        for (Index i = 0; i < call.y.rows(); ++i) {
            const Scalar* value = call.y.data() + i * call.y.outerStride();
            const Scalar* grad = call.grad_y.data() + i * call.grad_y.outerStride();
            Scalar* out = call.grad_x.data() + i * call.grad_x.outerStride();
            Index j = 0;
            for (; j + lanes <= call.y.cols(); j += lanes) {
                const Packet here = detail::load_packet(value + j);
                const Packet positive = detail::is_less(detail::all_lanes<Packet>(0), here);
                detail::store_packet(out + j, detail::keep_where(positive, detail::load_packet(grad + j)));
            }
            for (; j < call.y.cols(); ++j) { out[j] = value[j] > 0 ? grad[j] : Scalar(0); }
        }
    }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;
};

}  // namespace gacc
