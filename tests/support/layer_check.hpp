#pragma once

#include <gacc/layers/linear.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/model/recomputation.hpp>
#include <gacc/model/sequential.hpp>

#include "support/audit_check.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

/// The checks that every layer must pass, for any number of samples of a shape.
namespace gacc::test {

/// Values, gradients by parameters and by x (through a Linear before it), for micro-batches of this size.
template <class Make>
std::vector<std::byte> trained_bytes(const Make& make, const Shape& shape, Index samples, Index micro_batch,
                                     bool recompute) {
    using Scalar = float;
    Sequential<Scalar> model;
    model.add(Input(shape));
    model.add(Linear<Scalar>(shape.back(), shape.back()));
    model.add(make());
    Rng rng(1);
    model.initialize(rng);
    for (auto& parameter : model.parameters()) {
        parameter.set_value(random_matrix<Scalar>(rng, parameter.rows(), parameter.cols(), -0.9, 0.9));
    }
    if (recompute) { model.lay_out(micro_batch, least_memory<Scalar>(model.activations(), micro_batch)); }

    const Index rows = rows_of(model.output_shape()), columns = model.output_shape().back();
    const auto x = random_matrix<Scalar>(rng, samples, model.in_features());
    const auto grad_y = random_matrix<Scalar>(rng, samples * rows, columns);
    const std::vector<Scalar> ones(static_cast<std::size_t>(samples * rows), 1);
    std::vector<std::byte> bytes;
    for (Index first = 0; first < samples; first += micro_batch) {
        const Index count = std::min(micro_batch, samples - first);
        const Matrix<Scalar> y = model.forward(x.middleRows(first, count));
        append_bytes(bytes, y.data(), y.size());
        const auto own = std::span(ones).first(static_cast<std::size_t>(count * rows));
        model.backward({grad_y.middleRows(first * rows, count * rows), own});
    }
    for (auto& parameter : model.parameters()) {
        const Matrix<Scalar> grad = parameter.grad();
        append_bytes(bytes, grad.data(), grad.size());
    }
    return bytes;
}

/// y = x + shift, with a shift for every number of a sample. Its gradient is the sum of grad_x of the layer after it.
template <class Scalar>
class Shift : public Layer<Scalar> {
public:
    explicit Shift(const Shape& sample) : shift_("shift", {elements(sample)}) {}
    std::string description() const override { return "Shift"; }
    LayerPlan plan(const Shape& x) const override { return {.y = x, .reads_x = false, .reads_y = false}; }
    void forward(Forward<Scalar> call) const override {
        const auto shift = shift_.stored_values();
        for_each(call.y, call.samples, [&](Index row, Index column, std::size_t i) {
            call.y(row, column) = call.x(row, column) + shift[i];
        });
    }
    void backward(Backward<Scalar> call) override {
        const auto sums = shift_.materialize_grads();
        for_each(call.grad_y, call.samples, [&](Index row, Index column, std::size_t i) {
            sums[i] += call.grad_y(row, column);
        });
        if (call.wants_grad_x()) { call.grad_x = call.grad_y; }
    }
    std::vector<Parameter<Scalar>*> parameters() override { return {&shift_}; }
    void initialize(Rng&) override { shift_.mark_set(); }

private:
    template <class View, class F>
    static void for_each(const View& of, Index samples, const F& f) {
        const Index rows = of.rows() / samples;
        for (Index row = 0; row < of.rows(); ++row) {
            for (Index column = 0; column < of.cols(); ++column) {
                f(row, column, static_cast<std::size_t>(row % rows * of.cols() + column));
            }
        }
    }

    Parameter<Scalar> shift_;  // the numbers of a sample
};

/// A Shift and the layer, for samples of this shape, with random parameters.
template <class Scalar>
Sequential<Scalar> behind_shift(Block<Scalar> layer, const Shape& shape, Rng& rng) {
    Sequential<Scalar> model;
    model.add(Input(shape));
    model.add(Shift<Scalar>(shape));
    model.add(std::move(layer));
    model.initialize(rng);
    bool is_shift = true;
    for (auto& parameter : model.parameters()) {
        if (!std::exchange(is_shift, false)) {
            parameter.set_value(random_matrix<Scalar>(rng, parameter.rows(), parameter.cols()));
        }
    }
    return model;
}

/// Checks a model with random targets: float for every cut, double against central differences.
template <class Scalar>
void check_model(const Sequential<Scalar>& model, const Matrix<Scalar>& x, Rng& rng) {
    const Shape y = model.output_shape();
    const auto targets = random_matrix<Scalar>(rng, x.rows() * rows_of(y), y.back());
    if constexpr (sizeof(Scalar) == sizeof(float)) {
        check_cuts(model, MeanSquaredError<float>(), x, targets);
    } else {
        check_differences(model, MeanSquaredError<double>(), x, targets);
    }
}

/// Checks that the layer gives the same bytes for every cut of a batch of up to 40 samples; sometimes of 300, which are
/// several blocks. `make<Scalar>()` returns the layer for samples of this shape.
template <class Make>
void check_cuts(const Make& make, const Shape& shape, Rng& rng, double low = -2, double high = 2) {
    const auto model = behind_shift<float>(make.template operator()<float>(), shape, rng);
    const Index samples = rng.below(25) == 0 ? 300 : 1 + static_cast<Index>(rng.below(40));
    check_model(model, random_matrix<float>(rng, samples, elements(shape), low, high), rng);
}

/// Checks the gradients of the layer at x, of a few samples, against central differences in double.
template <class Make>
void check_differences(const Make& make, const Shape& shape, const Matrix<double>& x, Rng& rng) {
    check_model(behind_shift<double>(make.template operator()<double>(), shape, rng), x, rng);
}

/// Checks the gradients against central differences, and then the cuts.
template <class Make>
void check_layer(const Make& make, const Shape& shape, Rng& rng, double low = -2, double high = 2) {
    CAPTURE(to_string(shape));
    const Index samples = 1 + static_cast<Index>(rng.below(4));
    check_differences(make, shape, random_matrix<double>(rng, samples, elements(shape), low, high), rng);
    check_cuts(make, shape, rng, low, high);
}

/// A random shape: often one number or one row, often not a multiple of a packet.
inline Shape random_shape(Rng& rng, int sizes) {
    Shape shape;
    for (int i = 0; i < sizes; ++i) {
        shape.push_back(rng.below(4) == 0 ? 1 : 1 + static_cast<Index>(rng.below(i + 1 == sizes ? 40 : 5)));
    }
    return shape;
}

}  // namespace gacc::test
