#include <gacc/optim/nadam.hpp>

#include <gacc/optim/adam.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>

namespace nadam_test {

using namespace gacc::test;
using gacc::NAdam;
using gacc::NAdamOptions;

namespace {

template <class Scalar>
struct Subject : GivenGradients<Scalar> {
    explicit Subject(const NAdamOptions& options) : optimizer(this->parameters, options) { this->set_values(1); }
    double after(double weight, double grad) {
        this->give_constant(weight, grad);
        optimizer.step();
        return this->value();
    }
    NAdam<Scalar> optimizer;
};

}  // namespace

TEST_CASE_TEMPLATE("NAdam: three steps by hand, in which four tensors of equal gradient move equally", Scalar, float,
                   double) {
    const double rounding = 10 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    const auto is = [&](double got, double expected) { CHECK(std::abs(got - expected) < rounding); };
    // Without a momentum_decay mu is beta1 / 2 = 1/4 in all steps; the products of mu are 1/4, 1/16, 1/64, 1/256.
    const NAdamOptions options{
        .learning_rate = 0.125, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 0, .momentum_decay = 0};
    Subject<Scalar> subject(options);
    // g 4:  m 2, v 4;      v / (1 - 3/4) = 16;      4 * (3/4) / (3/4) + 2 * (1/4) / (15/16) = 68/15
    double expected = 1 - 0.125 * 68 / 15 / 4;
    is(subject.after(1, 4), expected);
    // g 0:  m 1, v 3;      v / (1 - 9/16) = 48/7;   1 * (1/4) / (63/64) = 16/63
    expected -= 0.125 * 16 / 63 / std::sqrt(48.0 / 7);
    is(subject.after(2, 0), expected);
    // g 2:  m 3/2, v 13/4; v / (1 - 27/64) = 208/37;  2 * (3/4) / (63/64) + (3/2) * (1/4) / (255/256)
    expected -= 0.125 * (1.5 * 64 / 63 + 0.375 * 256 / 255) / std::sqrt(208.0 / 37);
    is(subject.after(1, 2), expected);

    NAdamOptions coupled = options, decoupled = options;
    coupled.weight_decay = decoupled.weight_decay = 2;
    decoupled.decoupled_weight_decay = true;
    is(Subject<Scalar>(coupled).after(1, 2), 1 - 0.125 * 68 / 15 / 4);  // g 2 + 2
    is(Subject<Scalar>(decoupled).after(1, 4), 0.75 - 0.125 * 68 / 15 / 4);
}

TEST_CASE("NAdam: the momentum rises with the steps, which its state keeps") {
    Subject<double> subject({.learning_rate = 0.5, .beta1 = 0.5, .beta2 = 0, .epsilon = 0, .momentum_decay = 1});
    // mu 0.5 (1 - 0.96^t / 2):  0.26, 0.2696;  m 1/2, root 1
    CHECK(subject.after(1, 1) ==
          doctest::Approx(1 - 0.5 * (1 + 0.5 * 0.2696 / (1 - 0.26 * 0.2696))).epsilon(1e-14));
    CHECK(gacc::detail::real(subject.optimizer.state().back()) == doctest::Approx(0.26).epsilon(1e-15));

    NAdam<double> other(subject.parameters);
    auto words = subject.optimizer.state();
    other.set_state(words);
    CHECK(other.state() == words);
    for (const double product : {-0.1, 1.1, std::nan("")}) {
        words.back() = gacc::detail::word(product);
        CHECK_THROWS_WITH_AS(other.set_state(words), "gacc: NAdam: expected the state of NAdam, got other words",
                             gacc::DataError);
    }
    words.pop_back();
    CHECK_THROWS_AS(other.set_state(words), gacc::DataError);
    CHECK(other.state() == subject.optimizer.state());
}

TEST_CASE("NAdam: a step that is refused does not change the momentum") {
    Subject<float> subject({.clip_norm = 1});
    const auto before = subject.optimizer.state();
    CHECK_THROWS_WITH_AS(subject.after(1, std::nan("")),
                         "gacc: NAdam::step: expected gradients with a finite norm, got nan; nothing has changed, and "
                         "zero_grad() leaves this batch out",
                         gacc::NonFiniteError);
    CHECK(subject.optimizer.state() == before);
    CHECK(subject.value() == 1);
    CHECK(subject.optimizer.moments()[0].stored[0] == 0);

    Subject<float> large({.learning_rate = 1.9e38, .momentum_decay = 1000});  // mu 0.9;  0.9 / (1 - 0.81)
    const auto state = large.optimizer.state();
    CHECK_THROWS_WITH_AS(large.after(1, 1),
                         "gacc: NAdam::step: expected learning_rate mu / (1 - product of mu) in the range of float, got "
                         "9e+38; nothing has changed; set a smaller learning rate",
                         gacc::UsageError);
    CHECK(large.optimizer.state() == state);
}

TEST_CASE("NAdam: a gradient of 0 moves nothing, also without epsilon") {
    Subject<float> subject({.epsilon = 0});
    for (int step = 0; step < 3; ++step) { CHECK(subject.after(1, 0) == 1); }
    CHECK(subject.after(1, 1e-17) == 1);  // counts as 0
    CHECK(subject.after(1, 1) < 1);
}

TEST_CASE("NAdam: its state is as large as Adam's") {
    GivenGradients<double> subject;
    NAdam<double> nadam(subject.parameters);
    CHECK(nadam.state_bytes() == gacc::Adam<double>(subject.parameters).state_bytes());
    REQUIRE(nadam.moments().size() == 2);
    CHECK(nadam.moments()[0].name == "first_moments");
    CHECK(nadam.moments()[1].name == "second_moments");
    CHECK(nadam.moments()[1].non_negative);
}

TEST_CASE("NAdam: its defaults are PyTorch's") {
    GivenGradients<float> subject;
    const NAdam nadam(subject.parameters);
    CHECK(nadam.options().learning_rate == 2e-3);
    CHECK(nadam.options().beta1 == 0.9);
    CHECK(nadam.options().beta2 == 0.999);
    CHECK(nadam.options().epsilon == 1e-8);
    CHECK(nadam.options().momentum_decay == 4e-3);
    CHECK(nadam.options().weight_decay == 0);
    CHECK_FALSE(nadam.options().decoupled_weight_decay);
    CHECK(nadam.options().clip_norm == std::numeric_limits<double>::infinity());
}

TEST_CASE("NAdam: an option out of its range is an error") {
    GivenGradients<float> subject;
    const auto make = [&](NAdamOptions options) { NAdam nadam(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: NAdam: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta1 = 1}), "gacc: NAdam: expected beta1 from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.beta2 = -1}), "gacc: NAdam: expected beta2 from 0 up to, not including, 1, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon = -1}), "gacc: NAdam: expected epsilon of 0 or more, got -1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.momentum_decay = -1}), "gacc: NAdam: expected momentum_decay of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = -1}), "gacc: NAdam: expected weight_decay of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_norm = 0}), "gacc: NAdam: expected clip_norm larger than 0, got 0", gacc::UsageError);
}

}  // namespace nadam_test
