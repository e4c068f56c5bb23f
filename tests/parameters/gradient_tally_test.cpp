#include <gacc/parameters/gradient_tally.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace gradient_tally_test {

using gacc::GradientTally;
using gacc::Reduction;

namespace {

void add(GradientTally& tally, Reduction reduction, const std::vector<double>& sample_weights) {
    tally.add(reduction, std::span(sample_weights));
}

}  // namespace

TEST_CASE("GradientTally: holds nothing at first") {
    const GradientTally tally;
    CHECK(tally.empty());
    CHECK(tally.weight() == 0);
    CHECK(tally.samples() == 0);
    CHECK(tally.micro_batches() == 0);
}

TEST_CASE("GradientTally: counts samples and micro-batches of any size") {
    GradientTally tally;
    add(tally, Reduction::mean_over_samples, {1, 1, 1});
    add(tally, Reduction::mean_over_samples, {1, 1});
    CHECK_FALSE(tally.empty());
    CHECK(tally.weight() == 5);
    CHECK(tally.samples() == 5);
    CHECK(tally.micro_batches() == 2);
}

TEST_CASE("GradientTally: takes weights in float too") {
    GradientTally tally;
    const std::vector<float> weights{0.25F, 2};
    tally.add(Reduction::mean_over_samples, std::span(weights));
    CHECK(tally.weight() == 2.25);
}

TEST_CASE("GradientTally: adds weights in double, also those that are float") {
    GradientTally tally;
    tally.add<float>(Reduction::mean_over_samples, std::vector<float>{0x1p24F, 1, 1});
    CHECK(tally.weight() == 0x1p24 + 2);
    tally.add<float>(Reduction::mean_over_samples, std::vector<float>{1});
    CHECK(tally.weight() == 0x1p24 + 3);
}

TEST_CASE("GradientTally: the mean over samples divides by the weights, counting samples of weight 0") {
    GradientTally tally;
    add(tally, Reduction::mean_over_samples, {0.5, 0, 2});
    add(tally, Reduction::mean_over_samples, {0.25});
    CHECK(tally.weight() == 2.75);
    CHECK(tally.samples() == 4);
}

TEST_CASE("GradientTally: the mean over samples has the same bits for every cut") {
    std::vector<double> weights;
    for (int i = 1; i <= 30; ++i) { weights.push_back(0.1 * i); }
    double whole = 0;
    for (const double weight : weights) { whole += weight; }

    for (std::size_t at_most = 1; at_most <= weights.size(); ++at_most) {
        GradientTally tally;
        for (std::size_t first = 0; first < weights.size(); first += at_most) {
            const std::size_t size = std::min(at_most, weights.size() - first);
            tally.add(Reduction::mean_over_samples, std::span(std::as_const(weights)).subspan(first, size));
        }
        CAPTURE(at_most);
        CHECK(tally.weight() == whole);
    }
}

TEST_CASE("GradientTally: the mean of means divides by the micro-batches that weigh anything") {
    GradientTally tally;
    add(tally, Reduction::mean_of_micro_batch_means, {1, 1, 1});
    add(tally, Reduction::mean_of_micro_batch_means, {0.5});
    add(tally, Reduction::mean_of_micro_batch_means, {0, 0});
    CHECK(tally.weight() == 2);
    CHECK(tally.samples() == 6);
    CHECK(tally.micro_batches() == 3);
}

TEST_CASE("GradientTally: the sum of means is never divided") {
    GradientTally tally;
    add(tally, Reduction::sum_of_micro_batch_means, {0, 0});
    CHECK(tally.weight() == 0);  // nothing for a step yet
    add(tally, Reduction::sum_of_micro_batch_means, {1, 1, 1});
    add(tally, Reduction::sum_of_micro_batch_means, {1});
    add(tally, Reduction::sum_of_micro_batch_means, {0});
    CHECK(tally.weight() == 1);
    CHECK(tally.samples() == 7);
}

TEST_CASE("GradientTally: two reductions in one batch are refused and change nothing") {
    GradientTally tally;
    add(tally, Reduction::mean_over_samples, {1, 1});
    CHECK_THROWS_WITH_AS(add(tally, Reduction::mean_of_micro_batch_means, {1}),
                         "gacc: backward: expected the reduction of the micro-batches added before, got another one; "
                         "step and zero_grad first",
                         gacc::UsageError);
    CHECK(tally.weight() == 2);
    CHECK(tally.samples() == 2);
    CHECK(tally.micro_batches() == 1);
    CHECK_NOTHROW(add(tally, Reduction::mean_over_samples, {1}));
}

TEST_CASE("GradientTally: a new batch may be reduced in another way") {
    GradientTally tally;
    add(tally, Reduction::mean_over_samples, {1, 1});
    tally = GradientTally();
    add(tally, Reduction::mean_of_micro_batch_means, {1, 1});
    CHECK(tally.weight() == 1);
}

TEST_CASE("GradientTally: after a step, or a backward that threw, nothing may be added until it is new") {
    GradientTally stepped, partial;
    add(stepped, Reduction::mean_over_samples, {1, 1});
    partial = stepped;
    CHECK(stepped.obstacle() == nullptr);
    stepped.mark_stepped();
    partial.mark_partial();
    CHECK_THROWS_WITH_AS(add(stepped, Reduction::mean_over_samples, {1}),
                         "gacc: backward: expected zero_grad() after step(), got the gradients of the batch before; "
                         "call zero_grad() after step()",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(add(partial, Reduction::mean_over_samples, {1}),
                         "gacc: backward: expected the gradients of whole micro-batches, got parts of one whose "
                         "backward threw; call zero_grad() and begin the batch again, or load a checkpoint",
                         gacc::UsageError);
    CHECK(stepped.weight() == 2);
    stepped = GradientTally();
    CHECK_NOTHROW(add(stepped, Reduction::mean_over_samples, {1}));
}

TEST_CASE("GradientTally: its state says whether a step was made, in a word that it had before") {
    GradientTally tally, restored;
    add(tally, Reduction::sum_of_micro_batch_means, {1, 1});
    CHECK(tally.state() == gacc::State{gacc::detail::word(1.0), 2, 1, 2, 0, 0, 0});
    tally.mark_stepped();
    CHECK(tally.state() == gacc::State{gacc::detail::word(1.0), 2, 1, 2 | 4, 0, 0, 0});
    restored.set_state(tally.state());
    CHECK(restored.stepped());
    CHECK_FALSE(restored.partial());
    CHECK(restored.state() == tally.state());
    restored.set_state(gacc::State{gacc::detail::word(1.0), 2, 1, 2, 0, 0, 0});
    CHECK_FALSE(restored.stepped());
    GradientTally partial;
    partial.mark_partial();
    restored.set_state(partial.state());
    CHECK(restored.partial());

    const auto refused = [&](const gacc::State& state) {
        const auto before = restored.state();
        CHECK_THROWS_AS(restored.set_state(state), gacc::DataError);
        CHECK(restored.state() == before);
    };
    refused({gacc::detail::word(1.0), 2, 1, 3 | 4, 0, 0, 0});
    refused({gacc::detail::word(1.0), 2, 1, 16, 0, 0, 0});
    refused({gacc::detail::word(0.0), 2, 1, 4, 0, 0, 0});  // a step divides by a weight
}

TEST_CASE("GradientTally: counts the samples that were seen and the batches begun, and keeps them") {
    GradientTally tally;
    tally.see(3);
    tally.see(4);
    CHECK(tally.seen() == 7);
    CHECK(tally.batches() == 0);
    GradientTally next = tally.emptied();
    CHECK(next.seen() == 0);
    CHECK(next.batches() == 1);
    CHECK(next.empty());
    CHECK(next.emptied().batches() == 1);  // no batch was begun
    next.see(2);
    GradientTally restored;
    restored.set_state(next.state());
    CHECK(restored.seen() == 2);
    CHECK(restored.batches() == 1);
}

TEST_CASE("GradientTally: keeps the seed of training from batch to batch, and saves it") {
    GradientTally tally, restored;
    tally.set_seed(7);
    tally.see(3);
    add(tally, Reduction::mean_over_samples, {1, 1, 1});
    CHECK(tally.emptied().seed() == 7);
    GradientTally first;
    first.set_seed(7);
    CHECK(tally.before_training().state() == first.state());
    restored.set_state(tally.state());
    CHECK(restored.seed() == 7);
}

TEST_CASE("GradientTally: the tally of other gradients is added as each reduction asks") {
    const auto joined = [](Reduction reduction, const std::vector<double>& left, const std::vector<double>& right) {
        GradientTally one, other;
        add(one, reduction, left);
        add(other, reduction, right);
        one.join(other);
        CHECK(one.samples() == 4);
        CHECK(one.micro_batches() == 2);
        return one.weight();
    };
    CHECK(joined(Reduction::mean_over_samples, {1, 2}, {0.5, 4}) == 7.5);
    CHECK(joined(Reduction::mean_of_micro_batch_means, {1, 2}, {0.5, 4}) == 2);
    CHECK(joined(Reduction::mean_of_micro_batch_means, {1, 2}, {0, 0}) == 1);
    CHECK(joined(Reduction::sum_of_micro_batch_means, {1, 2}, {0.5, 4}) == 1);
    CHECK(joined(Reduction::sum_of_micro_batch_means, {0, 0}, {0, 0}) == 0);

    GradientTally one, other, empty;
    one.set_seen(5);
    one.join(empty);
    CHECK(one.empty());
    add(other, Reduction::mean_of_micro_batch_means, {1});
    one.join(other);
    CHECK(one.weight() == 1);
    CHECK(one.seen() == 5);
    add(empty, Reduction::mean_over_samples, {1});
    CHECK_THROWS_WITH_AS(one.join(empty),
                         "gacc: join: expected the reduction of the micro-batches added before, got another one; step and "
                         "zero_grad first",
                         gacc::UsageError);
    CHECK(one.samples() == 1);
}

TEST_CASE("GradientTally: that the gradients are those of some lanes ends with the batch, and with a state") {
    GradientTally tally;
    CHECK_FALSE(tally.lane());
    tally.mark_lane(true);
    CHECK(tally.lane());
    CHECK_FALSE(tally.emptied().lane());
    const auto state = tally.state();
    tally.set_state(state);
    CHECK_FALSE(tally.lane());
}

TEST_CASE("GradientTally: rows may weigh, and samples of several rows are counted as samples") {
    GradientTally tally;
    const std::vector<float> weights{1, 1, 0, 1, 0, 0};
    tally.add(Reduction::mean_over_samples, std::span(weights), 2);
    CHECK(tally.weight() == 3);
    CHECK(tally.samples() == 2);
}

}  // namespace gradient_tally_test
