#include <gacc/optim/one_cycle.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <iterator>
#include <limits>

#include "optim/pytorch_schedules.hpp"

namespace one_cycle_test {

using gacc::Index;
using gacc::OneCycle;

TEST_CASE("OneCycle: rises from its first rate to the largest, and falls to its last, where it stays") {
    const OneCycle schedule(1, 12, {.rise = 0.5, .first = 0.25, .last = 0.125});  // the top is at step 5
    const auto close = [](double a, double b) { return std::abs(a - b) < 1e-15; };
    CHECK(close(schedule(0), 0.25));
    CHECK(close(schedule(5), 1));
    CHECK(close(schedule(8), 0.125 + 0.875 / 2));  // half way from 5 to 11
    CHECK(schedule(11) == 0.125);
    CHECK(schedule(12) == 0.125);
    CHECK(schedule(1000000) == 0.125);
}

TEST_CASE("OneCycle: has the rates of PyTorch's OneCycleLR") {
    const OneCycle schedule(0.25, 30), other(2, 12, {.rise = 0.5, .first = 0.1, .last = 0.001});
    for (Index step = 0; step < std::ssize(gacc::test::pytorch::one_cycle); ++step) {
        CHECK(std::abs(schedule(step) - gacc::test::pytorch::one_cycle[step]) < 1e-16);
    }
    for (Index step = 0; step < std::ssize(gacc::test::pytorch::one_cycle_short); ++step) {
        CHECK(std::abs(other(step) - gacc::test::pytorch::one_cycle_short[step]) < 1e-15);
    }
}

TEST_CASE("OneCycle: a rise of less than a step begins at the top") {
    const OneCycle schedule(1, 4, {.rise = 0.25, .first = 0.5, .last = 0});
    CHECK(schedule(0) == 1);
    CHECK(schedule(1) < 1);
    CHECK(schedule(3) == 0);
}

TEST_CASE("OneCycle: what cannot be is refused") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS(OneCycle(-1, 9), "gacc: OneCycle: expected a learning rate of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(OneCycle(1, 1), "gacc: OneCycle: expected 2 or more steps, got 1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(OneCycle(1, 9, {.rise = 1}),
                         "gacc: OneCycle: expected a rise above 0 and less than 1, got 1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(OneCycle(1, 9, {.first = 2}), "gacc: OneCycle: expected a first share from 0 to 1, got 2",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(OneCycle(1, 9, {.last = nan}), "gacc: OneCycle: expected a last share from 0 to 1, got nan",
                         gacc::UsageError);
}

}  // namespace one_cycle_test
