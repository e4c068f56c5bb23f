#include <gacc/optim/schedule.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace schedule_test {

using gacc::Constant;
using gacc::CosineDecay;
using gacc::Index;
using gacc::LinearDecay;
using gacc::WarmUp;

TEST_CASE("Constant: is the same at every step") {
    CHECK(Constant(0.5)(0) == 0.5);
    CHECK(Constant(0.5)(1000000) == 0.5);
    CHECK(Constant(0)(3) == 0);
}

TEST_CASE("LinearDecay: falls in a straight line from the learning rate to 0") {
    const LinearDecay schedule(0.5, 4);
    CHECK(schedule(0) == 0.5);
    CHECK(schedule(1) == 0.375);
    CHECK(schedule(2) == 0.25);
    CHECK(schedule(3) == 0.125);
    CHECK(schedule(4) == 0);
}

TEST_CASE("LinearDecay: stays at 0 after its last step") {
    const LinearDecay schedule(0.5, 4);
    CHECK(schedule(5) == 0);
    CHECK(schedule(1000000) == 0);
}

TEST_CASE("LinearDecay: less than one step is an error") {
    CHECK_NOTHROW(LinearDecay(0.5, 1));
    CHECK_THROWS_WITH_AS(LinearDecay(0.5, 0), "gacc: LinearDecay: expected 1 or more steps, got 0", gacc::UsageError);
    CHECK_THROWS_WITH_AS(LinearDecay(0.5, -3), "gacc: LinearDecay: expected 1 or more steps, got -3", gacc::UsageError);
}

TEST_CASE("CosineDecay: falls along half a cosine to its least rate, and stays there") {
    const CosineDecay schedule(0.5, 6, 0.125);
    const double half = (0.5 - 0.125) / 2, middle = 0.125 + half;
    const auto close = [](double a, double b) { return std::abs(a - b) < 1e-15; };
    CHECK(schedule(0) == 0.5);
    CHECK(close(schedule(1), middle + half * std::sqrt(0.75)));
    CHECK(close(schedule(2), middle + half * 0.5));
    CHECK(close(schedule(3), middle));
    CHECK(close(schedule(4), middle - half * 0.5));
    CHECK(close(schedule(5), middle - half * std::sqrt(0.75)));
    CHECK(schedule(6) == 0.125);
    CHECK(schedule(7) == 0.125);
    CHECK(schedule(1000000) == 0.125);
    CHECK(CosineDecay(0.5, 6)(6) == 0);
    CHECK(CosineDecay(0.5, 6, 0.5)(4) == 0.5);
}

TEST_CASE("WarmUp: rises in a straight line to where the next schedule begins, which then follows") {
    const WarmUp schedule(4, LinearDecay(0.5, 2));
    CHECK(schedule(0) == 0.125);
    CHECK(schedule(1) == 0.25);
    CHECK(schedule(2) == 0.375);
    CHECK(schedule(3) == 0.5);
    CHECK(schedule(4) == 0.5);
    CHECK(schedule(5) == 0.25);
    CHECK(schedule(6) == 0);
    CHECK(schedule(7) == 0);
}

TEST_CASE("Schedules: any callable is one, and they go into one another") {
    const auto halves = [](Index steps_made) { return std::ldexp(1.0, -static_cast<int>(steps_made)); };
    const WarmUp schedule(2, halves);
    CHECK(schedule(0) == 0.5);
    CHECK(schedule(1) == 1);
    CHECK(schedule(2) == 1);
    CHECK(schedule(3) == 0.5);
    CHECK(schedule(4) == 0.25);
    const WarmUp twice(2, WarmUp(2, Constant(1)));  // rises to the first rate of a warm-up, which is a half
    CHECK(twice(0) == 0.25);
    CHECK(twice(1) == 0.5);
    CHECK(twice(2) == 0.5);
    CHECK(twice(3) == 1);
    CHECK(twice(9) == 1);
    static_assert(gacc::Schedule<WarmUp<CosineDecay>>);
    static_assert(gacc::Schedule<decltype(halves)>);
    static_assert(!gacc::Schedule<double>);
}

TEST_CASE("Schedules: what cannot be is refused") {
    const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    CHECK_THROWS_WITH_AS(Constant(-1), "gacc: Constant: expected a learning rate of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(LinearDecay(nan, 4), "gacc: LinearDecay: expected a learning rate of 0 or more, got nan",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(CosineDecay(infinity, 4), "gacc: CosineDecay: expected a learning rate of 0 or more, got inf",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(CosineDecay(1, 0), "gacc: CosineDecay: expected 1 or more steps, got 0", gacc::UsageError);
    CHECK_THROWS_WITH_AS(CosineDecay(1, 4, -1), "gacc: CosineDecay: expected a learning rate of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(CosineDecay(1, 4, 2),
                         "gacc: CosineDecay: expected a least rate of at most the learning rate 1, got 2",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(WarmUp(0, Constant(1)), "gacc: WarmUp: expected 1 or more steps, got 0", gacc::UsageError);
}

}  // namespace schedule_test
