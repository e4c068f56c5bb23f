#pragma once

#include <gacc/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The first of `samples` that belongs to lane i of `lanes`, or the end if i is `lanes`. Lanes are as equal as possible;
/// the first ones have a sample more.
inline Index first_of_lane(Index samples, Index i, Index lanes) {
    return samples / lanes * i + std::min(i, samples % lanes);
}

/// A sum in the tree of lanes: that of lanes index * 2^level to (index + 1) * 2^level - 1, as far as there are such.
struct LaneNode {
    Index level = 0, index = 0;
    bool operator==(const LaneNode&) const = default;
};

/// The order in which the sums of lanes are added, one for each number of lanes: neighbours in pairs, then these pairs
/// in pairs, and so on. A sum without a neighbour to its right goes up as it is. With 5 lanes: ((0 + 1) + (2 + 3)) + 4.
///
/// Sums come from left to right. Each is added to its left neighbour as soon as both are there. The others wait.
class LaneTree {
public:
    explicit LaneTree(Index lanes) : lanes_(lanes) {}

    /// Takes the sum right of those before it. Returns how many of the waiting sums are added to it, the last one first.
    /// The result waits from now on.
    Index add(LaneNode node) {
        Index joins = 0;
        node = raised(node);
        while (node.index % 2 == 1 && !waiting_.empty() && waiting_.back() == LaneNode{node.level, node.index - 1}) {
            waiting_.pop_back();
            ++joins;
            node = raised({node.level + 1, node.index / 2});
        }
        waiting_.push_back(node);
        return joins;
    }

    /// The sums that wait, from left to right.
    const std::vector<LaneNode>& waiting() const { return waiting_; }
    void clear() { waiting_.clear(); }

    Index lanes() const { return lanes_; }

private:
    /// The highest node with the same lanes.
    LaneNode raised(LaneNode node) const {
        while (node.index % 2 == 0 && node.index > 0 && !exists({node.level, node.index + 1})) {
            node = {node.level + 1, node.index / 2};
        }
        return node;
    }
    /// A shift by as many places as a number has would not be defined.
    bool exists(const LaneNode& node) const {
        Index first = node.index;
        for (Index level = 0; level < node.level && first < lanes_; ++level) { first *= 2; }
        return first < lanes_;
    }

    Index lanes_;
    std::vector<LaneNode> waiting_;
};

/// The sums that lanes first to last - 1 make by themselves, from left to right.
inline std::vector<LaneNode> sums_of(Index lanes, Index first, Index last) {
    LaneTree tree(lanes);
    for (Index lane = first; lane < last; ++lane) { tree.add({0, lane}); }
    return tree.waiting();
}

/// How many sums wait at most while one of these lanes is being added up.
inline Index most_waiting(Index lanes, Index first, Index last) {
    LaneTree tree(lanes);
    std::size_t most = 0;
    for (Index lane = first; lane < last; ++lane) {
        most = std::max(most, tree.waiting().size());
        tree.add({0, lane});
    }
    return static_cast<Index>(most);
}

}  // namespace gacc::detail
