#include <gacc/optim/clip.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace clip_test {

using gacc::Index;
using gacc::Matrix;

namespace {

/// Linear(2 -> 2) with one sample's gradients grad_W = {{3, 0}, {0, 4}} and grad_b = {3, 4}, of this weight.
template <class Scalar>
struct Subject {
    explicit Subject(double weight = 1) {
        const Matrix<Scalar> x = Matrix<Scalar>::Zero(1, 2), grad_y = Matrix<Scalar>::Zero(1, 2);
        parameters[0].set_value(Matrix<Scalar>::Zero(2, 2));
        model.forward(x);
        model.backward({grad_y, std::vector<Scalar>{static_cast<Scalar>(weight)}});
        parameters[0].set_grad(Matrix<Scalar>{{3, 0}, {0, 4}});
        parameters[1].set_grad(Matrix<Scalar>{{3, 4}});
    }
    gacc::Sequential<Scalar> model{gacc::Linear<Scalar>(2, 2)};
    gacc::Parameters<Scalar> parameters = model.parameters();
};

std::vector<Matrix<double>> values(const gacc::Parameters<double>& parameters) {
    std::vector<Matrix<double>> all;
    for (const auto& parameter : parameters) { all.push_back(parameter.value()); }
    return all;
}

}  // namespace

TEST_CASE_TEMPLATE("GradientNorm: is of all parameters together, of the sums", Scalar, float, double) {
    Subject<Scalar> subject(2);
    gacc::GradientNorm<Scalar> norm(subject.parameters);
    CHECK(norm() == std::sqrt(9.0 + 16 + 9 + 16));
    CHECK(subject.parameters[0].grad() == Matrix<Scalar>{{3, 0}, {0, 4}});
    subject.parameters.zero_grad();
    CHECK(norm() == 0);
}

TEST_CASE("GradientNorm: agrees with Eigen's on many numbers, whatever the threads") {
    gacc::Sequential<double> model(gacc::Linear<double>(97, 301), gacc::Linear<double>(301, 5));
    gacc::Rng rng(1);
    double squares = 0;
    for (auto& parameter : model.parameters()) {
        const Matrix<double> grad =
            Matrix<double>::NullaryExpr(parameter.rows(), parameter.cols(), [&] { return rng.normal(); });
        parameter.set_grad(grad);
        squares += grad.squaredNorm();
    }
    const int before = gacc::threads();
    gacc::GradientNorm<double> norm(model.parameters());
    gacc::set_threads(1);
    const double one = norm();
    CHECK(std::abs(one - std::sqrt(squares)) < 1e-12 * one);  // some hundred roundings
    for (const int threads : {2, 3, 8}) {
        gacc::set_threads(threads);
        CHECK(norm() == one);
    }
    gacc::set_threads(before);
}

TEST_CASE("Adam: a mean gradient longer than clip_norm is shortened to it") {
    // epsilon is so large that a step is nearly the gradient: value -= learning_rate g / (|g| + epsilon)
    const gacc::AdamOptions options{.learning_rate = 1e6, .beta1 = 0, .beta2 = 0, .epsilon = 1e6};
    const auto step = [&](double clip_norm, double weight) {
        Subject<double> subject(weight);
        auto clipped = options;
        clipped.clip_norm = clip_norm;
        gacc::Adam<double> adam(subject.parameters, clipped);
        adam.step();
        return Matrix<double>(subject.parameters[1].value());
    };
    const double norm = std::sqrt(50.0);  // of the sums; the mean's is half of it for a weight of 2
    const auto close = [](double a, double b) {
        return std::abs(a - b) < 1e-4 * std::abs(b);
    };  // a step is not quite g
    CHECK(close(step(1, 2)(0, 0), -3 / norm));
    CHECK(close(step(1, 2)(0, 1), -4 / norm));
    CHECK(close(step(3, 2)(0, 0), -3 / norm * 3));
    CHECK(close(step(3.6, 2)(0, 0), -1.5));  // longer than the mean gradient: no clipping
}

TEST_CASE("Adam: a clip_norm that no gradient reaches changes no bit") {
    Subject<double> without, with;
    gacc::Adam<double> plain(without.parameters), clipping(with.parameters, {.clip_norm = 1e3});
    plain.step();
    clipping.step();
    CHECK(values(without.parameters) == values(with.parameters));
    CHECK(clipping.state_bytes() > plain.state_bytes());
}

TEST_CASE("Adam: clipping holds for gradients whose squares no float can hold") {
    for (const float size : {1e3F, 1e19F, 1e30F}) {
        Subject<float> subject;
        for (auto& parameter : subject.parameters) {
            parameter.set_grad(Matrix<float>::Constant(parameter.rows(), parameter.cols(), size));
        }
        gacc::Adam<float> adam(subject.parameters, {.clip_norm = 1});
        adam.step();
        CHECK(subject.parameters[0].value()(0, 0) < -9e-4F);  // a first step is the learning rate
    }
}

TEST_CASE("Adam: a gradient that is not finite stops a clipping step before anything changes") {
    for (const double bad : {std::numeric_limits<double>::infinity(), std::nan("")}) {
        Subject<double> subject;
        subject.parameters[0].set_grad(Matrix<double>{{3, bad}, {0, 4}});
        gacc::Adam<double> adam(subject.parameters, {.clip_norm = 1});
        CHECK_THROWS_AS(adam.step(), gacc::Error);
        CHECK(adam.steps() == 0);
        CHECK((subject.parameters[0].value().array() == 0).all());
    }
}

TEST_CASE("Adam: a gradient of zero survives clipping") {
    Subject<double> subject;
    for (auto& parameter : subject.parameters) { parameter.set_grad(parameter.value() * 0); }
    gacc::Adam<double> adam(subject.parameters, {.clip_norm = 1});
    adam.step();
    CHECK((subject.parameters[0].value().array() == 0).all());
}

TEST_CASE("Adam: a clip_norm that cannot be is refused") {
    Subject<double> subject;
    CHECK_THROWS_WITH_AS(gacc::Adam<double>(subject.parameters, {.clip_norm = 0}),
                         "gacc: Adam: expected clip_norm larger than 0, got 0", gacc::UsageError);
    CHECK_THROWS_AS(gacc::Adam<double>(subject.parameters, {.clip_norm = std::nan("")}), gacc::UsageError);
}

TEST_CASE("Adam: gradients that a float cannot shorten to clip_norm are refused before anything changes") {
    Subject<float> subject;
    subject.parameters[0].set_grad(Matrix<float>{{3e38F, 0}, {0, 0}});
    gacc::Adam<float> adam(subject.parameters, {.clip_norm = 1e-10});
    CHECK_THROWS_WITH_AS(adam.step(),
                         "gacc: Adam::step: expected gradients that a float can shorten to clip_norm 1e-10, got a norm "
                         "of 3e+38; nothing has changed, and zero_grad() leaves this batch out",
                         gacc::NonFiniteError);
    CHECK(adam.steps() == 0);
    for (const auto& moments : adam.moments()) {
        for (const float moment : moments.stored) { CHECK(moment == 0); }
    }
    CHECK((subject.parameters[0].value().array() == 0).all());
}

}  // namespace clip_test
