#include <gacc/core/state.hpp>

#include <gacc/core/random.hpp>
#include <gacc/data/position.hpp>
#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/train/metrics.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <span>
#include <vector>

namespace state_test {

using namespace gacc;

static_assert(Stateful<Rng> && Stateful<GradientTally> && Stateful<DataPosition> && Stateful<MeanLoss>);
static_assert(!Stateful<int> && !Stateful<std::vector<int>>);

TEST_CASE("Rng: goes on from any state as the one that it was taken from") {
    for (int drawn = 0; drawn < 9; ++drawn) {
        Rng rng(7);
        for (int i = 0; i < drawn; ++i) { rng(); }
        Rng other(1);
        other();
        other.set_state(rng.state());
        for (int i = 0; i < 9; ++i) { CHECK(other() == rng()); }
    }
    Rng rng(7);
    CHECK_THROWS_WITH_AS(rng.set_state(State{1}), "gacc: Rng: expected the state of a generator, got other words",
                         DataError);
}

TEST_CASE("GradientTally: goes on from any state as the one that it was taken from") {
    const std::vector<float> weights{0.5F, 2, 0.25F};
    for (const Reduction reduction :
         {Reduction::mean_over_samples, Reduction::mean_of_micro_batch_means, Reduction::sum_of_micro_batch_means}) {
        GradientTally tally, other;
        tally.add<float>(reduction, weights);
        other.set_state(tally.state());
        tally.add<float>(reduction, weights);
        other.add<float>(reduction, weights);
        CHECK(other.state() == tally.state());
        CHECK(other.weight() == tally.weight());
        CHECK(other.samples() == 6);
        CHECK(other.micro_batches() == 2);
        const Reduction another = reduction == Reduction::mean_over_samples ? Reduction::mean_of_micro_batch_means
                                                                            : Reduction::mean_over_samples;
        CHECK_THROWS_AS(other.add<float>(another, weights), UsageError);
    }
}

TEST_CASE("GradientTally: words that are no tally are an error, and change nothing") {
    GradientTally tally;
    tally.add<float>(Reduction::mean_over_samples, std::vector<float>{1, 2});
    const State before = tally.state();
    const auto refuses = [&](std::size_t i, std::uint64_t word) {
        State words = before;
        words[i] = word;
        CHECK_THROWS_WITH_AS(tally.set_state(words),
                             "gacc: GradientTally: expected the state of a tally of gradients, got other words",
                             DataError);
        CHECK(tally.state() == before);
    };
    refuses(0, detail::word(-1.0));
    refuses(0, detail::word(std::numeric_limits<double>::infinity()));
    refuses(0, detail::word(std::numeric_limits<double>::quiet_NaN()));
    refuses(1, detail::word(Index{-1}));
    refuses(2, detail::word(Index{-1}));
    refuses(3, 3);
    CHECK_THROWS_AS(tally.set_state(std::span(before).first(3)), DataError);
}

TEST_CASE("MeanLoss: goes on from any state as the one that it was taken from") {
    const std::vector<float> losses{0.1F, 0.2F}, weights{1, 1};
    const LossValue<float> value{.sum = 0, .weight = 2, .losses = losses, .weights = weights};
    MeanLoss mean, other;
    mean.add(value);
    other.set_state(mean.state());
    mean.add(value);
    other.add(value);
    CHECK(other.mean() == mean.mean());
    CHECK_THROWS_AS(mean.set_state(State{1, 2, 3}), DataError);
}

}  // namespace state_test
