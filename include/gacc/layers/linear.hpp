#pragma once

#include <gacc/kernels/product.hpp>
#include <gacc/kernels/row_product.hpp>
#include <gacc/layers/layer.hpp>

#include <cmath>

namespace gacc::inline GACC_ABI {

/// How a layer draws its first values, for `in` input features.
enum class Initialization {
    he_normal,       ///< weights normal with deviation sqrt(2 / in), biases 0. He et al. 2015, arXiv:1502.01852, eq. 10
    uniform_fan_in,  ///< weights and biases uniform within +-1 / sqrt(in), the default of PyTorch's Linear
};

struct LinearOptions {
    Initialization initialization = Initialization::he_normal;
};

/// Fully connected layer: y = x Wᵀ + b, for every row.
///
/// Shapes     x samples x in_features;  y samples x out_features;  W out_features x in_features;  b out_features
/// Gradients  grad_W += grad_yᵀ x,  grad_b += column sums of grad_y   (added, summed over samples, never divided)
///            grad_x  = grad_y W                                      (written)
/// Throws     ShapeError if a size is not positive, x has not in_features columns or no row, or another does not fit x;
///            MemoryError if there is no memory for the parameters
/// Example    gacc::Linear layer(784, 128);  gacc::Linear<double> exact(784, 128);
template <class Scalar = float>
class Linear : public Layer<Scalar> {
public:
    Linear(Index in_features, Index out_features, LinearOptions options = {})
        : options_(options),
          weight_("weight", {checked(out_features), checked(in_features)}, described(in_features, out_features)),
          bias_("bias", {out_features}, described(in_features, out_features)) {}

    std::string description() const override { return described(weight_.cols(), weight_.rows()); }

    Index in_features() const override { return weight_.cols(); }
    Index out_features(Index) const override { return weight_.rows(); }
    bool reads_output() const override { return false; }

    void forward(const ConstMatrixView<Scalar>& x, MatrixView<Scalar> y) const override {
        detail::check_features(*this, x);
        check(y, x.rows(), weight_.rows());
        const Scalar* bias = bias_.stored_values().data();
        Product{.rows = x.rows(),
                .cols = y.cols(),
                .depth = x.cols(),
                .a = {x.data(), x.outerStride(), 1},
                .b = {weight_.stored_values().data(), width, x.cols() * width, true},
                .c0 = {bias, 0, width, true},
                .c = {y.data(), y.outerStride(), width, false}}
            .run();
    }

    void backward(const ConstMatrixView<Scalar>& x, const ConstMatrixView<Scalar>&,
                  const ConstMatrixView<Scalar>& grad_y, MatrixView<Scalar> grad_x) override {
        detail::check_features(*this, x);
        check(grad_y, x.rows(), weight_.rows());
        if (grad_x.data() != nullptr) { check(grad_x, x.rows(), x.cols()); }
        add_gradients(x, grad_y);
        if (grad_x.data() == nullptr) { return; }
        input_gradient(grad_y).run_into([&](Index row, Index column, const ConstMatrixView<Scalar>& grad) {
            grad_x.block(row, column, grad.rows(), grad.cols()) = grad;
        });
    }

    bool writes_over_input() const override { return true; }
    void backward_over(MatrixView<Scalar> x, const ConstMatrixView<Scalar>& y, const ConstMatrixView<Scalar>& grad_y,
                       Layer<Scalar>* before) override {
        if (before == nullptr) {
            return backward(x, y, grad_y, x);
        }  // x is read for the last time before it is written
        detail::check_features<Scalar>(*this, x);
        check(grad_y, x.rows(), weight_.rows());
        add_gradients(x, grad_y);
        input_gradient(grad_y).run_into([&](Index row, Index column, const ConstMatrixView<Scalar>& grad) {
            const MatrixView<Scalar> part(x.data() + row * x.outerStride() + column, grad.rows(), grad.cols(),
                                          Eigen::OuterStride<>(x.outerStride()));
            before->backward(part, part, grad, part);
        });
    }

    Parameter<Scalar>& weight() { return weight_; }
    Parameter<Scalar>& bias() { return bias_; }
    std::vector<Parameter<Scalar>*> parameters() override { return {&weight_, &bias_}; }

    /// Draws W row by row, then b.
    void initialize(Rng& rng) override {
        const double scale = std::sqrt(1 / static_cast<double>(weight_.cols()));
        const bool he = options_.initialization == Initialization::he_normal;
        weight_.generate([&] {
            return static_cast<Scalar>(he ? scale * std::sqrt(2.0) * rng.normal() : rng.uniform(-scale, scale));
        });
        bias_.generate([&] { return static_cast<Scalar>(he ? 0.0 : rng.uniform(-scale, scale)); });
    }

private:
    using Product = detail::Product<Scalar>;
    using Columns = typename Product::template Columns<const Scalar>;
    static constexpr Index width = Product::width;

    static std::string described(Index in_features, Index out_features) {
        return detail::text("Linear(", in_features, " -> ", out_features, ")");
    }
    static Index checked(Index features) {
        if (features < 1) { throw ShapeError("Linear", detail::text("expected 1 or more features, got ", features)); }
        return features;
    }
    template <class View>
    void check(const View& view, Index rows, Index cols) const {
        if (view.rows() != rows || view.cols() != cols) {
            throw ShapeError(description(), detail::text("expected ", rows, " x ", cols, " for these inputs, got ",
                                                         view.rows(), " x ", view.cols()));
        }
    }

    static Columns zeros() { return {detail::zeros<Scalar>.data(), 0, 0, true}; }

    /// grad_W += grad_yᵀ x,  grad_b += column sums of grad_y
    void add_gradients(const ConstMatrixView<Scalar>& x, const ConstMatrixView<Scalar>& grad_y) {
        const auto [grad_weight, weight_from_zero] = weight_.start_grads();
        const Index panel = x.cols() * width;
        Product{.rows = x.cols(),
                .cols = grad_y.cols(),
                .depth = x.rows(),
                .a = {x.data(), 1, x.outerStride()},
                .b = {grad_y.data(), grad_y.outerStride(), width, false},
                .c0 = weight_from_zero ? zeros() : Columns{grad_weight.data(), width, panel, true},
                .c = {grad_weight.data(), width, panel, true}}
            .run();
        add_column_sums(grad_y, bias_.materialize_grads().data());
    }

    /// grad_x = grad_y W, without a place for it yet.
    detail::RowProduct<Scalar> input_gradient(const ConstMatrixView<Scalar>& grad_y) const {
        return {.rows = grad_y.rows(),
                .cols = weight_.cols(),
                .depth = grad_y.cols(),
                .x = {grad_y.data(), grad_y.outerStride(), 1},
                .y = {weight_.stored_values().data(), width, weight_.cols() * width}};
    }

    /// Sample by sample, so that the sum does not know where the batch was cut.
    static void add_column_sums(const ConstMatrixView<Scalar>& grad_y, Scalar* sums) {
        for (Index i = 0; i < grad_y.rows(); ++i) {
            const Scalar* row = grad_y.data() + i * grad_y.outerStride();
            for (Index j = 0; j < grad_y.cols(); ++j) { sums[j] += row[j]; }
        }
    }

    LinearOptions options_;
    Parameter<Scalar> weight_;  // out_features x in_features
    Parameter<Scalar> bias_;    // out_features
};

}  // namespace gacc
