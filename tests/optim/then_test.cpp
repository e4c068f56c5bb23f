#include <gacc/optim/then.hpp>

#include <doctest/doctest.h>

namespace then_test {

TEST_CASE("then: the first schedule for its steps, then the next one from its step 0") {
    const auto schedule = gacc::then(gacc::Constant(0.5), 2, gacc::LinearDecay(1, 4));
    CHECK(schedule(0) == 0.5);
    CHECK(schedule(1) == 0.5);
    CHECK(schedule(2) == 1);
    CHECK(schedule(3) == 0.75);
    CHECK(schedule(6) == 0);
    static_assert(gacc::Schedule<decltype(schedule)>);
}

TEST_CASE("then: joins what it has joined, and any callable") {
    const auto half = [](gacc::Index) { return 0.5; };
    const auto schedule = gacc::then(half, 1, gacc::then(gacc::Constant(2), 1, gacc::WarmUp(2, gacc::Constant(4))));
    CHECK(schedule(0) == 0.5);
    CHECK(schedule(1) == 2);
    CHECK(schedule(2) == 2);
    CHECK(schedule(3) == 4);
    CHECK(schedule(9) == 4);
}

TEST_CASE("then: a first schedule of no steps is refused") {
    CHECK_THROWS_WITH_AS(gacc::then(gacc::Constant(1), 0, gacc::Constant(2)),
                         "gacc: then: expected 1 or more steps, got 0", gacc::UsageError);
}

}  // namespace then_test
