#include <gacc/accumulation/accumulator.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <vector>

namespace accumulator_test {

using namespace gacc::test;
using gacc::Accumulated;
using gacc::Accumulator;
using gacc::Adam;
using gacc::AdamOptions;
using gacc::EveryMicroBatches;
using gacc::EverySamples;
using gacc::Index;
using gacc::Label;
using gacc::Linear;
using gacc::Matrix;

namespace {

/// Adam as plain gradient descent with rate 1. So the scale of every gradient matters.
constexpr AdamOptions transparent{.learning_rate = 0x1p40, .beta1 = 0, .beta2 = 0, .epsilon = 0x1p40};

/// A 5-7-4 perceptron in training, on samples that come one micro-batch after the other.
struct Training {
    explicit Training(AdamOptions options = {.learning_rate = 1e-2})
        : model(Linear<double>(5, 7), gacc::ReLU<double>(), Linear<double>(7, 4)), adam(model.parameters(), options) {
        gacc::Rng rng(1);
        model.initialize(rng);
        inputs = random_matrix<double>(rng, 100, 5);
        for (Label& label : labels) { label = static_cast<Label>(rng.below(4)); }
    }

    /// Forward and backward of the next `samples` samples.
    void micro_batch(Index samples) {
        const auto rows = inputs.middleRows(next, samples);
        loss.forward(model.forward(rows),
                     std::span(labels).subspan(static_cast<std::size_t>(next), static_cast<std::size_t>(samples)));
        model.backward(loss.backward());
        next += samples;
    }
    void ignored_micro_batch() {
        loss.forward(model.forward(inputs.topRows(2)), std::vector<Label>{-100, -100});
        model.backward(loss.backward());
    }
    std::vector<std::byte> values() { return values_of(model.parameters()); }
    std::vector<std::byte> state() { return state_of(model.parameters()); }

    gacc::Sequential<double> model;
    Adam<double> adam;
    gacc::SoftmaxCrossEntropy<double> loss;
    Matrix<double> inputs;  // 100 x 5
    std::vector<Label> labels = std::vector<Label>(100);
    Index next = 0;
};

/// The micro-batches, counted from 1, after which the policy let the optimizer step. There are `micro_batches` of them
/// with `samples` samples each.
template <class Policy>
std::vector<int> steps_after(Policy policy, int micro_batches, Index samples) {
    Training training;
    Accumulator accumulator(training.adam, policy);
    std::vector<int> steps;
    for (int i = 1; i <= micro_batches; ++i) {
        training.micro_batch(samples);
        if (accumulator.update()) { steps.push_back(i); }
    }
    return steps;
}

}  // namespace

TEST_CASE("Accumulator: EveryMicroBatches steps after every n-th") {
    CHECK(steps_after(EveryMicroBatches(4), 10, 3) == std::vector<int>{4, 8});
    CHECK(steps_after(EveryMicroBatches(1), 3, 3) == std::vector<int>{1, 2, 3});
}

TEST_CASE("Accumulator: EverySamples steps as soon as there are n") {
    CHECK(steps_after(EverySamples(6), 7, 2) == std::vector<int>{3, 6});
    CHECK(steps_after(EverySamples(5), 7, 2) == std::vector<int>{3, 6});
    CHECK(steps_after(EverySamples(2), 3, 7) == std::vector<int>{1, 2, 3});
}

TEST_CASE("Accumulator: EveryWeight counts tokens, without the ignored ones") {
    gacc::Rng rng(1);
    gacc::Sequential model(gacc::Input(3, 2), Linear<double>(2, 4));  // three tokens a sample
    model.initialize(rng);
    Adam adam(model.parameters());
    gacc::SoftmaxCrossEntropy<double> loss;
    Accumulator accumulator(adam, gacc::EveryWeight{7});
    const auto x = random_matrix<double>(rng, 2, 6);
    const auto step = [&](const std::vector<Label>& labels) {
        loss.forward(model.forward(x), labels);
        model.backward(loss.backward());
        return accumulator.update();
    };
    CHECK_FALSE(step({0, -100, 2, -100, -100, 3}));
    CHECK(accumulator.held().weight == 3);
    CHECK(accumulator.held().samples == 2);
    CHECK_FALSE(step({-100, -100, -100, 1, 1, 1}));
    CHECK(accumulator.held().weight == 6);
    CHECK(step({-100, -100, -100, -100, -100, 1}));
    CHECK(adam.steps() == 1);
    CHECK(accumulator.held().weight == 0);
}

TEST_CASE("Accumulator: a lambda lets the batch grow with the steps") {
    const auto growing = [](const Accumulated& held) { return held.samples >= (held.steps < 2 ? 4 : 8); };
    CHECK(steps_after(growing, 14, 2) == std::vector<int>{2, 4, 8, 12});
}

TEST_CASE("Accumulator: a policy may have a memory") {
    const auto doubling = [n = Index{1}](const Accumulated& held) mutable {
        const bool now = held.micro_batches >= n;
        n *= now ? 2 : 1;
        return now;
    };
    CHECK(steps_after(doubling, 16, 1) == std::vector<int>{1, 3, 7, 15});
}

TEST_CASE("Accumulator: what is held is what waits for the step") {
    Training training;
    Accumulator accumulator(training.adam, EveryMicroBatches(3));
    CHECK(accumulator.held().micro_batches == 0);
    training.micro_batch(5);
    accumulator.update();
    training.micro_batch(2);
    accumulator.update();
    CHECK(accumulator.held().samples == 7);
    CHECK(accumulator.held().micro_batches == 2);
    CHECK(accumulator.held().weight == 7);
    CHECK(accumulator.held().steps == 0);
    training.micro_batch(1);
    accumulator.update();
    CHECK(accumulator.held().samples == 0);
    CHECK(accumulator.held().micro_batches == 0);
    CHECK(accumulator.held().weight == 0);
    CHECK(accumulator.held().steps == 1);
}

TEST_CASE("Accumulator: update changes no value and no gradient before the policy says so") {
    Training training;
    Accumulator accumulator(training.adam, EveryMicroBatches(2));
    training.micro_batch(5);
    const auto before = training.state();
    CHECK_FALSE(accumulator.update());
    CHECK(training.state() == before);
}

TEST_CASE("Accumulator: an update that steps is step and zero_grad") {
    Training training, same;
    Accumulator accumulator(training.adam, EverySamples(8));
    for (int i = 0; i < 2; ++i) {
        training.micro_batch(4);
        accumulator.update();
        same.micro_batch(4);
    }
    same.adam.step();
    same.adam.zero_grad();
    CHECK(training.state() == same.state());
}

TEST_CASE("Accumulator: the notebook's loop, which steps by the number of the micro-batch, gives the same bytes") {
    Training training, notebook;
    Accumulator accumulator(training.adam, EveryMicroBatches(4));
    const int n = 10;
    for (int i = 0; i < n; ++i) {
        training.micro_batch(3);
        accumulator.update();
    }
    accumulator.flush();
    for (int i = 0; i < n; ++i) {
        notebook.micro_batch(3);
        if ((i + 1) % 4 == 0 || i + 1 == n) {
            notebook.adam.step();
            notebook.adam.zero_grad();
        }
    }
    CHECK(training.adam.steps() == 3);
    CHECK(training.state() == notebook.state());
}

TEST_CASE("Accumulator: after a flush the last, smaller batch counts as it does uncut") {
    Training training(transparent), uncut(transparent), forgetful(transparent);
    Accumulator accumulator(training.adam, EverySamples(32));
    for (const Index samples : {8, 8, 8, 8, 8, 3}) {  // 32 and 11
        training.micro_batch(samples);
        accumulator.update();
    }
    CHECK(accumulator.held().samples == 11);
    CHECK(accumulator.flush());
    for (const Index samples : {32, 11}) {
        uncut.micro_batch(samples);
        uncut.adam.step();
        uncut.adam.zero_grad();
    }
    forgetful.micro_batch(32);
    forgetful.adam.step();

    CHECK(training.adam.steps() == 2);
    const auto distance = [&](Training& other) {
        double worst = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            const Matrix<double> a = training.model.parameters()[i].value(), b = other.model.parameters()[i].value();
            worst = std::max(worst, (a - b).cwiseAbs().maxCoeff());
        }
        return worst;
    };
    CHECK(distance(uncut) < 1e-12);     // numbers of about 1, added in another order
    CHECK(distance(forgetful) > 1e-2);  // the effect of a forgotten flush
}

TEST_CASE("Accumulator: a flush with nothing held is no step, and changes nothing") {
    Training training;
    Accumulator accumulator(training.adam, EveryMicroBatches(1));
    CHECK_FALSE(accumulator.flush());
    training.micro_batch(5);
    CHECK(accumulator.update());
    const auto before = training.state();
    CHECK_FALSE(accumulator.flush());
    CHECK_FALSE(accumulator.flush());
    CHECK(training.state() == before);
    CHECK(training.adam.steps() == 1);
}

TEST_CASE("Accumulator: a batch of ignored samples is no step, and nothing of it is held on") {
    Training training;
    Accumulator accumulator(training.adam, EveryMicroBatches(2));
    const auto before = training.state();
    training.ignored_micro_batch();
    CHECK_FALSE(accumulator.update());
    training.ignored_micro_batch();
    CHECK_FALSE(accumulator.update());
    CHECK(accumulator.held().micro_batches == 0);
    CHECK(training.adam.steps() == 0);
    CHECK(training.state() == before);
}

TEST_CASE("Accumulator: an update without a backward is an error, and changes nothing") {
    Training training;
    Accumulator accumulator(training.adam, EveryMicroBatches(2));
    const auto text =
        "gacc: Accumulator::update: expected gradients to be held, got none; call the model's backward first";
    const auto before = training.state();
    CHECK_THROWS_WITH_AS(accumulator.update(), text, gacc::UsageError);
    CHECK(training.state() == before);
    training.micro_batch(3);
    accumulator.update();
    accumulator.flush();
    const auto after = training.state();
    CHECK_THROWS_WITH_AS(accumulator.update(), text, gacc::UsageError);
    CHECK(training.state() == after);
    CHECK(training.adam.steps() == 1);
}

TEST_CASE("Accumulator: the last, smaller batch of an epoch steps, is dropped or is carried over") {
    Training step, drop, carried;
    Accumulator by_step(step.adam, EverySamples(10)), by_drop(drop.adam, EverySamples(10), gacc::LastBatch::drop),
        by_carrying(carried.adam, EverySamples(10), gacc::LastBatch::carry_over);
    for (Training* training : {&step, &drop, &carried}) { training->micro_batch(6); }
    CHECK_FALSE(by_step.update());
    CHECK_FALSE(by_drop.update());
    CHECK_FALSE(by_carrying.update());

    CHECK(by_step.end_epoch());
    CHECK(step.adam.steps() == 1);
    CHECK(by_step.held().samples == 0);
    CHECK_FALSE(by_drop.end_epoch());
    CHECK(drop.adam.steps() == 0);
    CHECK(by_drop.held().samples == 0);
    CHECK_FALSE(by_carrying.end_epoch());
    CHECK(carried.adam.steps() == 0);
    CHECK(by_carrying.held().samples == 6);

    carried.micro_batch(4);
    CHECK(by_carrying.update());
    Training whole;  // without an end of an epoch between
    Accumulator accumulator(whole.adam, EverySamples(10));
    whole.micro_batch(6);
    accumulator.update();
    whole.micro_batch(4);
    accumulator.update();
    CHECK(carried.values() == whole.values());
}

}  // namespace accumulator_test
