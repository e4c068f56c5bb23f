#pragma once

#include <gacc/kernels/simd.hpp>
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
    Index out_features(Index in_features) const override { return in_features; }
    bool in_place() const override { return true; }

    void forward(const ConstMatrixView<Scalar>& x, MatrixView<Scalar> y) const override {
        for (Index i = 0; i < x.rows(); ++i) {
            const Scalar* in = x.data() + i * x.outerStride();
            Scalar* out = y.data() + i * y.outerStride();
            Index j = 0;
            for (; j + lanes <= x.cols(); j += lanes) {
                const Packet value = Eigen::internal::ploadu<Packet>(in + j);
                const Packet negative = Eigen::internal::pcmp_lt(value, Eigen::internal::pzero(value));
                Eigen::internal::pstoreu(out + j, Eigen::internal::pandnot(value, negative));
            }
            for (; j < x.cols(); ++j) { out[j] = in[j] < 0 ? Scalar(0) : in[j]; }
        }
    }

    void backward(const ConstMatrixView<Scalar>&, const ConstMatrixView<Scalar>& y,
                  const ConstMatrixView<Scalar>& grad_y, MatrixView<Scalar> grad_x) override {
        if (grad_x.data() == nullptr) { return; }
        for (Index i = 0; i < y.rows(); ++i) {
            const Scalar* value = y.data() + i * y.outerStride();
            const Scalar* grad = grad_y.data() + i * grad_y.outerStride();
            Scalar* out = grad_x.data() + i * grad_x.outerStride();
            Index j = 0;
            for (; j + lanes <= y.cols(); j += lanes) {
                const Packet here = Eigen::internal::ploadu<Packet>(value + j);
                const Packet positive = Eigen::internal::pcmp_lt(Eigen::internal::pzero(here), here);
                Eigen::internal::pstoreu(out + j,
                                         Eigen::internal::pand(Eigen::internal::ploadu<Packet>(grad + j), positive));
            }
            for (; j < y.cols(); ++j) { out[j] = value[j] > 0 ? grad[j] : Scalar(0); }
        }
    }

private:
    using Packet = typename detail::Simd<Scalar>::Packet;
    static constexpr Index lanes = detail::Simd<Scalar>::lanes;
};

}  // namespace gacc
