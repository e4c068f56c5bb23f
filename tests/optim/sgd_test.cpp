#include <gacc/optim/sgd.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace sgd_test {

using namespace gacc::test;
using gacc::Matrix;
using gacc::SGD;
using gacc::SGDOptions;

TEST_CASE_TEMPLATE("SGD: three steps by hand, in which four tensors of equal gradient move equally", Scalar, float,
                   double) {
    GivenGradients<Scalar> subject;
    const auto start = [&](SGDOptions options) {
        subject.set_values(1);
        return SGD<Scalar>(subject.parameters, options);
    };
    const auto after = [&](SGD<Scalar>& sgd, double weight, double grad) {
        subject.give_constant(weight, grad);
        sgd.step();
        return subject.value();
    };
    // All of these numbers are exact.
    auto plain = start({.learning_rate = 0.125});
    CHECK(after(plain, 1, 4) == 0.5);
    CHECK(after(plain, 2, -4) == 0.75);
    CHECK(after(plain, 4, 1) == 0.71875);

    auto decaying = start({.learning_rate = 0.125, .weight_decay = 0.5});
    CHECK(after(decaying, 1, 4) == 1 - 0.125 * (4 + 0.5));
    CHECK(after(decaying, 1, 0) == 0.4375 - 0.125 * 0.21875);
    CHECK(after(decaying, 1, 0) == 0.41015625 - 0.125 * 0.205078125);

    auto momentum = start({.learning_rate = 0.125, .momentum = 0.5});
    CHECK(after(momentum, 1, 4) == 0.5);      // v 4
    CHECK(after(momentum, 1, 0) == 0.25);     // v 2
    CHECK(after(momentum, 1, 1) == 0);        // v 1 + 1

    auto nesterov = start({.learning_rate = 0.125, .momentum = 0.5, .nesterov = true});
    CHECK(after(nesterov, 1, 4) == 0.25);     // v 4; 4 + 2
    CHECK(after(nesterov, 1, 0) == 0.125);    // v 2; 0 + 1
    CHECK(after(nesterov, 1, 1) == -0.125);   // v 2; 1 + 1

    auto all = start({.learning_rate = 0.125, .momentum = 0.5, .weight_decay = 1});
    CHECK(after(all, 1, 3) == 0.5);           // v 3 + 1
    CHECK(after(all, 1, 0) == 0.1875);        // v 2 + 0.5
    CHECK(after(all, 1, 0) == 0.0078125);     // v 1.25 + 0.1875
}

TEST_CASE("SGD: without momentum it keeps nothing, with momentum a number for each") {
    GivenGradients<double> subject;
    SGD<double> plain(subject.parameters), momentum(subject.parameters, {.momentum = 0.5});
    CHECK(plain.state_bytes() == 0);
    CHECK(plain.moments().empty());
    CHECK(momentum.state_bytes() == sizeof(double) * static_cast<std::size_t>(subject.parameters.stored_count()));
    REQUIRE(momentum.moments().size() == 1);
    CHECK(momentum.moments()[0].name == "velocity");
    CHECK(static_cast<gacc::Index>(momentum.moments()[0].stored.size()) == subject.parameters.stored_count());
    CHECK(SGD<double>(subject.parameters, {.clip_norm = 1}).state_bytes() == 4 * sizeof(double));  // a block a tensor
}

TEST_CASE("SGD: its defaults are PyTorch's") {
    GivenGradients<float> subject;
    const SGD sgd(subject.parameters);
    CHECK(sgd.options().learning_rate == 1e-3);
    CHECK(sgd.options().momentum == 0);
    CHECK_FALSE(sgd.options().nesterov);
    CHECK(sgd.options().weight_decay == 0);
    CHECK(sgd.options().clip_norm == std::numeric_limits<double>::infinity());
}

TEST_CASE("SGD: a mean gradient longer than clip_norm is shortened to it, before the decay of weights is added") {
    GivenGradients<double> subject;
    const double count = 5 * 3 + 5 + 2 * 5 + 2;
    for (const double weight : {1, 8}) {
        subject.set_values(1);
        SGD<double> sgd(subject.parameters, {.learning_rate = 1, .weight_decay = 0.25, .clip_norm = 0.5});
        subject.give_constant(weight, weight * 3);
        sgd.step();
        CHECK(std::abs(subject.value() - (1 - 0.25 - 0.5 / std::sqrt(count))) < 1e-15);
    }
    subject.give_constant(1, std::numeric_limits<double>::infinity());
    SGD<double> sgd(subject.parameters, {.momentum = 0.5, .clip_norm = 1});
    const auto before = values_of(subject.parameters);
    CHECK_THROWS_WITH_AS(sgd.step(),
                         "gacc: SGD::step: expected gradients with a finite norm, got inf; nothing has changed, and "
                         "zero_grad() leaves this batch out",
                         gacc::NonFiniteError);
    CHECK(values_of(subject.parameters) == before);
}

TEST_CASE("SGD: a velocity too small for the usual form of a number is 0") {
    GivenGradients<float> subject;
    subject.set_values(1);
    SGD sgd(subject.parameters, {.momentum = 0.5});
    subject.give_constant(1, 1e-37);
    sgd.step();
    CHECK(sgd.moments()[0].stored[0] == 1e-37F);
    for (int step = 0; step < 4; ++step) {
        subject.give_constant(1, 0);
        sgd.step();
    }
    CHECK(sgd.moments()[0].stored[0] == 0);
}

TEST_CASE("SGD: an option out of its range is an error") {
    GivenGradients<float> subject;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const auto make = [&](SGDOptions options) { SGD sgd(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: SGD: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.learning_rate = 1e39}),
                         "gacc: SGD: expected learning_rate in the range of float, got 1e+39", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.momentum = 1}), "gacc: SGD: expected momentum from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.momentum = nan}), "gacc: SGD: expected momentum from 0 up to, not including, 1, got nan",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.nesterov = true}), "gacc: SGD: expected a momentum larger than 0 with nesterov, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = -1}), "gacc: SGD: expected weight_decay of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_norm = 0}), "gacc: SGD: expected clip_norm larger than 0, got 0",
                         gacc::UsageError);
    CHECK_NOTHROW(make({.learning_rate = 0, .momentum = 0.5, .nesterov = true}));
}

TEST_CASE("SGD: the state of one with other memory is refused, and so are words that no state has") {
    GivenGradients<float> subject;
    SGD plain(subject.parameters), momentum(subject.parameters, {.momentum = 0.5, .nesterov = true}),
        clipping(subject.parameters, {.clip_norm = 1});
    const auto before = plain.state();
    CHECK_THROWS_WITH_AS(
        plain.set_state(momentum.state()),
        "gacc: SGD: expected the state of SGD that has a momentum as this one does, got other words", gacc::DataError);
    CHECK_THROWS_WITH_AS(momentum.set_state(before),
                         "gacc: SGD: expected the state of SGD that has a momentum as this one does, got other words",
                         gacc::DataError);
    CHECK_THROWS_WITH_AS(plain.set_state(clipping.state()),
                         "gacc: SGD: expected the state of SGD that clips as this one does, got other words",
                         gacc::DataError);
    auto words = before;
    words[3] = gacc::detail::word(1.0);  // nesterov
    CHECK_THROWS_WITH_AS(plain.set_state(words), "gacc: SGD: expected the state of SGD, got other words",
                         gacc::DataError);
    words[3] = gacc::detail::word(0.5);
    CHECK_THROWS_WITH_AS(plain.set_state(words), "gacc: SGD: expected nesterov 0 or 1, got 0.5", gacc::UsageError);
    words.pop_back();
    CHECK_THROWS_WITH_AS(plain.set_state(words), "gacc: SGD: expected the state of SGD, got other words",
                         gacc::DataError);
    CHECK(plain.state() == before);

    SGD other(subject.parameters, {.learning_rate = 2, .momentum = 0.75});
    other.set_state(momentum.state());
    CHECK(other.options().nesterov);
    CHECK(other.options().momentum == 0.5);
    CHECK(other.state() == momentum.state());
}

}  // namespace sgd_test
