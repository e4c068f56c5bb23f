#include <gacc/accumulation/batch_schedule.hpp>

#include <doctest/doctest.h>

namespace batch_schedule_test {

using gacc::Accumulated;
using gacc::BatchSchedule;
using gacc::BatchWarmUp;
using gacc::Index;

TEST_CASE("BatchWarmUp: grows in a straight line and then stays") {
    const BatchWarmUp samples({.first = 32, .last = 132, .steps = 50});
    CHECK(samples(0) == 32);
    CHECK(samples(1) == 34);
    CHECK(samples(25) == 82);
    CHECK(samples(49) == 130);
    CHECK(samples(50) == 132);
    CHECK(samples(100'000) == 132);
    CHECK(BatchWarmUp({.first = 1, .last = 1'000'000'000, .steps = 1'000'000'000})(999'999'999) == 999'999'999);
}

TEST_CASE("BatchSchedule: asks for the samples of the step that comes next") {
    const BatchSchedule policy(BatchWarmUp({.first = 10, .last = 20, .steps = 10}));
    CHECK_FALSE(policy(Accumulated{.samples = 9, .steps = 0}));
    CHECK(policy(Accumulated{.samples = 10, .steps = 0}));
    CHECK_FALSE(policy(Accumulated{.samples = 12, .steps = 3}));
    CHECK(policy(Accumulated{.samples = 14, .steps = 3}));
    CHECK(policy.samples_at(3) == 13);
    const BatchSchedule by_hand([](Index step) { return step < 2 ? 4 : 8; });
    static_assert(gacc::AccumulationPolicy<decltype(by_hand)>);
    CHECK(by_hand(Accumulated{.samples = 4, .steps = 1}));
    CHECK_FALSE(by_hand(Accumulated{.samples = 7, .steps = 2}));
}

TEST_CASE("BatchWarmUp: refuses numbers that make no batch") {
    CHECK_THROWS_WITH_AS(BatchWarmUp({.first = 64, .last = 32, .steps = 10}),
                         "gacc: BatchWarmUp: expected first, last and steps from 1 to 1000000000, and last not less "
                         "than first, got 64, 32 and 10",
                         gacc::UsageError);
    CHECK_THROWS_AS(BatchWarmUp({.first = 0}), gacc::UsageError);
    CHECK_THROWS_AS(BatchWarmUp({.steps = 0}), gacc::UsageError);
}

}  // namespace batch_schedule_test
