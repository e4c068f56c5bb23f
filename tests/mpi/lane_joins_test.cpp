#include <gacc/mpi/lane_joins.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace lane_joins_test {

using gacc::Index;
using gacc::mpi::detail::LaneJoins;

namespace {

/// The sum of all lanes as text: "((0 1) 2)".
std::string sum_of(Index lanes, Index ranks) {
    const LaneJoins joins(lanes, ranks);
    std::vector<std::string> sums;
    for (Index rank = 0; rank < ranks; ++rank) {
        REQUIRE(sums.size() == joins.first_sum(rank));
        gacc::detail::LaneTree tree(lanes);
        std::vector<std::string> waiting;
        for (Index lane = joins.first_lane(rank); lane < joins.first_lane(rank + 1); ++lane) {
            std::string sum = std::to_string(lane);
            for (Index join = tree.add({0, lane}); join > 0; --join) {
                sum = '(' + waiting.back() + ' ' + sum + ')';
                waiting.pop_back();
            }
            waiting.push_back(sum);
        }
        REQUIRE(waiting.size() == joins.sums(rank));
        sums.insert(sums.end(), waiting.begin(), waiting.end());
    }
    REQUIRE(sums.size() == joins.sums());
    for (const auto& [to, from] : joins.joins()) { sums[to] = '(' + sums[to] + ' ' + sums[from] + ')'; }
    return sums.front();
}

}  // namespace

TEST_CASE("LaneJoins: any number of ranks makes the same sum") {
    CHECK(sum_of(5, 1) == "(((0 1) (2 3)) 4)");
    for (const Index lanes : {1, 2, 3, 5, 8, 12, 13, 64}) {
        for (Index ranks = 1; ranks <= lanes; ++ranks) { REQUIRE(sum_of(lanes, ranks) == sum_of(lanes, 1)); }
    }
}

TEST_CASE("LaneJoins: ranks that divide the lanes into whole subtrees send one sum each") {
    for (const Index ranks : {1, 2, 4, 8}) { CHECK(LaneJoins(8, ranks).sums() == static_cast<std::size_t>(ranks)); }
    const LaneJoins three(8, 3);  // lanes 0 and 1; 2 to 4; 5 to 7
    CHECK(three.sums(0) == 1);
    CHECK(three.sums(1) == 2);
    CHECK(three.sums(2) == 2);
}

}  // namespace lane_joins_test
