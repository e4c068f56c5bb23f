#include <gacc/layers/relu.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace relu_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::ReLU;

TEST_CASE_TEMPLATE("ReLU: forward is max(x, 0)", Scalar, float, double) {
    const Matrix<Scalar> x{{-2, 0, 3}, {Scalar(0.5), Scalar(-0.5), -0.0}};
    CHECK(forward(ReLU<Scalar>(), x) == Matrix<Scalar>{{0, 0, 3}, {Scalar(0.5), 0, 0}});
}

TEST_CASE_TEMPLATE("ReLU: backward lets the gradient through where y > 0", Scalar, float, double) {
    ReLU<Scalar> layer;
    const Matrix<Scalar> x{{-2, 0, 3}, {Scalar(0.5), Scalar(-0.5), 1}};
    const Matrix<Scalar> grad_y{{1, 2, 3}, {-4, -5, -6}};
    CHECK(backward(layer, x, grad_y) == Matrix<Scalar>{{0, 0, 3}, {-4, 0, -6}});
}

TEST_CASE("ReLU: not-a-number passes through, so that nothing hides it") {
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    const auto y = forward(ReLU(), Matrix<float>{{nan, infinity, -infinity, 1, -1, nan, 2, -2, nan}});
    CHECK(std::isnan(y(0, 0)));
    CHECK(y(0, 1) == infinity);
    CHECK(y(0, 2) == 0);
    CHECK(std::isnan(y(0, 5)));
    CHECK(std::isnan(y(0, 8)));
}

TEST_CASE_TEMPLATE("ReLU: what becomes of a number does not depend on where in its row it is", Scalar, float, double) {
    const Scalar nan = std::numeric_limits<Scalar>::quiet_NaN(), infinity = std::numeric_limits<Scalar>::infinity();
    for (Index columns = 1; columns <= 40; ++columns) {
        for (const Scalar number : {nan, infinity, -infinity, Scalar(0), Scalar(3), Scalar(-3)}) {
            CAPTURE(number);
            const Matrix<Scalar> x = Matrix<Scalar>::Constant(1, columns, number);
            const Matrix<Scalar> grad_y = Matrix<Scalar>::Constant(1, columns, 5);
            ReLU<Scalar> layer;
            const auto y = forward(layer, x), grad_x = backward(layer, x, grad_y);
            for (Index i = 0; i < columns; ++i) {
                CHECK((std::isnan(number) ? std::isnan(y(0, i)) : y(0, i) == std::max(number, Scalar(0))));
                CHECK(grad_x(0, i) == (number > 0 ? 5 : 0));
            }
        }
    }
}

TEST_CASE("ReLU: works in place, y over x and grad_x over grad_y") {
    gacc::Rng rng(1);
    const auto x = random_matrix<float>(rng, 7, 5), grad_y = random_matrix<float>(rng, 7, 5);
    ReLU layer;
    const auto y = forward(layer, x), grad_x = backward(layer, x, grad_y);

    Matrix<float> activation = x, gradient = grad_y;
    run_forward<float>(layer, activation, view_of(activation));
    run_backward<float>(layer, activation, activation, gradient, view_of(gradient));
    CHECK(layer.plan({5}).elementwise);
    CHECK_FALSE(layer.plan({5}).reads_x);
    CHECK(activation == y);
    CHECK(gradient == grad_x);
}

TEST_CASE("ReLU: backward writes grad_x, whatever stood there") {
    ReLU layer;
    const Matrix<float> x{{-1, 1}}, y{{0, 1}}, grad_y{{5, 5}};
    Matrix<float> grad_x = Matrix<float>::Constant(1, 2, std::numeric_limits<float>::quiet_NaN());
    run_backward<float>(layer, x, y, grad_y, view_of(grad_x));
    CHECK(grad_x == Matrix<float>{{0, 5}});
    run_backward<float>(layer, x, y, grad_y, view_of(grad_x));
    CHECK(grad_x == Matrix<float>{{0, 5}});
}

TEST_CASE("ReLU: rows may lie apart in memory, and what is between them stays as it was") {
    Matrix<float> wide{{-1, 2, -99}, {3, -4, -99}};
    const gacc::MatrixView<float> rows(wide.data(), 2, 2, Eigen::OuterStride<>(3));
    run_forward<float>(ReLU(), rows, rows);
    CHECK(wide == Matrix<float>{{0, 2, -99}, {3, 0, -99}});
}

TEST_CASE("ReLU: the gradients are those of central differences, away from the kink") {
    gacc::Rng rng(2);
    for (int shape = 0; shape < 120; ++shape) {
        const auto features = static_cast<Index>(shape % 3 == 0 ? 1 : 1 + rng.below(20));
        const auto samples = static_cast<Index>(shape % 3 == 1 ? 1 : 1 + rng.below(20));
        CAPTURE(features);
        CAPTURE(samples);
        // From 0.01 to 1 on either side: a hundred times the step of the differences.
        const Matrix<double> x = random_matrix<double>(rng, samples, features).unaryExpr([](double value) {
            return value < 0 ? value - 0.01 : value + 0.01;
        });
        ReLU<double> layer;
        CHECK(worst_gradient_error(layer, x, rng) < 1e-8);  // the gradients are about 1
    }
}

TEST_CASE("ReLU: gradients in a model, and the same bytes for any shape and cut") {
    gacc::Rng rng(3);
    for (int trial = 0; trial < 100; ++trial) {
        const auto make = []<class S>() { return ReLU<S>(); };
        const gacc::Shape shape = random_shape(rng, 1 + trial % 2);
        CAPTURE(gacc::to_string(shape));
        const Matrix<double> x = random_matrix<double>(rng, 3, gacc::elements(shape)).unaryExpr([](double value) {
            return value < 0 ? value - 0.01 : value + 0.01;  // away from the kink
        });
        check_differences(make, shape, x, rng);
        check_cuts(make, shape, rng);
    }
}

TEST_CASE("ReLU: has no parameters, takes any width, and keeps it") {
    ReLU layer;
    CHECK(layer.description() == "ReLU");
    CHECK(layer.input_shape().empty());
    CHECK(layer.plan({11}).y == gacc::Shape{11});
    CHECK(layer.plan({3, 4, 11}).y == gacc::Shape{3, 4, 11});
    CHECK(layer.parameters().empty());
}

}  // namespace relu_test
