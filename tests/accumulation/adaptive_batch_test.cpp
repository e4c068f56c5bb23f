#include <gacc/accumulation/adaptive_batch.hpp>

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

namespace adaptive_batch_test {

using gacc::Accumulator;
using gacc::AdaptiveBatch;
using gacc::AdaptiveBatchOptions;
using gacc::Index;
using gacc::LastBatch;
using gacc::Matrix;
using gacc::NoiseScale;
using gacc::test::state_of;

namespace {

/// Training on a stream of noisy samples, 300 an epoch, which is known by the number of the next sample.
struct Training {
    Training() {
        gacc::Rng rng(1);
        model.initialize(rng);
        inputs = gacc::test::random_matrix<float>(rng, 300, 12);
        for (auto& label : labels) { label = static_cast<gacc::Label>(rng.below(4)); }
    }
    gacc::LossGradient<float> micro_batch(Index number) {
        const Index first = number % 30 * 10;
        loss.forward(model.forward(inputs.middleRows(first, 10)),
                     std::span(labels).subspan(static_cast<std::size_t>(first), 10));
        return loss.backward();
    }

    gacc::Sequential<float> model{gacc::Linear(12, 16), gacc::ReLU(), gacc::Linear(16, 4)};
    gacc::SoftmaxCrossEntropy<float> loss;
    gacc::Adam<float> adam{model.parameters()};
    Matrix<float> inputs;
    std::vector<gacc::Label> labels = std::vector<gacc::Label>(300);
};

/// A training with a policy, stopped at micro-batch `stop` and resumed in new objects.
template <class MakePolicy>
std::vector<std::byte> trained(const MakePolicy& make_policy, LastBatch last, Index stop) {
    const TemporaryFolder folder;
    std::vector<std::byte> result;
    for (const bool resumed : {false, true}) {
        Training training;
        NoiseScale<float> noise(training.adam.parameters());
        Accumulator accumulator(training.adam, make_policy(noise), last);
        gacc::Rng rng(1);
        gacc::DataPosition position;
        gacc::Checkpoint checkpoint(training.adam, rng, position);
        checkpoint.keep("noise_scale", noise);
        if constexpr (gacc::Stateful<std::remove_reference_t<decltype(accumulator.policy())>>) {
            checkpoint.keep("policy", accumulator.policy());
        }
        if (resumed) { checkpoint.load(folder.path() / "c.safetensors"); }
        for (Index i = resumed ? stop : 0; i < 75; ++i) {
            if (!resumed && i == stop) {
                checkpoint.save(folder.path() / "c.safetensors");
                if (stop > 0) { break; }
            }
            noise.backward(training.model, training.micro_batch(i));
            accumulator.update();
            if (i % 30 == 29) { accumulator.end_epoch(); }
        }
        result = state_of(training.model.parameters());
    }
    return result;
}

}  // namespace

TEST_CASE("Policies: a run resumed in the middle of a batch is the run that was never stopped") {
    for (const LastBatch last : {LastBatch::step, LastBatch::drop, LastBatch::carry_over}) {
        const auto same = [&](const auto& make) {
            const auto whole = trained(make, last, 0);
            for (const Index stop : {1, 29, 30, 31, 44}) { CHECK(trained(make, last, stop) == whole); }
        };
        same([](auto&) { return gacc::EveryMicroBatches(4); });
        same([](auto&) { return gacc::EverySamples(70); });
        same([](auto&) { return gacc::EveryWeight(35); });
        same([](auto&) { return gacc::BatchSchedule(gacc::BatchWarmUp({.first = 20, .last = 90, .steps = 10})); });
        same([](auto&) { return [](const gacc::Accumulated& held) { return held.micro_batches > held.steps % 3; }; });
        same([](auto& noise) { return AdaptiveBatch(noise, {.smallest = 20, .largest = 80, .most_change = 1.5, .after = 2}); });
    }
}

TEST_CASE("AdaptiveBatch: moves towards the noise scale, by at most a factor, within bounds") {
    Training training;
    NoiseScale<float> noise(training.adam.parameters());
    AdaptiveBatch policy(noise, {.smallest = 20, .largest = 90, .most_change = 1.25, .after = 3});
    std::vector<double> weights;
    for (Index i = 0; weights.size() < 14; ++i) {
        noise.backward(training.model, training.micro_batch(i));
        const auto& tally = training.adam.parameters().tally();
        if (!policy({tally.samples(), tally.micro_batches(), tally.weight(), training.adam.steps()})) { continue; }
        weights.push_back(policy.weight());
        training.adam.parameters().zero_grad();
    }
    // Labels are random, so the gradient is small and the scale is beyond the bounds.
    CHECK(noise.value().value_or(1e9) > 90);
    CHECK(weights[0] == 20);
    CHECK(weights[1] == 20);
    CHECK(weights[2] == 25);
    CHECK(weights[3] == 31.25);
    CHECK(weights.back() == 90);
}

TEST_CASE("AdaptiveBatch: becomes smaller where the noise is small") {
    Training training;
    NoiseScale<float> noise(training.adam.parameters());
    AdaptiveBatch policy(noise, {.smallest = 20, .largest = 100, .most_change = 2, .after = 1});
    policy.set_state(std::vector<std::uint64_t>{gacc::detail::word(80.0)});
    for (int i = 0; i < 9; ++i) { noise.backward(training.model, training.micro_batch(0)); }  // no noise at all
    CHECK(policy({90, 9, 90, 0}));
    CHECK(policy.weight() == 40);
    CHECK_FALSE(policy({30, 3, 30, 1}));
}

TEST_CASE("AdaptiveBatch: says in an audit that it depends on the cut") {
    Training training;
    NoiseScale<float> noise(training.adam.parameters());
    const AdaptiveBatch policy(noise);
    struct Batch {
        Matrix<float> inputs;
        std::vector<gacc::Label> labels;
    };
    const Batch batch{training.inputs, training.labels};
    const auto audit = gacc::audit(training.model, training.loss, batch, 7, training.adam, policy);
    CHECK(audit.same());
    CHECK(audit.notes == std::vector<std::string>{policy.depends_on_cut()});
    CHECK(audit.description().ends_with(
        "The cut changes not one bit of the gradients.\ndepends on the cut: AdaptiveBatch: the size of a batch follows "
        "a noise scale that is measured between micro-batches\n"));
    const auto without = gacc::audit(training.model, training.loss, batch, 7, training.adam);
    CHECK(without.notes.empty());
    CHECK(without.description().ends_with("The cut changes not one bit.\n"));
}

TEST_CASE("AdaptiveBatch: refuses options and states out of range") {
    Training training;
    NoiseScale<float> noise(training.adam.parameters());
    const auto make = [&](AdaptiveBatchOptions options) { return AdaptiveBatch<float>(noise, options); };
    CHECK_THROWS_WITH_AS(make({.smallest = 0}),
                         "gacc: AdaptiveBatch: expected a smallest that is finite and more than 0, got 0",
                         gacc::UsageError);
    CHECK_THROWS_AS(make({.smallest = 64, .largest = 32}), gacc::UsageError);
    CHECK_THROWS_AS(make({.scales = -1}), gacc::UsageError);
    CHECK_THROWS_AS(make({.most_change = 1}), gacc::UsageError);
    CHECK_THROWS_AS(make({.after = 0}), gacc::UsageError);
    auto policy = make({.smallest = 20, .largest = 100});
    CHECK_THROWS_AS(policy.set_state(std::vector<std::uint64_t>{gacc::detail::word(101.0)}), gacc::DataError);
    CHECK_THROWS_AS(policy.set_state(std::vector<std::uint64_t>{}), gacc::DataError);
}

}  // namespace adaptive_batch_test
