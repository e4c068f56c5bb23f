#include <gacc/optim/plateau.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <iterator>
#include <limits>

#include "optim/pytorch_schedules.hpp"

namespace plateau_test {

using gacc::Index;
using gacc::Plateau;

TEST_CASE("Plateau: falls after more measurements without progress than its patience") {
    Plateau plateau(1, {.factor = 0.5, .patience = 1, .threshold = 0.1});
    CHECK(plateau.rate() == 1);
    plateau.measure(10);
    plateau.measure(9.5);  // less than a tenth
    CHECK(plateau.rate() == 1);
    plateau.measure(9.5);
    CHECK(plateau.rate() == 0.5);
    plateau.measure(8);
    plateau.measure(8);
    CHECK(plateau.rate() == 0.5);
    plateau.measure(std::numeric_limits<double>::quiet_NaN());
    CHECK(plateau.rate() == 0.25);
}

TEST_CASE("Plateau: never falls below its least rate, nor rises to it") {
    Plateau plateau(1, {.factor = 0.5, .patience = 0, .least = 0.4}), low(0.1, {.patience = 0, .least = 0.4});
    for (int i = 0; i < 9; ++i) {
        plateau.measure(1);
        low.measure(1);
    }
    CHECK(plateau.rate() == 0.4);
    CHECK(low.rate() == 0.1);
}

TEST_CASE("Plateau: has the rates of PyTorch's ReduceLROnPlateau") {
    Plateau plateau(0.25, {.factor = 0.5, .patience = 2});
    Plateau cooling(0.25, {.factor = 0.3, .patience = 1, .threshold = 0.01, .cooldown = 3, .least = 0.01});
    for (Index i = 0; i < std::ssize(gacc::test::pytorch::plateau); ++i) {
        plateau.measure(gacc::test::pytorch::plateau_losses[i]);
        cooling.measure(gacc::test::pytorch::plateau_losses[i]);
        CHECK(plateau.rate() == gacc::test::pytorch::plateau[i]);
        CHECK(cooling.rate() == gacc::test::pytorch::plateau_cooldown[i]);
    }
}

TEST_CASE("Plateau: goes on from its state") {
    const gacc::PlateauOptions options{.factor = 0.5, .patience = 2, .cooldown = 1};
    Plateau whole(0.25, options);
    for (Index i = 0; i < std::ssize(gacc::test::pytorch::plateau_losses); ++i) {
        Plateau resumed(9, options);
        resumed.set_state(whole.state());
        CHECK(resumed.state() == whole.state());
        whole.measure(gacc::test::pytorch::plateau_losses[i]);
        resumed.measure(gacc::test::pytorch::plateau_losses[i]);
        CHECK(resumed.state() == whole.state());
    }
    gacc::State wrong = whole.state();
    wrong[1] = gacc::detail::word(std::numeric_limits<double>::quiet_NaN());
    const gacc::State before = whole.state();
    CHECK_THROWS_WITH_AS(whole.set_state(wrong),
                         "gacc: Plateau: expected the state of a learning rate that falls on plateaus, got other words",
                         gacc::DataError);
    CHECK_THROWS_AS(whole.set_state(gacc::State{1, 2, 3}), gacc::DataError);
    wrong = before;
    wrong[0] = gacc::detail::word(-1.0);
    CHECK_THROWS_AS(whole.set_state(wrong), gacc::DataError);
    CHECK(whole.state() == before);
    static_assert(gacc::Stateful<Plateau>);
}

TEST_CASE("Plateau: what cannot be is refused") {
    CHECK_THROWS_WITH_AS(Plateau(-1), "gacc: Plateau: expected a learning rate of 0 or more, got -1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(Plateau(1, {.factor = 1}),
                         "gacc: Plateau: expected a factor above 0 and less than 1, got 1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(Plateau(1, {.patience = -1}), "gacc: Plateau: expected a patience of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(Plateau(1, {.threshold = 1}),
                         "gacc: Plateau: expected a threshold from 0 up to, not including, 1, got 1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(Plateau(1, {.cooldown = -1}), "gacc: Plateau: expected a cooldown of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(Plateau(1, {.least = -1}), "gacc: Plateau: expected a least rate of 0 or more, got -1",
                         gacc::UsageError);
}

}  // namespace plateau_test
