// What every policy promises: the same bytes for any cut in which its batches end with a micro-batch, or a note in audit.
// adaptive_batch_test.cpp resumes all of them in the middle of a batch.

#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace policies_test {

using namespace gacc;

namespace {

constexpr Index samples = 300;  // of an epoch

struct Training {
    Training() {
        Rng rng(1);
        model.initialize(rng);
        inputs = test::random_matrix<float>(rng, samples, 12);
        for (Label& label : labels) { label = static_cast<Label>(rng.below(4)); }
    }

    /// Two epochs. Returns the parameters.
    template <class Policy>
    std::vector<std::byte> run(Policy policy, LastBatch last, Index micro_batch) {
        Accumulator accumulator(adam, policy, last);
        for (int epoch = 0; epoch < 2; ++epoch) {
            for (Index first = 0; first < samples; first += micro_batch) {
                const auto part = std::span(labels).subspan(static_cast<std::size_t>(first),
                                                            static_cast<std::size_t>(micro_batch));
                loss.forward(model.forward(inputs.middleRows(first, micro_batch)), part);
                model.backward(loss.backward());
                accumulator.update();
            }
            accumulator.end_epoch();
        }
        return test::values_of(model.parameters());
    }

    Sequential<float> model{Linear(12, 16), ReLU(), Linear(16, 4)};
    SoftmaxCrossEntropy<float> loss;
    Adam<float> adam{model.parameters()};
    Matrix<float> inputs;
    std::vector<Label> labels = std::vector<Label>(static_cast<std::size_t>(samples));
};

template <class Policy>
std::vector<std::string> notes(const Policy& policy) {
    Training training;
    struct Batch {
        Matrix<float> inputs;
        std::vector<Label> labels;
    };
    const auto audit = gacc::audit(training.model, training.loss,
                                   Batch{training.inputs.topRows(20), {training.labels.begin(), training.labels.begin() + 20}},
                                   7, training.adam, policy);
    CHECK(audit.same());
    return audit.notes;
}

}  // namespace

TEST_CASE("Policies: EverySamples, EveryWeight, BatchSchedule and a callable that counts samples do not depend on the cut") {
    const auto same = [](const auto& policy) {
        CHECK(notes(policy).empty());
        for (const LastBatch last : {LastBatch::step, LastBatch::drop, LastBatch::carry_over}) {
            const auto expected = Training().run(policy, last, 60);
            for (const Index micro_batch : {1, 4, 20, 30}) { CHECK(Training().run(policy, last, micro_batch) == expected); }
        }
    };
    same(EverySamples(120));
    same(EveryWeight(120));
    same(BatchSchedule([](Index step) { return step < 2 ? 60 : 120; }));
    same(BatchSchedule(BatchWarmUp({.first = 60, .last = 180, .steps = 2})));
    same([](const Accumulated& held) { return held.samples >= (held.steps < 1 ? 180 : 120); });
}

TEST_CASE("Policies: what becomes of the last batch of an epoch changes the training") {
    const auto run = [](LastBatch last) { return Training().run(EverySamples(120), last, 60); };
    CHECK(run(LastBatch::step) != run(LastBatch::drop));
    CHECK(run(LastBatch::step) != run(LastBatch::carry_over));
    CHECK(run(LastBatch::drop) != run(LastBatch::carry_over));
}

TEST_CASE("EveryMicroBatches: says in an audit that it depends on the cut") {
    const auto run = [](Index micro_batch) { return Training().run(EveryMicroBatches(2), LastBatch::step, micro_batch); };
    CHECK(run(30) != run(60));
    CHECK(notes(EveryMicroBatches(4)) ==
          std::vector<std::string>{
              "EveryMicroBatches: a batch is a number of micro-batches, so its samples follow the cut"});
}

}  // namespace policies_test
