#include <gacc/optim/step_decay.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <iterator>

#include "optim/pytorch_schedules.hpp"

namespace step_decay_test {

using gacc::Index;
using gacc::StepDecay;

TEST_CASE("StepDecay: falls in stairs") {
    const StepDecay schedule(0.5, 3, 0.25);
    for (const Index step : {0, 1, 2}) { CHECK(schedule(step) == 0.5); }
    for (const Index step : {3, 4, 5}) { CHECK(schedule(step) == 0.125); }
    CHECK(schedule(6) == 0.03125);
    CHECK(StepDecay(0.5, 3, 1)(100) == 0.5);
}

TEST_CASE("StepDecay: has the rates of PyTorch's StepLR") {
    const StepDecay halves(0.25, 7, 0.5), tenths(0.25, 4);
    for (Index step = 0; step < std::ssize(gacc::test::pytorch::step_decay); ++step) {
        CHECK(halves(step) == gacc::test::pytorch::step_decay[step]);
        // PyTorch multiplies again and again, so its last digits differ.
        CHECK(std::abs(tenths(step) / gacc::test::pytorch::step_decay_tenth[step] - 1) < 2e-15);
    }
}

TEST_CASE("StepDecay: what cannot be is refused") {
    CHECK_THROWS_WITH_AS(StepDecay(-1, 3), "gacc: StepDecay: expected a learning rate of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(StepDecay(1, 0), "gacc: StepDecay: expected 1 or more steps, got 0", gacc::UsageError);
    CHECK_THROWS_WITH_AS(StepDecay(1, 3, 0), "gacc: StepDecay: expected a factor above 0, at most 1, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(StepDecay(1, 3, 1.5), "gacc: StepDecay: expected a factor above 0, at most 1, got 1.5",
                         gacc::UsageError);
}

}  // namespace step_decay_test
