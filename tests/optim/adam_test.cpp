#include <gacc/optim/adam.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <limits>
#include <vector>

namespace adam_test {

using namespace gacc::test;
using gacc::Adam;
using gacc::AdamOptions;
using gacc::Index;
using gacc::Label;
using gacc::Linear;
using gacc::Matrix;

namespace {

template <class Scalar>
using Subject = GivenGradients<Scalar>;

/// Adam as the paper writes it, one number at a time.
struct PlainAdam {
    AdamOptions options;
    std::vector<double> m{}, v{};
    int t = 0;

    void step(std::vector<double>& values, const std::vector<double>& grads) {
        m.resize(values.size(), 0.0);
        v.resize(values.size(), 0.0);
        ++t;
        for (std::size_t i = 0; i < values.size(); ++i) {
            m[i] = options.beta1 * m[i] + (1 - options.beta1) * grads[i];
            v[i] = options.beta2 * v[i] + (1 - options.beta2) * grads[i] * grads[i];
            const double m_hat = m[i] / (1 - std::pow(options.beta1, t)),
                         v_hat = v[i] / (1 - std::pow(options.beta2, t));
            values[i] -= options.learning_rate * m_hat / (std::sqrt(v_hat) + options.epsilon);
        }
    }
};

/// The largest distance of gacc's Adam from the plain one over 60 steps, from random gradients and weights.
template <class Scalar>
double worst_distance(AdamOptions options) {
    Subject<Scalar> subject;
    gacc::Rng rng(1);
    for (auto& each : subject.parameters) { each.set_value(random_matrix<Scalar>(rng, each.rows(), each.cols())); }
    const auto flat = [&] {
        std::vector<double> out;
        for (const auto& each : subject.parameters) {
            const Matrix<Scalar> value = each.value();
            out.insert(out.end(), value.data(), value.data() + value.size());
        }
        return out;
    };
    Adam<Scalar> adam(subject.parameters, options);
    PlainAdam plain{options};
    std::vector<double> expected = flat();
    double worst = 0;
    for (int step = 0; step < 60; ++step) {
        const double weight = 1 + static_cast<double>(rng.below(100));
        std::vector<double> grads;
        subject.give(weight, [&](const auto& each) {
            const auto grad = random_matrix<Scalar>(rng, each.rows(), each.cols(), -weight, 1.5 * weight);
            for (const Scalar* at = grad.data(); at != grad.data() + grad.size(); ++at) {
                grads.push_back(static_cast<double>(*at) / weight);
            }
            return grad;
        });
        adam.step();
        plain.step(expected, grads);
        const auto values = flat();
        for (std::size_t i = 0; i < values.size(); ++i) { worst = std::max(worst, std::abs(values[i] - expected[i])); }
    }
    return worst;
}

/// Ten steps down sum of a_i / 2 (w_i - c_i)², as the trajectories of PyTorch below.
double distance_from(const double (&pytorch)[10][3], AdamOptions options) {
    gacc::Sequential model(Linear<double>(2, 1));  // W 1 x 2, b 1
    const auto parameters = model.parameters();
    parameters[0].set_value(Matrix<double>{{1, -2}});
    parameters[1].set_value(Matrix<double>{{0.5}});
    Adam<double> adam(parameters, options);
    const Matrix<double> x = Matrix<double>::Zero(1, 2), grad_y = Matrix<double>::Zero(1, 1);
    double worst = 0;
    for (const auto& expected : pytorch) {
        model.forward(x);
        model.backward({grad_y, std::vector<double>{1}});
        const Matrix<double> w = parameters[0].value(), b = parameters[1].value();
        parameters[0].set_grad(Matrix<double>{{1 * (w(0, 0) - 0.25), 4 * (w(0, 1) + 1)}});
        parameters[1].set_grad(Matrix<double>{{-0.5 * (b(0, 0) - 2)}});
        adam.step();
        adam.zero_grad();
        const Matrix<double> now = parameters[0].value();
        worst = std::max({worst, std::abs(now(0, 0) - expected[0]), std::abs(now(0, 1) - expected[1]),
                          std::abs(parameters[1].value()(0, 0) - expected[2])});
    }
    return worst;
}

// PyTorch 1.13 in double: torch.optim.Adam([w], lr=1e-2) with w = (1, -2, 0.5), w.grad = a * (w - c) before each step,
// a = (1, 4, -0.5), c = (0.25, -1, 2); w after each step.
constexpr double pytorch_defaults[10][3] = {
    {0.99000000013333334, -1.990000000025, 0.49000000013333334},
    {0.9800037241562366, -1.9800027459460361, 0.47999832352724309},
    {0.97001371473788045, -1.9700100993030749, 0.46999387064835108},
    {0.96003255279291777, -1.9600239396224324, 0.45998555839459859},
    {0.95006285183028549, -1.9500461601622441, 0.44997232216646499},
    {0.94010725218356883, -1.9400786636315759, 0.43995311783816843},
    {0.93016841516621374, -1.9301233579161907, 0.42992692361483209},
    {0.92024901719486252, -1.9201821518433437, 0.41989274176314278},
    {0.91035174392342311, -1.9102569510168474, 0.40984960020472605},
    {0.90047928442919511, -1.9003496537520845, 0.39979655396327235},
};
// The same with betas=(0.8, 0.9), eps=0.1.
constexpr double pytorch_others[10][3] = {
    {0.99117647058823533, -1.9902439024390244, 0.49117647058823527},
    {0.98236259181410623, -1.9804919440017152, 0.48234825602002046},
    {0.97356076070165765, -1.9707461061238631, 0.47351431777068737},
    {0.96477333028947898, -1.9610083249953476, 0.46467366704083379},
    {0.95600257948937406, -1.9512804643512798, 0.45582537871856815},
    {0.94725068613955088, -1.9415642912120195, 0.44696860315648201},
    {0.9385197040550779, -1.9318614552926354, 0.4381025754610533},
    {0.92981154462513194, -1.9221734725704662, 0.42922662213750223},
    {0.92112796324062007, -1.9125017132568276, 0.42034016507512939},
    {0.91247055057992821, -1.9028473941863473, 0.411442722985774},
};

}  // namespace

TEST_CASE_TEMPLATE("Adam: three steps by hand, in which four tensors of equal gradient move equally", Scalar, float,
                   double) {
    Subject<Scalar> subject;
    subject.set_values(1);
    Adam<Scalar> adam(subject.parameters, {.learning_rate = 0.125, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 0});
    const double rounding = 10 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());

    // g 4:  m 2, v 4;       m / (1 - 1/2) = 4,    v / (1 - 3/4) = 16
    subject.give_constant(1, 4);
    adam.step();
    double expected = 1 - 0.125;
    CHECK(std::abs(subject.value() - expected) < rounding);
    // g 0:  m 1, v 3;       m / (1 - 1/4) = 4/3,  v / (1 - 9/16) = 48/7
    subject.give_constant(1, 0);
    adam.step();
    expected -= 0.125 * std::sqrt(7.0 / 27);
    CHECK(std::abs(subject.value() - expected) < rounding);
    // g 0:  m 1/2, v 9/4;   m / (1 - 1/8) = 4/7,  v / (1 - 27/64) = 144/37
    subject.give_constant(1, 0);
    adam.step();
    expected -= 0.125 * std::sqrt(37.0) / 21;
    CHECK(std::abs(subject.value() - expected) < rounding);
}

TEST_CASE("Adam: epsilon is added to the root, after the bias correction") {
    Subject<double> subject;
    subject.set_values(1);
    Adam<double> adam(subject.parameters, {.learning_rate = 0.5, .epsilon = 3});
    subject.give_constant(1, 1);
    adam.step();
    CHECK(subject.value() == doctest::Approx(1 - 0.5 * 1 / (1.0 + 3)).epsilon(1e-12));
}

TEST_CASE("Adam: follows the paper's formula, for any options, gradients, and weights") {
    for (const AdamOptions& options :
         {AdamOptions{}, AdamOptions{.learning_rate = 0.1, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.01},
          AdamOptions{.beta1 = 0}, AdamOptions{.beta2 = 0}}) {
        // 60 steps of about the learning rate each, to roundings of values of about 1.
        CHECK(worst_distance<double>(options) < 1e-13);
        CHECK(worst_distance<float>(options) < 60 * 6e-8 + 1e-4 * options.learning_rate);
    }
}

TEST_CASE("Adam: follows PyTorch") {
    // The steps are 1e-2, and the rounded numbers are about 1.
    CHECK(distance_from(pytorch_defaults, {.learning_rate = 1e-2}) < 1e-13);
    const AdamOptions others{.learning_rate = 1e-2, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 0.1};
    CHECK(distance_from(pytorch_others, others) < 1e-13);
    CHECK(distance_from(pytorch_others, {.learning_rate = 1e-2}) > 1e-3);
}

TEST_CASE("Adam: its defaults are the paper's") {
    Subject<float> subject;
    const Adam adam(subject.parameters);
    CHECK(adam.options().learning_rate == 1e-3);
    CHECK(adam.options().beta1 == 0.9);
    CHECK(adam.options().beta2 == 0.999);
    CHECK(adam.options().epsilon == 1e-8);
    CHECK(adam.steps() == 0);
}

TEST_CASE("Adam: with both betas 0 and no epsilon it steps by the sign of the gradient") {
    Subject<float> subject;
    subject.set_values(2);
    Adam adam(subject.parameters, {.learning_rate = 0.25, .beta1 = 0, .beta2 = 0, .epsilon = 0});
    subject.give_constant(1, 3);
    adam.step();
    CHECK(subject.value() == 1.75);
    subject.give_constant(1, -1e-3);
    adam.step();
    CHECK(subject.value() == 2);
}

TEST_CASE("Adam: with both betas 0 and a huge epsilon it is transparent: value -= grad / weight") {
    Subject<double> subject;
    subject.set_values(2);
    Adam<double> adam(subject.parameters, {.learning_rate = 0x1p40, .beta1 = 0, .beta2 = 0, .epsilon = 0x1p40});
    subject.give_constant(8, 4);
    adam.step();
    CHECK(std::abs(subject.value() - 1.5) < 1e-11);  // 0.5 less a share of 0.5 / 2^40
    subject.give_constant(4, -4);
    adam.step();
    CHECK(std::abs(subject.value() - 2.5) < 1e-11);
}

TEST_CASE_TEMPLATE("Adam: divides by the weight of the batch", Scalar, float, double) {
    const auto after_three_steps = [](double weight) {
        Subject<Scalar> subject;
        subject.set_values(1);
        // A large epsilon: with a small one Adam does not depend on the scale of the gradients.
        Adam<Scalar> adam(subject.parameters, {.learning_rate = 0.125, .epsilon = 1});
        for (const double grad : {1.0, -0.5, 3.0}) {
            subject.give_constant(weight, weight * grad);
            adam.step();
        }
        return subject.value();
    };
    CHECK(after_three_steps(1) < 0.95);
    CHECK(after_three_steps(64) == after_three_steps(1));
    CHECK(after_three_steps(0.25) == after_three_steps(1));
    CHECK(std::abs(after_three_steps(3) - after_three_steps(1)) < 5 * std::numeric_limits<Scalar>::epsilon());
}

TEST_CASE("Adam: a learning rate that is set counts from the next step on") {
    Subject<float> subject;
    subject.set_values(2);
    Adam adam(subject.parameters, {.learning_rate = 0.25, .beta1 = 0, .beta2 = 0, .epsilon = 0});
    subject.give_constant(1, 3);
    adam.step();
    adam.set_learning_rate(0.5);
    CHECK(adam.options().learning_rate == 0.5);
    CHECK(subject.value() == 1.75);
    subject.give_constant(1, 3);
    adam.step();
    CHECK(subject.value() == 1.25);
}

TEST_CASE("Adam: a learning rate of 0 moves nothing, but the step and its moments count") {
    Subject<double> subject, same;
    subject.set_values(1);
    same.set_values(1);
    Adam<double> adam(subject.parameters, {.learning_rate = 0}), other(same.parameters, {.learning_rate = 0.125});
    subject.give_constant(1, 4);
    same.give_constant(1, 4);
    adam.step();
    other.step();
    CHECK(subject.value() == 1);
    CHECK(adam.steps() == 1);

    adam.set_learning_rate(0.125);
    subject.give_constant(1, -1);
    same.give_constant(1, -1);
    const double before = same.value();
    adam.step();
    other.step();
    CHECK(subject.value() - 1 == doctest::Approx(same.value() - before).epsilon(1e-12));
}

TEST_CASE("Adam: step leaves the gradients as they are") {
    Subject<float> subject;
    subject.set_values(1);
    Adam adam(subject.parameters);
    subject.give_constant(2, 3);
    adam.step();
    for (const auto& each : subject.parameters) { CHECK((each.grad().array() == 3).all()); }
    CHECK(subject.parameters.tally().weight() == 2);
}

TEST_CASE("Adam: a batch of ignored samples is no step, not even for its moments") {
    Subject<float> subject, same;
    subject.set_values(1);
    same.set_values(1);
    Adam adam(subject.parameters), other(same.parameters);
    gacc::SoftmaxCrossEntropy loss;
    const Matrix<float> x{{1, 2, 3}};
    for (const double grad : {4.0, -1.0, 2.0}) {
        subject.give_constant(1, grad);
        same.give_constant(1, grad);
        adam.step();
        other.step();
        adam.zero_grad();

        loss.forward(subject.model.forward(x), std::vector<Label>{-100});
        subject.model.backward(loss.backward());
        adam.step();
    }
    CHECK(adam.steps() == 3);
    CHECK(values_of(subject.parameters) == values_of(same.parameters));
}

TEST_CASE("Adam: a gradient that is always zero leaves its value as it is") {
    Subject<float> subject;
    subject.set_values(1);
    Adam adam(subject.parameters);
    for (int step = 0; step < 5; ++step) {
        subject.give_constant(1, 0);
        adam.step();
    }
    CHECK(subject.value() == 1);
    CHECK(adam.steps() == 5);
}

TEST_CASE("Adam: step before a backward, or after zero_grad, is an error, and changes nothing") {
    Subject<float> subject;
    subject.set_values(1);
    Adam adam(subject.parameters);
    const auto text =
        "gacc: Adam::step: expected the gradients of one micro-batch or more, got none; call the model's "
        "backward first";
    const auto before = state_of(subject.parameters);
    CHECK_THROWS_WITH_AS(adam.step(), text, gacc::UsageError);
    CHECK(state_of(subject.parameters) == before);
    CHECK(adam.steps() == 0);

    subject.give_constant(1, 4);
    adam.zero_grad();
    CHECK_THROWS_WITH_AS(adam.step(), text, gacc::UsageError);
    CHECK(state_of(subject.parameters) == before);
}

TEST_CASE("Adam: an option out of its range is an error") {
    Subject<float> subject;
    const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    const auto make = [&](AdamOptions options) { Adam adam(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: Adam: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.learning_rate = nan}), "gacc: Adam: expected learning_rate of 0 or more, got nan",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.learning_rate = infinity}), "gacc: Adam: expected learning_rate of 0 or more, got inf",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta1 = 1}), "gacc: Adam: expected beta1 from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta1 = -0.1}), "gacc: Adam: expected beta1 from 0 up to, not including, 1, got -0.1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta2 = 1}), "gacc: Adam: expected beta2 from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta2 = 1.5}), "gacc: Adam: expected beta2 from 0 up to, not including, 1, got 1.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta2 = nan}), "gacc: Adam: expected beta2 from 0 up to, not including, 1, got nan",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon = -1}), "gacc: Adam: expected epsilon of 0 or more, got -1", gacc::UsageError);
    CHECK_NOTHROW(make({.learning_rate = 0, .beta1 = 0, .beta2 = 0, .epsilon = 0}));
}

TEST_CASE("Adam: a learning rate out of its range is an error, and the old one stays") {
    Subject<float> subject;
    Adam adam(subject.parameters, {.learning_rate = 0.25});
    CHECK_THROWS_WITH_AS(adam.set_learning_rate(-1), "gacc: Adam: expected learning_rate of 0 or more, got -1",
                         gacc::UsageError);
    CHECK(adam.options().learning_rate == 0.25);
}

TEST_CASE("Adam: a model without parameters cannot be trained") {
    gacc::Sequential<float> model;
    CHECK_THROWS_WITH_AS(Adam(model.parameters()), "gacc: Adam: expected parameters to train, got none",
                         gacc::UsageError);
}

TEST_CASE_TEMPLATE("Adam: a parameter whose gradient is zero stays where it is, also without epsilon", Scalar, float,
                   double) {
    Subject<Scalar> subject;
    Adam<Scalar> adam(subject.parameters, {.epsilon = 0});
    subject.set_values(1);
    subject.give_constant(1, 0);
    adam.step();
    CHECK(subject.value() == 1);
}

TEST_CASE("Adam: gradients too small for the usual form of a number neither count nor hurt") {
    Subject<float> subject;
    Adam<float> adam(subject.parameters);
    subject.set_values(1);
    for (int step = 0; step < 10; ++step) {
        subject.give_constant(1, 1e-30);
        adam.step();
    }
    CHECK(subject.value() == 1);
}

TEST_CASE("Adam: a mean gradient counts from 3.2e-16 on, and a smaller one, whose square has few bits, as 0") {
    for (const double weight : {1, 4}) {  // only the mean counts
        for (const double grad : {1e-17, 3e-16, 3.2e-16}) {
            Subject<float> subject;
            Adam<float> adam(subject.parameters, {.learning_rate = 0.5, .beta1 = 0, .beta2 = 0, .epsilon = 0});
            subject.set_values(1);
            subject.give_constant(weight, weight * grad);
            adam.step();
            CHECK((subject.value() == 1) == (grad < 3.1e-16));
        }
    }
}

namespace {

/// Values, gradients, tally, moments and steps.
template <class Scalar>
std::vector<std::byte> all_of(const Subject<Scalar>& subject, Adam<Scalar>& adam) {
    auto bytes = state_of(subject.parameters);
    for (const auto& moments : adam.moments()) {
        append_bytes(bytes, moments.stored.data(), static_cast<Index>(moments.stored.size()));
    }
    const auto words = adam.state();
    append_bytes(bytes, words.data(), static_cast<Index>(words.size()));
    return bytes;
}

}  // namespace

TEST_CASE("Adam: an option that float cannot hold is refused when it is set") {
    Subject<float> subject;
    const auto make = [&](AdamOptions options) { Adam adam(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = 1e300}),
                         "gacc: Adam: expected learning_rate in the range of float, got 1e+300", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon = 1e39}), "gacc: Adam: expected epsilon in the range of float, got 1e+39",
                         gacc::UsageError);
    Adam adam(subject.parameters, {.learning_rate = 0.25});
    CHECK_THROWS_WITH_AS(adam.set_learning_rate(3.5e38),
                         "gacc: Adam: expected learning_rate in the range of float, got 3.5e+38", gacc::UsageError);
    CHECK(adam.options().learning_rate == 0.25);

    Subject<double> wide;
    CHECK_NOTHROW(Adam(wide.parameters, {.learning_rate = 1e300, .epsilon = 1e39}));
}

TEST_CASE("Adam: a learning rate whose first, larger step overflows is refused before anything changes") {
    Subject<float> subject;
    subject.set_values(1);
    Adam adam(subject.parameters, {.learning_rate = 1e38});  // / (1 - 0.9) in the first step
    subject.give_constant(1, 0.5);
    const auto before = all_of(subject, adam);
    CHECK_THROWS_WITH_AS(adam.step(),
                         "gacc: Adam::step: expected learning_rate / (1 - beta1^1) in the range of float, got 1e+39; "
                         "nothing has changed; set a smaller learning rate",
                         gacc::UsageError);
    CHECK(all_of(subject, adam) == before);
    adam.set_learning_rate(0.5);
    adam.step();
    CHECK(subject.value() == doctest::Approx(0.5).epsilon(1e-5));  // a first step is the learning rate
}

TEST_CASE("Adam: a batch whose weight is too small to divide by is refused before anything changes") {
    Subject<float> subject;
    subject.set_values(1);
    Adam adam(subject.parameters);
    subject.give_constant(1, 0.5);
    adam.step();
    subject.give_constant(1e-40, 1e-40);
    const auto before = all_of(subject, adam);
    CHECK_THROWS_AS(adam.step(), gacc::NonFiniteError);
    CHECK(all_of(subject, adam) == before);
    CHECK(adam.steps() == 1);
}

TEST_CASE("Adam: may outlive the model whose parameters it trains") {
    std::optional<gacc::Adam<float>> adam;
    {
        gacc::Sequential<float> model(gacc::Linear(3, 2));
        gacc::Rng rng(1);
        model.initialize(rng);
        adam.emplace(model.parameters());
        const gacc::Matrix<float> x = gacc::Matrix<float>::Ones(1, 3), grad = gacc::Matrix<float>::Ones(1, 2);
        const std::vector<float> weights{1};
        model.forward(x);
        model.backward({grad, weights});
    }
    const gacc::Matrix<float> before = adam->parameters()[0].value();
    adam->step();
    CHECK((adam->parameters()[0].value() - before).cwiseAbs().minCoeff() > 5e-4F);  // the learning rate is 1e-3
}

}  // namespace adam_test
