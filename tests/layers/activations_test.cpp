#include <gacc/layers/elu.hpp>
#include <gacc/layers/gelu.hpp>
#include <gacc/layers/leaky_relu.hpp>
#include <gacc/layers/sigmoid.hpp>
#include <gacc/layers/silu.hpp>
#include <gacc/layers/softplus.hpp>
#include <gacc/layers/tanh.hpp>
#include <gacc/model/residual.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace activations_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::Shape;

namespace {

/// The layer's y, in double, is f(x) to a few units in the last place of the largest, and NaN stays NaN.
template <class F>
void check_values(const gacc::Layer<double>& layer, const F& f) {
    const Matrix<double> x{{0, 1, -1, 0.5, -0.5, 3, -3, 20, -20, 1e-8, -1e-8, 700, -700}};
    const auto y = forward(layer, x);
    for (Index i = 0; i < x.cols(); ++i) {
        CAPTURE(x(0, i));
        CHECK(y(0, i) == doctest::Approx(f(x(0, i))).epsilon(4e-15));
    }
    const Matrix<double> nan{{std::numeric_limits<double>::quiet_NaN()}};
    CHECK(std::isnan(forward(layer, nan)(0, 0)));
}

template <class Make>
void check_shapes(const Make& make, double low = -2, double high = 2) {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) { check_layer(make, random_shape(rng, 1 + trial % 2), rng, low, high); }
}

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

}  // namespace

TEST_CASE("Tanh: values, and gradients for any shape and cut") {
    check_values(gacc::Tanh<double>(), [](double x) { return std::tanh(x); });
    check_shapes([]<class S>() { return gacc::Tanh<S>(); });
    CHECK(gacc::Tanh().description() == "Tanh");
    CHECK_FALSE(gacc::Tanh().plan({3}).reads_x);
}

TEST_CASE("Sigmoid: values, and gradients for any shape and cut") {
    check_values(gacc::Sigmoid<double>(), [](double x) { return 1 / (1 + std::exp(-x)); });
    check_shapes([]<class S>() { return gacc::Sigmoid<S>(); });
    CHECK(gacc::Sigmoid().description() == "Sigmoid");
}

TEST_CASE("Tanh: its slope is taken from y, also where x stays for another reader") {
    gacc::Sequential model(gacc::Linear<double>(1, 1), gacc::Residual(gacc::Tanh<double>()));
    auto parameters = model.parameters();
    parameters[0].set_value(Matrix<double>{{0.75}});
    const Matrix<double> x{{1}}, grad_y{{1}};
    CHECK(model.forward(x)(0, 0) == doctest::Approx(0.75 + std::tanh(0.75)).epsilon(1e-15));
    model.backward({grad_y, std::vector<double>{1}});
    CHECK(parameters[0].grad()(0, 0) == doctest::Approx(2 - std::tanh(0.75) * std::tanh(0.75)).epsilon(1e-15));
}

TEST_CASE("LeakyReLU: values, and gradients for any shape and cut") {
    check_values(gacc::LeakyReLU<double>({.negative_slope = 0.2}), [](double x) { return x < 0 ? 0.2 * x : x; });
    check_shapes([]<class S>() { return gacc::LeakyReLU<S>(); }, 0.1, 2);
    check_shapes([]<class S>() { return gacc::LeakyReLU<S>({.negative_slope = 0.3}); }, -2, -0.1);
    CHECK(gacc::LeakyReLU().description() == "LeakyReLU(0.01)");
    CHECK_THROWS_WITH_AS(gacc::LeakyReLU({.negative_slope = -1}),
                         "gacc: LeakyReLU: expected a finite negative_slope of 0 or more, got -1", gacc::UsageError);
}

TEST_CASE("ELU: values, and gradients for any shape and cut") {
    check_values(gacc::ELU<double>({.alpha = 1.5}), [](double x) { return x > 0 ? x : 1.5 * (std::exp(x) - 1); });
    check_shapes([]<class S>() { return gacc::ELU<S>({.alpha = 0.7}); }, -2, -0.1);
    check_shapes([]<class S>() { return gacc::ELU<S>(); }, 0.1, 2);
    CHECK(gacc::ELU().description() == "ELU(1)");
    CHECK_THROWS_WITH_AS(gacc::ELU({.alpha = 0}), "gacc: ELU: expected a finite alpha larger than 0, got 0",
                         gacc::UsageError);
}

TEST_CASE("GELU: values, and gradients for any shape and cut, by both ways") {
    check_values(gacc::GELU<double>(), [](double x) { return x < -19 ? 0.0 : x * normal_distribution(x); });
    check_values(gacc::GELU<double>({.approximation = gacc::Approximation::tanh}), [](double x) {
        const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
        return 0.5 * x * (1 + std::tanh(inner));
    });
    check_shapes([]<class S>() { return gacc::GELU<S>(); });
    check_shapes([]<class S>() { return gacc::GELU<S>({.approximation = gacc::Approximation::tanh}); });
    CHECK(gacc::GELU().description() == "GELU");
    CHECK(gacc::GELU({.approximation = gacc::Approximation::tanh}).description() == "GELU(tanh)");
    CHECK(gacc::GELU().plan({3}).reads_x);
}

TEST_CASE("SiLU: values, and gradients for any shape and cut") {
    check_values(gacc::SiLU<double>(), [](double x) { return x / (1 + std::exp(-x)); });
    check_shapes([]<class S>() { return gacc::SiLU<S>(); });
    CHECK(gacc::SiLU().description() == "SiLU");
}

TEST_CASE("Softplus: values, and gradients for any shape and cut") {
    check_values(gacc::Softplus<double>(),
                 [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); });
    check_shapes([]<class S>() { return gacc::Softplus<S>(); });
    CHECK(gacc::Softplus().description() == "Softplus");
}

}  // namespace activations_test
