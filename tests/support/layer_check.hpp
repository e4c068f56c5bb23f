#pragma once

#include <gacc/layers/linear.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/recomputation.hpp>
#include <gacc/model/sequential.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
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

/// Checks that outputs and gradients in float have the same bytes for every cut and any number of threads, with
/// activations kept or computed again. `make<Scalar>()` returns the layer for samples of this shape.
template <class Make>
void check_cuts(const Make& make, const Shape& shape, Rng& rng) {
    const auto in_float = [&] { return make.template operator()<float>(); };
    const Index all = 1 + static_cast<Index>(rng.below(40));
    const auto whole = trained_bytes(in_float, shape, all, all, false);
    for (const int threads : {1, 4}) {
        set_threads(threads);
        for (const Index micro_batch : {Index{1}, Index{3}, all}) {
            CHECK(trained_bytes(in_float, shape, all, micro_batch, false) == whole);
            CHECK(trained_bytes(in_float, shape, all, micro_batch, true) == whole);
        }
    }
    set_threads(0);
}

/// Checks the gradients against central differences, in double, and then the cuts.
template <class Make>
void check_layer(const Make& make, const Shape& shape, Rng& rng, double low = -2, double high = 2) {
    CAPTURE(to_string(shape));
    auto exact = make.template operator()<double>();
    for (auto* parameter : exact.parameters()) {
        parameter->set_value(random_matrix<double>(rng, parameter->rows(), parameter->cols()));
    }
    const Index samples = 1 + static_cast<Index>(rng.below(4));
    Where where{.seed = 5, .training = true};
    const auto x = random_matrix<double>(rng, samples * rows_of(shape), shape.back(), low, high);
    CHECK(worst_gradient_error(exact, x, rng, shape, where) < 1e-8);
    check_cuts(make, shape, rng);
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
