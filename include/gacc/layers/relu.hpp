#pragma once

#include <gacc/layers/layer.hpp>

namespace gacc {

/// Rectified linear unit: y = max(x, 0), element by element. Not-a-number passes through.
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
        y = x.unaryExpr([](Scalar value) { return value < 0 ? Scalar(0) : value; });
    }

    void backward(const ConstMatrixView<Scalar>&, const ConstMatrixView<Scalar>& y,
                  const ConstMatrixView<Scalar>& grad_y, MatrixView<Scalar> grad_x) override {
        if (grad_x.data() == nullptr) { return; }
        grad_x = y.binaryExpr(grad_y, [](Scalar value, Scalar grad) { return value > 0 ? grad : Scalar(0); });
    }
};

}  // namespace gacc
