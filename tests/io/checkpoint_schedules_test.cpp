// With any schedule, the cut changes no bit, and a training that continues in the middle of a batch gives the bytes of one
// that was never stopped.

#include <gacc/io/checkpoint.hpp>

#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"
#include "support/random_samples.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace checkpoint_schedules_test {

using namespace gacc;

namespace {

/// A rate that a training sets before each step. A Plateau measures the loss of each epoch.
template <class Schedule>
struct Rate {
    void measure(double) {}
    double at(Index steps) const { return schedule(steps); }
    Schedule schedule;
};
template <>
struct Rate<Plateau> {
    void measure(double loss) { schedule.measure(loss); }
    double at(Index) const { return schedule.rate(); }
    Plateau schedule;
};

template <class Schedule>
struct Training {
    Training(std::uint64_t seed, const Schedule& schedule)
        : rng(seed), rate{schedule}, adam((model.initialize(rng), model.parameters())), checkpoint(adam, rng, position) {
        if constexpr (Stateful<Schedule>) { checkpoint.keep("schedule", rate.schedule); }
        checkpoint.keep("mean_loss", mean);
    }

    /// Trains with batches of 5, up to `micro_batches` or the end of the third epoch.
    void run(Index micro_batch, int micro_batches = 1000) {
        for (; position.epoch < 3; position.end_epoch()) {
            for (const auto& batch : shuffled_batches(data, {.batch_size = 5}, rng, position)) {
                for (const auto& micro : batch.from(position.sample).micro_batches(micro_batch)) {
                    if (micro_batches-- == 0) { return; }
                    mean.add(loss.forward(model.forward(micro.inputs), micro.labels));
                    model.backward(loss.backward());
                    position.end_micro_batch(micro.size());
                }
                adam.set_learning_rate(rate.at(adam.steps()));
                rates.push_back(adam.options().learning_rate);
                adam.step();
                adam.zero_grad();
                position.end_batch();
            }
            rate.measure(mean.mean());
            mean = MeanLoss();
        }
    }
    std::vector<std::byte> state() { return test::state_of(model.parameters()); }

    TensorDataset<float> data = test::random_samples();
    Rng rng;
    DataPosition position;
    Sequential<float> model{Linear(6, 9), ReLU(), Linear(9, 3)};
    SoftmaxCrossEntropy<float> loss;
    MeanLoss mean;  // of this epoch
    Rate<Schedule> rate;
    Adam<float> adam;
    Checkpoint<float> checkpoint;
    std::vector<double> rates;  // of the steps made
};

/// `changes`: whether the rate does, in these 15 steps.
template <class Schedule>
void check(const Schedule& schedule, bool changes = true) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    Training<Schedule> whole(1, schedule);
    whole.run(2);
    REQUIRE(whole.rates.size() == 15);
    CHECK((std::ranges::count(whole.rates, whole.rates[0]) < 15) == changes);
    for (const Index micro_batch : {1, 3, 5}) {
        Training<Schedule> other(1, schedule);
        other.run(micro_batch);
        CHECK(other.rates == whole.rates);
        CHECK(other.state() == whole.state());
    }
    for (const int micro_batches : {0, 1, 2, 14, 16, 30, 40}) {  // an epoch has 14, a batch up to 3
        CAPTURE(micro_batches);
        Training<Schedule> stopped(1, schedule), resumed(2, schedule);
        stopped.run(2, micro_batches);
        stopped.checkpoint.save(path);
        resumed.checkpoint.load(path);
        resumed.run(2);
        CHECK(resumed.state() == whole.state());
        stopped.rates.insert(stopped.rates.end(), resumed.rates.begin(), resumed.rates.end());
        CHECK(stopped.rates == whole.rates);
    }
    struct Batch {
        Matrix<float> inputs;
        std::vector<Label> labels;
    };
    Rng rng(1);
    const Batch batch{test::random_matrix<float>(rng, 5, 6), {0, 1, 2, 1, 0}};
    const auto audit = gacc::audit(whole.model, whole.loss, batch, 2, whole.adam, schedule);
    CHECK(audit.same());
    CHECK(audit.notes.empty());
}

}  // namespace

TEST_CASE("Schedules: Constant does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(Constant(0.01), false);
}
TEST_CASE("Schedules: LinearDecay does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(LinearDecay(0.05, 12));
}
TEST_CASE("Schedules: CosineDecay does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(CosineDecay(0.05, 12, 0.001));
}
TEST_CASE("Schedules: WarmUp does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(WarmUp(6, Constant(0.05)));
}
TEST_CASE("Schedules: StepDecay does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(StepDecay(0.05, 4, 0.5));
}
TEST_CASE("Schedules: OneCycle does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(OneCycle(0.05, 15));
}
TEST_CASE("Schedules: Plateau does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(Plateau(0.05, {.factor = 0.5, .patience = 0, .threshold = 0.9}));
}
TEST_CASE("Schedules: what then() joins does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check(then(Constant(0.02), 4, LinearDecay(0.05, 9)));
}
TEST_CASE("Schedules: a callable does not depend on the cut and goes on in the middle of a batch, to the bit") {
    check([](Index step) { return step % 2 == 0 ? 0.05 : 0.01; });
}

}  // namespace checkpoint_schedules_test
