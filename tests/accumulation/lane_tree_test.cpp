#include <gacc/accumulation/lane_tree.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace lane_tree_test {

using gacc::Index;
using gacc::detail::LaneNode;
using gacc::detail::LaneTree;

namespace {

/// The sum of all lanes as text, if ranks compute lanes first[r] to first[r + 1] - 1 and then join what they have.
std::string sum_of(Index lanes, const std::vector<Index>& first) {
    struct Sum {
        LaneNode node;
        std::string text;
    };
    const auto joined = [lanes](const std::vector<Sum>& sums) {
        LaneTree tree(lanes);
        std::vector<Sum> waiting;
        for (const Sum& sum : sums) {
            std::string text = sum.text;
            for (Index joins = tree.add(sum.node); joins > 0; --joins) {
                text = '(' + waiting.back().text + ' ' + text + ')';
                waiting.pop_back();
            }
            waiting.push_back({{}, text});
        }
        REQUIRE(waiting.size() == tree.waiting().size());
        for (std::size_t i = 0; i < waiting.size(); ++i) { waiting[i].node = tree.waiting()[i]; }
        return waiting;
    };
    std::vector<Sum> sums;
    for (std::size_t rank = 0; rank + 1 < first.size(); ++rank) {
        std::vector<Sum> own;
        for (Index lane = first[rank]; lane < first[rank + 1]; ++lane) { own.push_back({{0, lane}, std::to_string(lane)}); }
        const auto made = joined(own);
        REQUIRE(made.size() == gacc::detail::sums_of(lanes, first[rank], first[rank + 1]).size());
        sums.insert(sums.end(), made.begin(), made.end());
    }
    const auto all = joined(sums);
    REQUIRE(all.size() == 1);
    return all.front().text;
}

}  // namespace

TEST_CASE("LaneTree: neighbours are joined in pairs, and pairs in pairs") {
    CHECK(sum_of(1, {0, 1}) == "0");
    CHECK(sum_of(2, {0, 2}) == "(0 1)");
    CHECK(sum_of(3, {0, 3}) == "((0 1) 2)");
    CHECK(sum_of(5, {0, 5}) == "(((0 1) (2 3)) 4)");
    CHECK(sum_of(7, {0, 7}) == "(((0 1) (2 3)) ((4 5) 6))");
    CHECK(sum_of(8, {0, 8}) == "(((0 1) (2 3)) ((4 5) (6 7)))");
}

TEST_CASE("LaneTree: the sum is the same whoever computes which lanes") {
    for (Index lanes = 1; lanes <= 10; ++lanes) {
        const std::string expected = sum_of(lanes, {0, lanes});
        for (unsigned cut = 0; cut < 1U << (lanes - 1); ++cut) {
            std::vector<Index> first{0};
            for (Index lane = 1; lane < lanes; ++lane) {
                if ((cut >> (lane - 1) & 1U) != 0) { first.push_back(lane); }
            }
            first.push_back(lanes);
            REQUIRE(sum_of(lanes, first) == expected);
        }
    }
    CHECK(sum_of(1000, {0, 333, 334, 999, 1000}) == sum_of(1000, {0, 1000}));
}

TEST_CASE("LaneTree: the sums that a part of the lanes makes, and how many wait at most") {
    using gacc::detail::most_waiting, gacc::detail::sums_of;
    CHECK(sums_of(8, 0, 8) == std::vector<LaneNode>{{3, 0}});
    CHECK(sums_of(8, 2, 5) == std::vector<LaneNode>{{1, 1}, {0, 4}});
    CHECK(sums_of(8, 5, 8) == std::vector<LaneNode>{{0, 5}, {1, 3}});
    CHECK(sums_of(5, 4, 5) == std::vector<LaneNode>{{2, 1}});
    CHECK(most_waiting(1, 0, 1) == 0);
    CHECK(most_waiting(2, 0, 2) == 1);
    CHECK(most_waiting(8, 0, 8) == 3);
    CHECK(most_waiting(9, 0, 9) == 3);
    CHECK(most_waiting(1024, 0, 1024) == 10);
    CHECK(most_waiting(8, 1, 8) == 4);  // 1, 2 + 3, 4 + 5 and 6, while 7 is added up
}

TEST_CASE("LaneTree: samples are shared out over the lanes as equally as possible") {
    using gacc::detail::first_of_lane;
    std::vector<Index> first;
    for (Index lane = 0; lane <= 4; ++lane) { first.push_back(first_of_lane(10, lane, 4)); }
    CHECK(first == std::vector<Index>{0, 3, 6, 8, 10});
    CHECK(first_of_lane(2, 1, 4) == 1);
    CHECK(first_of_lane(2, 3, 4) == 2);
}

}  // namespace lane_tree_test
