#include <gacc/optim/lion.hpp>

#include <gacc/optim/adam.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace lion_test {

using namespace gacc::test;
using gacc::Lion;
using gacc::LionOptions;

TEST_CASE_TEMPLATE("Lion: three steps by hand, in which four tensors of equal gradient move equally", Scalar, float,
                   double) {
    GivenGradients<Scalar> subject;
    subject.set_values(1);
    Lion<Scalar> lion(subject.parameters,
                      {.learning_rate = 0.125, .beta1 = 0.5, .beta2 = 0.75, .weight_decay = 0.5});
    const auto after = [&](double weight, double grad) {
        subject.give_constant(weight, grad);
        lion.step();
        return subject.value();
    };
    // All of these numbers are exact.
    CHECK(after(1, 4) == 1 - 0.0625 - 0.125);        // mean 2;     m 1
    CHECK(after(2, -3) == 0.8125 * 0.9375 + 0.125);  // mean -1/4;  m 3/4 - 3/8
    CHECK(after(4, -1.5) == 0.88671875 * 0.9375);    // mean 0, so the value only decays;  m 9/32 - 3/32
    CHECK(static_cast<double>(lion.moments()[0].stored[0]) == 0.1875);
}

TEST_CASE("Lion: the size of a gradient does not matter, but its sign does") {
    for (const double size : {1e-20, 1.0, 1e20}) {
        GivenGradients<float> subject;
        subject.set_values(0);
        Lion lion(subject.parameters, {.learning_rate = 0.25});
        subject.give_constant(1, size);
        lion.step();
        CHECK(subject.value() == -0.25);
        subject.give_constant(1, -2 * size);
        lion.step();
        CHECK(subject.value() == 0);
    }
}

TEST_CASE("Lion: a gradient of 0 moves nothing, one of NaN is seen in the value") {
    GivenGradients<float> subject;
    subject.set_values(1);
    Lion lion(subject.parameters);
    subject.give_constant(1, 0);
    lion.step();
    CHECK(subject.value() == 1);
    subject.give_constant(1, std::nan(""));
    lion.step();
    CHECK(std::isnan(subject.parameters[0].value()(0, 0)));
    CHECK(std::isnan(lion.moments()[0].stored[0]));
}

TEST_CASE("Lion: with clipping it refuses a gradient that is not finite, and nothing changes") {
    GivenGradients<float> subject;
    subject.set_values(1);
    Lion lion(subject.parameters, {.clip_norm = 1});
    subject.give_constant(1, std::nan(""));
    CHECK_THROWS_WITH_AS(lion.step(),
                         "gacc: Lion::step: expected gradients with a finite norm, got nan; nothing has changed, and "
                         "zero_grad() leaves this batch out",
                         gacc::NonFiniteError);
    CHECK(subject.value() == 1);
    CHECK(lion.moments()[0].stored[0] == 0);
    CHECK(lion.steps() == 0);
    subject.give_constant(1, 3);
    lion.step();
    const double share = 1 / std::sqrt(5 * 3 + 5 + 2 * 5 + 2.0);
    CHECK(static_cast<double>(lion.moments()[0].stored[0]) == doctest::Approx(0.01 * share).epsilon(1e-6));
}

TEST_CASE("Lion: a mean too small for the usual form of a number is 0") {
    GivenGradients<float> subject;
    subject.set_values(1);
    Lion lion(subject.parameters, {.beta2 = 0.5});
    subject.give_constant(1, 4e-38);
    lion.step();
    CHECK(lion.moments()[0].stored[0] == 2e-38F);
    subject.give_constant(1, 0);
    lion.step();
    CHECK(lion.moments()[0].stored[0] == 0);
}

TEST_CASE("Lion: its state is half of Adam's, and its padding stays zero") {
    GivenGradients<double> subject;
    subject.set_values(1);
    Lion<double> lion(subject.parameters, {.weight_decay = 1});
    CHECK(2 * lion.state_bytes() == gacc::Adam<double>(subject.parameters).state_bytes());
    CHECK(lion.state_bytes() == sizeof(double) * static_cast<std::size_t>(subject.parameters.stored_count()));
    CHECK(Lion<double>(subject.parameters, {.clip_norm = 1}).state_bytes() == lion.state_bytes() + 4 * sizeof(double));
    REQUIRE(lion.moments().size() == 1);
    CHECK(lion.moments()[0].name == "moments");
    subject.give_constant(1, 1);
    lion.step();
    for (const auto& parameter : subject.parameters) {
        const auto stored = parameter.stored_values();
        CHECK(std::ranges::count_if(stored, [](double number) { return number != 0; }) == parameter.size());
    }
}

TEST_CASE("Lion: its defaults are the authors'") {
    GivenGradients<float> subject;
    const Lion lion(subject.parameters);
    CHECK(lion.options().learning_rate == 1e-4);
    CHECK(lion.options().beta1 == 0.9);
    CHECK(lion.options().beta2 == 0.99);
    CHECK(lion.options().weight_decay == 0);
    CHECK(lion.options().clip_norm == std::numeric_limits<double>::infinity());
}

TEST_CASE("Lion: an option out of its range is an error") {
    GivenGradients<float> subject;
    const auto make = [&](LionOptions options) { Lion lion(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: Lion: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta1 = 1}), "gacc: Lion: expected beta1 from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta2 = -1}), "gacc: Lion: expected beta2 from 0 up to, not including, 1, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = -1}), "gacc: Lion: expected weight_decay of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_norm = 0}), "gacc: Lion: expected clip_norm larger than 0, got 0", gacc::UsageError);
    subject.set_values(1);
    Lion lion(subject.parameters, {.learning_rate = 1e20, .weight_decay = 1e20});
    subject.give_constant(1, 1);
    CHECK_THROWS_WITH_AS(lion.step(),
                         "gacc: Lion::step: expected learning_rate * weight_decay in the range of float, got 1e+40; "
                         "nothing has changed; set a smaller learning rate",
                         gacc::UsageError);
    CHECK(subject.value() == 1);
}

}  // namespace lion_test
