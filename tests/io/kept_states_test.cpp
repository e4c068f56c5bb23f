#include <gacc/io/kept_states.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kept_states_test {

using gacc::State;
using gacc::detail::KeptStates;

/// Keeps one number up to `most`; loses the last bit of odd ones.
struct Even {
    std::uint64_t number = 0, most = 100;

    State state() const { return {number}; }
    void set_state(std::span<const std::uint64_t> words) {
        if (words[0] > most) { throw gacc::DataError("Even", "expected a small number, got a large one"); }
        number = words[0] & ~std::uint64_t{1};
    }
};

TEST_CASE("KeptStates: states come and go in the order in which they were added") {
    Even a{2}, b{4};
    KeptStates kept;
    kept.add("b", b);
    kept.add("a", a);
    CHECK(kept.has("a"));
    CHECK_FALSE(kept.has("c"));
    CHECK(kept.begin()->name == "b");
    CHECK(kept.states() == std::vector<State>{{4}, {2}});
    kept.set_states({{8}, {6}}, "here");
    CHECK(a.number == 6);
    CHECK(b.number == 8);
}

TEST_CASE("KeptStates: all are set or none") {
    Even a{2}, b{4}, c{6};
    KeptStates kept;
    kept.add("a", a);
    kept.add("b", b);
    kept.add("c", c);
    const std::vector<State> before = kept.states();
    CHECK_THROWS_WITH_AS(kept.set_states({{8}, {10}, {200}}, "here"),
                         "gacc: here: expected states that fit, got \"gacc: Even: expected a small number, got a large "
                         "one\"",
                         gacc::CheckpointError);
    CHECK(kept.states() == before);
    CHECK_THROWS_WITH_AS(kept.set_states({{8}, {10}, {13}}, "here"),
                         "gacc: here: expected states that fit, got \"gacc: c: expected set_state() to set all that "
                         "state() gives, got other words\"",
                         gacc::CheckpointError);
    CHECK(kept.states() == before);
}

TEST_CASE("KeptStates: an exception of another kind passes, and all is as before") {
    Even a{2};
    KeptStates kept;
    kept.add("a", a);
    kept.add({"b", [] { return State{1}; }, [](std::span<const std::uint64_t>) { throw 7; }});
    CHECK_THROWS_AS(kept.set_states({{8}, {1}}, "here"), int);
    CHECK(a.number == 2);
}

}  // namespace kept_states_test
