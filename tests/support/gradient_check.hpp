#pragma once

#include <gacc/core/random.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

/// For the tests of layers, losses and models: random matrices, central differences, and states as bytes.
namespace gacc::test {

template <class Scalar>
Matrix<Scalar> random_matrix(Rng& rng, Index rows, Index cols, double low = -1, double high = 1) {
    Matrix<Scalar> out(rows, cols);
    for (Index i = 0; i < rows; ++i) {
        for (Index j = 0; j < cols; ++j) { out(i, j) = static_cast<Scalar>(rng.uniform(low, high)); }
    }
    return out;
}

template <class Scalar>
MatrixView<Scalar> view_of(Matrix<Scalar>& matrix) {
    return {matrix.data(), matrix.rows(), matrix.cols(), Eigen::OuterStride<>(matrix.cols())};
}

/// The view that means "not wanted".
template <class Scalar>
MatrixView<Scalar> nothing() {
    return {nullptr, 0, 0, Eigen::OuterStride<>(0)};
}

/// A layer's plan for samples of this shape. Without a shape, a sample is one row.
template <class Scalar>
LayerPlan plan_of(const Layer<Scalar>& layer, Index features, const Shape& shape = {}) {
    return layer.plan(shape.empty() ? Shape{features} : shape);
}

/// Calls forward with samples of this shape; without a shape, a sample is one row. `tokens` are the model's input, for
/// layers that read it. Returns the kept numbers.
template <class Scalar>
Matrix<Scalar> run_forward(const Layer<Scalar>& layer, const ConstMatrixView<Scalar>& x, MatrixView<Scalar> y,
                           const Shape& shape = {}, const Where& where = {}, const Matrix<Scalar>& tokens = {}) {
    const Index samples = x.rows() / (shape.empty() ? 1 : rows_of(shape));
    Matrix<Scalar> kept = Matrix<Scalar>::Constant(samples, plan_of(layer, x.cols(), shape).kept, Scalar(77));
    layer.forward({x, y, samples, view_of(kept), where, shape, tokens});
    return kept;
}

/// Calls backward with the kept numbers of a forward call.
template <class Scalar>
void run_backward(Layer<Scalar>& layer, const ConstMatrixView<Scalar>& x, const ConstMatrixView<Scalar>& y,
                  const ConstMatrixView<Scalar>& grad_y, MatrixView<Scalar> grad_x, const Matrix<Scalar>& kept = {},
                  const Shape& shape = {}, const Where& where = {}, const Matrix<Scalar>& tokens = {}) {
    const Index samples = x.rows() / (shape.empty() ? 1 : rows_of(shape));
    Backward<Scalar> call{x, y, samples, kept, grad_y, grad_x, where, tokens};
    call.shape = shape;
    layer.backward(call);
}

/// The outputs of a layer in a matrix of their own.
template <class Scalar>
Matrix<Scalar> forward(const Layer<Scalar>& layer, const Matrix<Scalar>& x, const Shape& shape = {},
                       const Where& where = {}, const Matrix<Scalar>& tokens = {}) {
    const Shape y_shape = plan_of(layer, x.cols(), shape).y;
    const Index samples = x.rows() / (shape.empty() ? 1 : rows_of(shape));
    Matrix<Scalar> y = Matrix<Scalar>::Constant(samples * rows_of(y_shape), y_shape.back(), Scalar(77));
    run_forward<Scalar>(layer, x, view_of(y), shape, where, tokens);
    return y;
}

/// Adds to the gradients of the layer's parameters; returns grad_x.
template <class Scalar>
Matrix<Scalar> backward(Layer<Scalar>& layer, const Matrix<Scalar>& x, const Matrix<Scalar>& grad_y,
                        const Shape& shape = {}, const Where& where = {}, const Matrix<Scalar>& tokens = {}) {
    Matrix<Scalar> y = forward(layer, x, shape, where, tokens);
    const Matrix<Scalar> kept = run_forward<Scalar>(layer, x, view_of(y), shape, where, tokens);
    Matrix<Scalar> grad_x = Matrix<Scalar>::Constant(x.rows(), x.cols(), Scalar(77));
    run_backward<Scalar>(layer, x, y, grad_y, view_of(grad_x), kept, shape, where, tokens);
    return grad_x;
}

/// The derivative of f by each element of `at`: (f(at + h) - f(at - h)) / 2h. With the default h the error is about
/// h² = 1e-8 times a sixth of the third derivative, plus 1e-16 |f| / h = 1e-12 |f| from rounding.
template <class F>
Matrix<double> central_differences(Matrix<double> at, F f, double h = 1e-4) {
    Matrix<double> out(at.rows(), at.cols());
    for (Index i = 0; i < at.rows(); ++i) {
        for (Index j = 0; j < at.cols(); ++j) {
            const double here = at(i, j);
            at(i, j) = here + h;
            const double above = f(at);
            at(i, j) = here - h;
            const double below = f(at);
            at(i, j) = here;
            out(i, j) = (above - below) / (2 * h);
        }
    }
    return out;
}

/// The largest absolute error of the gradients that `layer` gives at x, by x and by every parameter, for the function
/// sum of (grad_y * y) with a random grad_y.
inline double worst_gradient_error(Layer<double>& layer, const Matrix<double>& x, Rng& rng, const Shape& shape = {},
                                   const Where& where = {}) {
    const auto y = forward(layer, x, shape, where);
    const auto grad_y = random_matrix<double>(rng, y.rows(), y.cols());
    const auto f = [&](const Matrix<double>& at) {
        return grad_y.cwiseProduct(forward(layer, at, shape, where)).sum();
    };
    for (auto* parameter : layer.parameters()) { parameter->zero_grad(); }
    const auto grad_x = backward(layer, x, grad_y, shape, where);

    double worst = (grad_x - central_differences(x, f)).cwiseAbs().maxCoeff();
    for (auto* parameter : layer.parameters()) {
        const Matrix<double> value = parameter->value();
        const auto expected = central_differences(value, [&](const Matrix<double>& at) {
            parameter->set_value(at);
            return f(x);
        });
        parameter->set_value(value);
        worst = std::max(worst, (parameter->grad() - expected).cwiseAbs().maxCoeff());
    }
    return worst;
}

template <class T>
void append_bytes(std::vector<std::byte>& bytes, const T* data, Index count) {
    const auto* first = reinterpret_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), first, first + static_cast<std::size_t>(count) * sizeof(T));
}

template <class Scalar>
std::vector<std::byte> bytes_of(const Matrix<Scalar>& matrix) {
    std::vector<std::byte> bytes;
    append_bytes(bytes, matrix.data(), matrix.size());
    return bytes;
}

/// All values, to compare two trained models bit for bit.
template <class Scalar>
std::vector<std::byte> values_of(const Parameters<Scalar>& parameters) {
    std::vector<std::byte> bytes;
    for (const auto& parameter : parameters) {
        const Matrix<Scalar> value = parameter.value();
        append_bytes(bytes, value.data(), value.size());
    }
    return bytes;
}

/// All values, gradients and the tally, to check that a call that threw has changed nothing.
template <class Scalar>
std::vector<std::byte> state_of(const Parameters<Scalar>& parameters) {
    std::vector<std::byte> bytes = values_of(parameters);
    for (const auto& parameter : parameters) {
        const Matrix<Scalar> grad = parameter.grad();
        append_bytes(bytes, grad.data(), grad.size());
    }
    const double weight = parameters.tally().weight();
    const Index samples = parameters.tally().samples(), micro_batches = parameters.tally().micro_batches();
    append_bytes(bytes, &weight, 1);
    append_bytes(bytes, &samples, 1);
    append_bytes(bytes, &micro_batches, 1);
    return bytes;
}

}  // namespace gacc::test
