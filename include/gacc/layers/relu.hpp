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
        const auto [rows, cols] = as_few_rows(call.x, call.y, call.y);
        for (Index i = 0; i < rows; ++i) {
            const Scalar* in = call.x.data() + i * call.x.outerStride();
            Scalar* out = call.y.data() + i * call.y.outerStride();
            Index j = 0;
            for (; j + lanes <= cols; j += lanes) {
                const Packet value = detail::load_packet(in + j);
                const Packet negative = detail::is_less(value, detail::all_lanes<Packet>(0));
                detail::store_packet(out + j, detail::zero_where(negative, value));
            }
            for (; j < cols; ++j) { out[j] = in[j] < 0 ? Scalar(0) : in[j]; }
        }
    }

    void backward(Backward<Scalar> call) override {
        const auto [rows, cols] = as_few_rows(call.y, call.grad_y, call.grad_x);
        for (Index i = 0; i < rows; ++i) {
            const Scalar* value = call.y.data() + i * call.y.outerStride();
            const Scalar* grad = call.grad_y.data() + i * call.grad_y.outerStride();
            Scalar* out = call.grad_x.data() + i * call.grad_x.outerStride();
            Index j = 0;
            for (; j + lanes <= cols; j += lanes) {
                const Packet here = detail::load_packet(value + j);
                const Packet positive = detail::is_less(detail::all_lanes<Packet>(0), here);
                detail::store_packet(out + j, detail::keep_where(positive, detail::load_packet(grad + j)));
            }
            for (; j < cols; ++j) { out[j] = value[j] > 0 ? grad[j] : Scalar(0); }
        }
    }

private:
    struct Size {
        Index rows, cols;
    };
    /// The rows and columns to go through: one long row, if rows lie one after the other.
    template <class X, class Y, class Z>
    static Size as_few_rows(const X& x, const Y& y, const Z& z) {
        const Index cols = x.cols();
        const bool dense = x.outerStride() == cols && y.outerStride() == cols && z.outerStride() == cols;
        return dense ? Size{1, x.rows() * cols} : Size{x.rows(), cols};
    }

    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;
};

}  // namespace gacc
