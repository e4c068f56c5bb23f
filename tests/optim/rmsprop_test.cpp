#include <gacc/optim/rmsprop.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace rmsprop_test {

using namespace gacc::test;
using gacc::RMSprop;
using gacc::RMSpropOptions;

namespace {

template <class Scalar>
struct Subject : GivenGradients<Scalar> {
    explicit Subject(const RMSpropOptions& options) : optimizer(this->parameters, options) { this->set_values(1); }
    double after(double weight, double grad) {
        this->give_constant(weight, grad);
        optimizer.step();
        return this->value();
    }
    RMSprop<Scalar> optimizer;
};

}  // namespace

TEST_CASE_TEMPLATE("RMSprop: three steps by hand, in which four tensors of equal gradient move equally", Scalar, float,
                   double) {
    // All of these numbers are exact, or rounded once or twice.
    const double rounding = 4 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    const auto is = [&](double got, double expected) { CHECK(std::abs(got - expected) < rounding); };

    Subject<Scalar> plain({.learning_rate = 0.125, .alpha = 0.75, .epsilon = 1});
    is(plain.after(1, 4), 1 - 0.125 * 4 / 3);                                  // s 4, root 2
    is(plain.after(2, -8), 1 - 0.5 / 3 + 0.5 / (std::sqrt(7.0) + 1));          // s 3 + 4
    is(plain.after(1, 0), 1 - 0.5 / 3 + 0.5 / (std::sqrt(7.0) + 1));           // s 21/4
    is(static_cast<double>(plain.optimizer.moments()[0].stored[0]), 5.25);

    Subject<Scalar> momentum({.learning_rate = 0.125, .alpha = 0.75, .epsilon = 0, .momentum = 0.5});
    is(momentum.after(1, 4), 1 - 0.25);                                        // d 2
    is(momentum.after(1, 0), 0.75 - 0.125);                                    // v 1
    is(momentum.after(1, 0), 0.625 - 0.0625);                                  // v 1/2

    Subject<Scalar> centered({.learning_rate = 0.125, .alpha = 0.75, .epsilon = 0, .centered = true});
    is(centered.after(1, 4), 1 - 0.125 * 4 / std::sqrt(3.0));                  // s 4, a 1
    is(centered.after(1, 0), 1 - 0.125 * 4 / std::sqrt(3.0));                  // s 3, a 3/4
    is(centered.after(1, 4), 1 - 0.5 / std::sqrt(3.0) - 0.5 / std::sqrt(6.25 - 1.5625 * 1.5625));

    Subject<Scalar> decaying({.learning_rate = 0.125, .alpha = 0, .epsilon = 3, .weight_decay = 0.5});
    is(decaying.after(1, 0.5), 1 - 0.125 * 1 / 4);                             // g 1/2 + 1/2
}

TEST_CASE("RMSprop: a gradient of 0 moves nothing, also without epsilon and centered") {
    for (const bool centered : {false, true}) {
        Subject<float> subject({.epsilon = 0, .momentum = 0.5, .centered = centered});
        for (int step = 0; step < 3; ++step) { CHECK(subject.after(1, 0) == 1); }
        CHECK(subject.after(1, 1e-17) == 1);  // counts as 0
        CHECK(subject.after(1, 1) < 1);
    }
}

TEST_CASE("RMSprop: centered, a gradient that never changes divides by a deviation of 0 or more") {
    Subject<float> subject({.learning_rate = 1e-3, .alpha = 0.5, .epsilon = 1, .centered = true});
    double before = 1;
    for (int step = 0; step < 60; ++step) {
        const double now = subject.after(1, 0.3);
        CHECK(now < before);  // not NaN
        before = now;
    }
}

TEST_CASE("RMSprop: it keeps what its options need") {
    GivenGradients<double> subject;
    const auto numbers = static_cast<std::size_t>(subject.parameters.stored_count());
    const auto check = [&](const RMSpropOptions& options, std::vector<std::string> names) {
        RMSprop<double> rmsprop(subject.parameters, options);
        CHECK(rmsprop.state_bytes() == names.size() * numbers * sizeof(double));
        const auto moments = rmsprop.moments();
        REQUIRE(moments.size() == names.size());
        for (std::size_t i = 0; i < names.size(); ++i) {
            CHECK(moments[i].name == names[i]);
            CHECK(moments[i].stored.size() == numbers);
            CHECK(moments[i].non_negative == (i == 0));
        }
    };
    check({}, {"mean_squares"});
    check({.centered = true}, {"mean_squares", "means"});
    check({.momentum = 0.5}, {"mean_squares", "velocity"});
    check({.momentum = 0.5, .centered = true}, {"mean_squares", "means", "velocity"});
    CHECK(RMSprop<double>(subject.parameters, {.clip_norm = 1}).state_bytes() == (numbers + 4) * sizeof(double));
}

TEST_CASE("RMSprop: with clipping it refuses a gradient that is not finite, and nothing changes") {
    Subject<float> subject({.clip_norm = 1});
    CHECK_THROWS_WITH_AS(subject.after(1, std::nan("")),
                         "gacc: RMSprop::step: expected gradients with a finite norm, got nan; nothing has changed, and "
                         "zero_grad() leaves this batch out",
                         gacc::NonFiniteError);
    CHECK(subject.value() == 1);
    CHECK(subject.optimizer.moments()[0].stored[0] == 0);
    subject.after(1, 3);
    CHECK(static_cast<double>(subject.optimizer.moments()[0].stored[0]) == doctest::Approx(0.01 / 32).epsilon(1e-5));
}

TEST_CASE("RMSprop: its defaults are PyTorch's") {
    GivenGradients<float> subject;
    const RMSprop rmsprop(subject.parameters);
    CHECK(rmsprop.options().learning_rate == 1e-2);
    CHECK(rmsprop.options().alpha == 0.99);
    CHECK(rmsprop.options().epsilon == 1e-8);
    CHECK(rmsprop.options().momentum == 0);
    CHECK_FALSE(rmsprop.options().centered);
    CHECK(rmsprop.options().weight_decay == 0);
    CHECK(rmsprop.options().clip_norm == std::numeric_limits<double>::infinity());
}

TEST_CASE("RMSprop: an option out of its range is an error") {
    GivenGradients<float> subject;
    const auto make = [&](RMSpropOptions options) { RMSprop rmsprop(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: RMSprop: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.alpha = 1}), "gacc: RMSprop: expected alpha from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon = -1}), "gacc: RMSprop: expected epsilon of 0 or more, got -1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.momentum = 1}), "gacc: RMSprop: expected momentum from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = 1e39}),
                         "gacc: RMSprop: expected weight_decay in the range of float, got 1e+39", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_norm = 0}), "gacc: RMSprop: expected clip_norm larger than 0, got 0",
                         gacc::UsageError);
}

TEST_CASE("RMSprop: the state of one with other memory is refused, and nothing changes") {
    GivenGradients<float> subject;
    RMSprop plain(subject.parameters), centered(subject.parameters, {.centered = true}),
        momentum(subject.parameters, {.momentum = 0.5});
    const auto before = plain.state();
    CHECK_THROWS_WITH_AS(plain.set_state(centered.state()),
                         "gacc: RMSprop: expected the state of RMSprop that is centered as this one is, got other words",
                         gacc::DataError);
    CHECK_THROWS_WITH_AS(
        plain.set_state(momentum.state()),
        "gacc: RMSprop: expected the state of RMSprop that has a momentum as this one does, got other words",
        gacc::DataError);
    CHECK(plain.state() == before);
}

}  // namespace rmsprop_test
