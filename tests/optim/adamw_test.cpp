#include <gacc/optim/adamw.hpp>

#include <gacc/optim/adam.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace adamw_test {

using namespace gacc::test;
using gacc::Adam;
using gacc::AdamW;
using gacc::AdamWOptions;

TEST_CASE_TEMPLATE("AdamW: three steps by hand, in which four tensors of equal gradient move equally", Scalar, float,
                   double) {
    GivenGradients<Scalar> subject;
    subject.set_values(1);
    AdamW<Scalar> adamw(subject.parameters,
                        {.learning_rate = 0.125, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 0, .weight_decay = 2});
    const double rounding = 10 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    // g 4:  m 2, v 4;       m / (1 - 1/2) = 4,    v / (1 - 3/4) = 16
    subject.give_constant(1, 4);
    adamw.step();
    double expected = 1 * 0.75 - 0.125;
    CHECK(std::abs(subject.value() - expected) < rounding);
    // g 0:  m 1, v 3;       m / (1 - 1/4) = 4/3,  v / (1 - 9/16) = 48/7
    subject.give_constant(1, 0);
    adamw.step();
    expected = expected * 0.75 - 0.125 * std::sqrt(7.0 / 27);
    CHECK(std::abs(subject.value() - expected) < rounding);
    // g 0:  m 1/2, v 9/4;   m / (1 - 1/8) = 4/7,  v / (1 - 27/64) = 144/37
    subject.give_constant(1, 0);
    adamw.step();
    expected = expected * 0.75 - 0.125 * std::sqrt(37.0) / 21;
    CHECK(std::abs(subject.value() - expected) < rounding);
}

TEST_CASE_TEMPLATE("AdamW: without decay it is Adam, to the bit", Scalar, float, double) {
    GivenGradients<Scalar> subject, same;
    AdamW<Scalar> adamw(subject.parameters, {.weight_decay = 0, .clip_norm = 3});
    Adam<Scalar> adam(same.parameters, {.clip_norm = 3});
    gacc::Rng values(1), grads(2), same_grads(2);
    for (std::size_t i = 0; i < subject.parameters.size(); ++i) {
        auto& parameter = subject.parameters[i];
        parameter.set_value(random_matrix<Scalar>(values, parameter.rows(), parameter.cols()));
        same.parameters[i].set_value(parameter.value());
    }
    const auto random = [](gacc::Rng& rng) {
        return [&rng](const auto& each) { return random_matrix<Scalar>(rng, each.rows(), each.cols()); };
    };
    for (int step = 0; step < 5; ++step) {
        subject.give(1, random(grads));
        same.give(1, random(same_grads));
        adamw.step();
        adam.step();
        CHECK(values_of(subject.parameters) == values_of(same.parameters));
    }
}

TEST_CASE("AdamW: the moments do not see the decay") {
    GivenGradients<double> subject, same;
    subject.set_values(1);
    same.set_values(1);
    AdamW<double> adamw(subject.parameters, {.weight_decay = 10}), without(same.parameters, {.weight_decay = 0});
    for (const double grad : {1.0, -2.0}) {
        subject.give_constant(1, grad);
        same.give_constant(1, grad);
        adamw.step();
        without.step();
    }
    CHECK(subject.value() < same.value() - 1e-2);
    for (std::size_t i = 0; i < 2; ++i) {
        const auto moments = adamw.moments()[i], others = without.moments()[i];
        CHECK(std::ranges::equal(moments.stored, others.stored));
    }
}

TEST_CASE("AdamW: a float decays also where 1 - learning_rate weight_decay is a float of few right digits") {
    GivenGradients<float> subject;
    subject.set_values(1000);
    AdamW adamw(subject.parameters, {.learning_rate = 1e-5, .weight_decay = 0.016});
    for (int step = 0; step < 100; ++step) {
        subject.give_constant(1, 0);
        adamw.step();
    }
    // 1.6e-7 of 1000, each rounded to 6.1e-5: 3 of those. The factor would be 1 - 1.8e-7 or 1 - 1.2e-7.
    CHECK(subject.value() == doctest::Approx(1000 - 100 * 3 * 0x1p-14).epsilon(1e-9));
}

TEST_CASE("AdamW: its defaults are PyTorch's") {
    GivenGradients<float> subject;
    const AdamW adamw(subject.parameters);
    CHECK(adamw.options().learning_rate == 1e-3);
    CHECK(adamw.options().beta1 == 0.9);
    CHECK(adamw.options().beta2 == 0.999);
    CHECK(adamw.options().epsilon == 1e-8);
    CHECK(adamw.options().weight_decay == 1e-2);
    CHECK(adamw.options().clip_norm == std::numeric_limits<double>::infinity());
    CHECK(adamw.state_bytes() == Adam(subject.parameters).state_bytes());
}

TEST_CASE("AdamW: an option out of its range is an error") {
    GivenGradients<float> subject;
    const auto make = [&](AdamWOptions options) { AdamW adamw(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: AdamW: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta1 = 1}), "gacc: AdamW: expected beta1 from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta2 = -1}), "gacc: AdamW: expected beta2 from 0 up to, not including, 1, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon = -1}), "gacc: AdamW: expected epsilon of 0 or more, got -1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = -0.1}), "gacc: AdamW: expected weight_decay of 0 or more, got -0.1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = 1e39}),
                         "gacc: AdamW: expected weight_decay in the range of float, got 1e+39", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_norm = -1}), "gacc: AdamW: expected clip_norm larger than 0, got -1",
                         gacc::UsageError);
}

TEST_CASE("AdamW: a decay that a float cannot hold is refused before anything changes") {
    GivenGradients<float> subject;
    subject.set_values(1);
    AdamW adamw(subject.parameters, {.learning_rate = 1e20, .weight_decay = 1e20});
    subject.give_constant(1, 1);
    CHECK_THROWS_WITH_AS(adamw.step(),
                         "gacc: AdamW::step: expected learning_rate * weight_decay in the range of float, got 1e+40; "
                         "nothing has changed; set a smaller learning rate",
                         gacc::UsageError);
    CHECK(subject.value() == 1);
    CHECK(adamw.steps() == 0);
    for (const auto& moments : adamw.moments()) { CHECK(moments.stored[0] == 0); }
}

}  // namespace adamw_test
