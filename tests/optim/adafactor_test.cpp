#include <gacc/optim/adafactor.hpp>

#include <gacc/layers/conv2d.hpp>
#include <gacc/optim/adam.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace adafactor_test {

using namespace gacc::test;
using gacc::Adafactor;
using gacc::AdafactorOptions;
using gacc::Index;
using gacc::Matrix;

namespace {

template <class Scalar>
struct Subject : GivenGradients<Scalar> {
    explicit Subject(const AdafactorOptions& options) : optimizer(this->parameters, options) { this->set_values(1); }
    double after(double weight, double grad) {
        this->give_constant(weight, grad);
        optimizer.step();
        return this->value();
    }
    Adafactor<Scalar> optimizer;
};

/// The elements of a W 2 x 3 and a b 2.
struct Small {
    gacc::Sequential<double> model{gacc::Linear<double>(3, 2)};
    gacc::Parameters<double> parameters = model.parameters();

    void give(const Matrix<double>& of_weight, const Matrix<double>& of_bias) {
        gacc::GradientTally tally = parameters.tally();
        tally.add<double>(gacc::Reduction::mean_over_samples, std::vector<double>{2});
        parameters.set_tally(tally);
        parameters[0].set_grad(2 * of_weight);
        parameters[1].set_grad(2 * of_bias);
    }
};

}  // namespace

TEST_CASE("Adafactor: a step of a matrix and of a vector by hand") {
    Small small;
    small.parameters[0].set_value(Matrix<double>{{1, 2, 2}, {0, 4, 5}});
    small.parameters[1].set_value(Matrix<double>{{3, 4}});
    Adafactor<double> adafactor(small.parameters, {.learning_rate = 0.125, .weight_decay = 0.5});
    small.give(Matrix<double>{{1, 2, 2}, {1, 1, 1}}, Matrix<double>{{2, -4}});
    adafactor.step();
    // In step 1 beta2 is 0. r = (3, 1), its mean 2; c = (1, 5/2, 5/2). v = r c / 2.
    const Matrix<double> v{{1.5, 3.75, 3.75}, {0.5, 1.25, 1.25}};
    // u² = 1/1.5, 4/3.75, 4/3.75, 1/0.5, 1/1.25, 1/1.25:  sum 6.4, so rms(u) > 1. rms(value)² = 50 / 6.
    const double size = std::sqrt(50.0 / 6) * 0.125 / std::sqrt(6.4 / 6);
    const Matrix<double> value{{1, 2, 2}, {0, 4, 5}}, grad{{1, 2, 2}, {1, 1, 1}};
    const Matrix<double> expected = value * (1 - 0.0625) - size * grad.cwiseQuotient(v.cwiseSqrt());
    CHECK((small.parameters[0].value() - expected).cwiseAbs().maxCoeff() < 1e-14);
    // Of the vector v = (4, 16), so u = (1, -1). rms(value)² = 25 / 2.
    const double step = std::sqrt(12.5) * 0.125;
    const Matrix<double> of_vector{{3 * 0.9375 - step, 4 * 0.9375 + step}};
    CHECK((small.parameters[1].value() - of_vector).cwiseAbs().maxCoeff() < 1e-14);

    const auto moments = adafactor.moments();
    REQUIRE(moments.size() == 3);
    const auto is = [&](std::size_t i, const std::string& name, std::size_t parameter, std::vector<double> numbers) {
        CHECK(moments[i].name == name);
        CHECK(moments[i].parameter == parameter);
        CHECK(moments[i].non_negative);
        for (std::size_t k = 0; k < numbers.size(); ++k) {
            CHECK(moments[i].stored[k] == doctest::Approx(numbers[k]).epsilon(1e-15));
        }
    };
    is(0, "row_moments", 0, {3, 1});
    is(1, "column_moments", 0, {1, 2.5, 2.5});
    is(2, "moments", 1, {4, 16});
    CHECK(moments[0].shape == gacc::Shape{2});
    CHECK(moments[1].shape == gacc::Shape{3});
    CHECK(moments[2].shape.empty());
}

TEST_CASE_TEMPLATE("Adafactor: four tensors of equal gradient and value move equally", Scalar, float, double) {
    const double rounding = 20 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    Subject<Scalar> subject({.learning_rate = 0.25, .beta2_decay = -1, .clip_threshold = 1e9});
    const auto is = [&](double got, double expected) { CHECK(std::abs(got - expected) < rounding); };
    // beta2 is 0, 1/2, 2/3. The size is the value's times 1/4, as long as the step is below 16.
    double expected = 1 - 0.25;
    subject.give_constant(1, 4);  // v 16
    subject.optimizer.step();
    for (std::size_t i = 0; i < 4; ++i) { is(subject.value(i), expected); }
    subject.give_constant(2, 4);  // v (16 + 4) / 2
    subject.optimizer.step();
    expected -= expected * 0.25 * 2 / std::sqrt(10.0);
    for (std::size_t i = 0; i < 4; ++i) { is(subject.value(i), expected); }
    subject.give_constant(1, 0);
    subject.optimizer.step();
    for (std::size_t i = 0; i < 4; ++i) { is(subject.value(i), expected); }
}

TEST_CASE("Adafactor: the step is at most the learning rate, 1 / sqrt(t) and clip_threshold say") {
    Subject<double> fast({.learning_rate = 10});
    CHECK(fast.after(1, 3) == doctest::Approx(0).epsilon(1e-14));  // 1 / sqrt(1) of the size 1
    Subject<double> slow({.learning_rate = 0.25, .epsilon2 = 8});
    CHECK(slow.after(1, 3) == doctest::Approx(1 - 0.25 * 8).epsilon(1e-14));
    Subject<double> short_steps({.learning_rate = 0.25, .clip_threshold = 0.5});
    CHECK(short_steps.after(1, 3) == doctest::Approx(1 - 0.25 * 0.5).epsilon(1e-14));
    Subject<double> tiny({.learning_rate = 0.25, .epsilon1 = 2});
    CHECK(tiny.after(1, 1) == doctest::Approx(1 - 0.25 * 0.5).epsilon(1e-14));  // of a root of 1, and 2 as the least
}

TEST_CASE("Adafactor: a gradient of 0 moves nothing") {
    Subject<float> subject({});
    for (int step = 0; step < 3; ++step) { CHECK(subject.after(1, 0) == 1); }
    CHECK(subject.after(1, 1e-17) == 1);  // counts as 0
    subject.give_constant(1, 1);
    subject.optimizer.step();
    CHECK(subject.value(0) < 1);
    for (const auto& parameter : subject.parameters) {
        const auto stored = parameter.stored_values();
        CHECK(std::ranges::count_if(stored, [](float number) { return number != 0; }) == parameter.size());
    }
}

TEST_CASE("Adafactor: a matrix of any size has the bytes of one thread with any number") {
    const auto trained = [](int threads, Index rows, Index cols) {
        gacc::set_threads(threads);
        gacc::Rng rng(1);
        gacc::Sequential<float> model(gacc::Linear(cols, rows, {.bias = false}));
        model.initialize(rng);
        Adafactor<float> adafactor(model.parameters(), {.weight_decay = 0.1, .clip_norm = 1});
        for (int step = 0; step < 2; ++step) {
            gacc::GradientTally tally = model.parameters().tally();
            tally.add<float>(gacc::Reduction::mean_over_samples, std::vector<float>{1});
            model.parameters().set_tally(tally);
            model.parameters()[0].set_grad(random_matrix<float>(rng, rows, cols));
            adafactor.step();
            adafactor.zero_grad();
        }
        gacc::set_threads(0);
        return values_of(model.parameters());
    };
    for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {33, 1003}, {515, 130}}) {
        const auto expected = trained(1, rows, cols);
        for (const int threads : {2, 3, 4}) { CHECK(trained(threads, rows, cols) == expected); }
    }
}

TEST_CASE("Adafactor: it keeps a row and a column of a matrix, the kernels of a convolution flattened") {
    gacc::Sequential<float> model(gacc::Linear(500, 300, {.bias = false}));
    const Adafactor adafactor(model.parameters());
    const std::size_t of_adam = gacc::Adam(model.parameters()).state_bytes();
    CHECK(of_adam > 1'200'000);
    CHECK(adafactor.state_bytes() < 6'000);  // 300 + 500 numbers, 500 roots, and a sum for each panel
    CHECK(Adafactor(model.parameters(), {.clip_norm = 1}).state_bytes() > adafactor.state_bytes());

    gacc::Sequential<float> images(gacc::Input(gacc::Shape{5, 5, 4}), gacc::Conv2d(4, 7, {.bias = false}));
    Adafactor of_images(images.parameters());
    REQUIRE(of_images.moments().size() == 2);
    CHECK(of_images.moments()[0].shape == gacc::Shape{7});
    CHECK(of_images.moments()[1].shape == gacc::Shape{36});
}

TEST_CASE("Adafactor: it keeps no slice, since it needs whole matrices") {
    Subject<float> subject({});
    const std::size_t bytes = subject.optimizer.state_bytes();
    CHECK_FALSE(subject.optimizer.keep_slice(0, 16));
    CHECK(subject.optimizer.state_bytes() == bytes);
}

TEST_CASE("Adafactor: with clipping it refuses a gradient that is not finite, and nothing changes") {
    Subject<float> subject({.clip_norm = 1});
    CHECK_THROWS_WITH_AS(subject.after(1, std::nan("")),
                         "gacc: Adafactor::step: expected gradients with a finite norm, got nan; nothing has changed, and "
                         "zero_grad() leaves this batch out",
                         gacc::NonFiniteError);
    CHECK(subject.value() == 1);
    CHECK(subject.optimizer.moments()[0].stored[0] == 0);
    CHECK(subject.optimizer.steps() == 0);
    Subject<float> plain({});
    plain.give_constant(1, std::nan(""));
    plain.optimizer.step();
    for (const auto& parameter : plain.parameters) {
        CHECK(parameter.value().array().isNaN().all());
        const auto stored = std::as_const(parameter).stored_values();
        CHECK(std::ranges::count_if(stored, [](float number) { return std::isnan(number); }) == parameter.size());
    }
}

TEST_CASE("Adafactor: one gradient of NaN makes all of its parameter NaN, a vector too") {
    Subject<float> subject({});
    subject.give(1, [](const auto& parameter) {
        Matrix<float> grad = Matrix<float>::Ones(parameter.rows(), parameter.cols());
        if (parameter.name() != "1.weight") { grad(0, 0) = std::numeric_limits<float>::quiet_NaN(); }
        return grad;
    });
    subject.optimizer.step();
    for (const auto& parameter : subject.parameters) {
        CHECK(parameter.value().array().isNaN().all() == (parameter.name() != "1.weight"));
        CHECK(parameter.value().allFinite() == (parameter.name() == "1.weight"));
    }
}

TEST_CASE("Adafactor: its defaults are PyTorch's") {
    GivenGradients<float> subject;
    const Adafactor adafactor(subject.parameters);
    CHECK(adafactor.options().learning_rate == 1e-2);
    CHECK(adafactor.options().beta2_decay == -0.8);
    CHECK(adafactor.options().epsilon1 == 0);
    CHECK(adafactor.options().epsilon2 == 1e-3);
    CHECK(adafactor.options().clip_threshold == 1);
    CHECK(adafactor.options().weight_decay == 0);
    CHECK(adafactor.options().clip_norm == std::numeric_limits<double>::infinity());
}

TEST_CASE("Adafactor: an option out of its range is an error") {
    GivenGradients<float> subject;
    const auto make = [&](AdafactorOptions options) { Adafactor adafactor(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: Adafactor: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta2_decay = 0.8}), "gacc: Adafactor: expected beta2_decay of 0 or less, got 0.8",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon1 = -1}), "gacc: Adafactor: expected epsilon1 of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon2 = -1}), "gacc: Adafactor: expected epsilon2 of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_threshold = 0}), "gacc: Adafactor: expected clip_threshold larger than 0, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = -1}), "gacc: Adafactor: expected weight_decay of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_norm = 0}), "gacc: Adafactor: expected clip_norm larger than 0, got 0",
                         gacc::UsageError);
    Subject<float> large({.learning_rate = 1e20, .weight_decay = 1e20});
    CHECK_THROWS_WITH_AS(large.after(1, 1),
                         "gacc: Adafactor::step: expected learning_rate * weight_decay in the range of float, got 1e+40; "
                         "nothing has changed; set a smaller learning rate",
                         gacc::UsageError);
}

}  // namespace adafactor_test
