#include <gacc/train/trial.hpp>

#include <gacc/data/dataset.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/sgd.hpp>

#include "support/gradient_check.hpp"

#include "support/random_samples.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace trial_test {

using gacc::Index;
using gacc::detail::TrialTimes;

namespace {

const auto adam = [](const gacc::Parameters<float>& parameters) { return gacc::Adam<float>(parameters); };

gacc::Sequential<float> some_model() {
    gacc::Sequential<float> model(gacc::Linear(6, 64), gacc::ReLU(), gacc::Linear(64, 2));
    gacc::Rng rng(2);
    model.initialize(rng);
    return model;
}

}  // namespace

TEST_CASE("TrialTimes: a batch takes its samples and one step, whatever the batches that were timed") {
    TrialTimes times{.pass_seconds = 2, .samples = 400, .step_seconds = 1, .steps = 10};
    CHECK(times.samples_per_second(100) == doctest::Approx(100 / (0.5 + 0.1)));
    CHECK(times.samples_per_second(1000) == doctest::Approx(1000 / (5 + 0.1)));
    times.add({.pass_seconds = 6, .samples = 400, .step_seconds = 3, .steps = 10});  // an interruption counts
    CHECK(times.samples_per_second(100) == doctest::Approx(100 / (1 + 0.2)));
}

TEST_CASE("Trial: times at least one micro-batch after the first and one step, also if batches are long") {
    const auto data = gacc::test::samples_of_two_classes(200);
    gacc::detail::Trial trial(some_model(), gacc::SoftmaxCrossEntropy<float>(), adam, data);
    const TrialTimes short_one = trial.time({.batch_size = 200, .micro_batch = 10}, 0);
    CHECK(short_one.samples == 10);
    CHECK(short_one.steps == 1);
    CHECK(trial.optimizer().steps() == 1);
    const TrialTimes uncut = trial.time({.batch_size = 200, .micro_batch = 200}, 0);
    CHECK(uncut.samples == 200);
    CHECK(uncut.steps == 2);
    CHECK(uncut.pass_seconds > 0);
    CHECK(uncut.step_seconds > 0);
    CHECK(trial.optimizer().steps() == 3);
    const TrialTimes longer = trial.time({.batch_size = 20, .micro_batch = 10}, 0.05);
    CHECK(longer.pass_seconds + longer.step_seconds >= 0.05);
    CHECK(longer.samples > 200);  // several epochs
    const Index steps = longer.steps;
    CHECK(longer.samples <= steps * 20);
    CHECK(longer.samples > (steps - 2) * 20);
}

TEST_CASE("Trial: a training that is not finite is stopped") {
    const auto data = gacc::test::samples_of_two_classes(200);
    const auto wild = [](const gacc::Parameters<float>& parameters) {
        return gacc::SGD<float>(parameters, {.learning_rate = 1e30});
    };
    gacc::detail::Trial trial(some_model(), gacc::SoftmaxCrossEntropy<float>(), wild, data);
    CHECK_THROWS_AS(trial.time({.batch_size = 20, .micro_batch = 10}, 0.05), gacc::NonFiniteError);
}

TEST_CASE("Trial: measures the noise in at least 8 batches of 8 micro-batches") {
    const auto data = gacc::test::samples_of_two_classes(640);
    gacc::detail::Trial trial(some_model(), gacc::SoftmaxCrossEntropy<float>(), adam, data);
    const auto noise = trial.noise(10, 0);
    CHECK(noise.batches == 8);
    CHECK(trial.optimizer().steps() == 8);
    CHECK(noise.scale.value() > 0);
    const auto none = gacc::test::samples_of_two_classes(7);  // one micro-batch in all
    gacc::detail::Trial too_few(some_model(), gacc::SoftmaxCrossEntropy<float>(), adam, none);
    CHECK(too_few.noise(7, 0).batches == 0);
}

}  // namespace trial_test
