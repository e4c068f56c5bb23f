#include <gacc/optim/schedule.hpp>

#include <doctest/doctest.h>

using gacc::LinearDecay;

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
