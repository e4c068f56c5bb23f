#pragma once

#include <gacc/accumulation/lane_tree.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>

#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// Which lanes each rank computes, the sums that they make there, and the order in which these are joined.
///
/// Ranks have neighbouring lanes, as equally many as possible. The sums of all ranks have numbers, from left to right.
/// All ranks join them in the same order, each within its slice.
class LaneJoins {
public:
    /// Sum number `to` becomes the sum of both.
    struct Join {
        std::size_t to, from;
        bool operator==(const Join&) const = default;
    };

    LaneJoins(Index lanes, Index ranks) : lanes_(lanes), ranks_(ranks) {
        gacc::detail::LaneTree tree(lanes);
        std::vector<std::size_t> waiting;
        std::size_t sums = 0;
        for (Index rank = 0; rank < ranks; ++rank) {
            first_sum_.push_back(sums);
            for (const auto& node : gacc::detail::sums_of(lanes, first_lane(rank), first_lane(rank + 1))) {
                std::size_t sum = sums++;
                for (Index joins = tree.add(node); joins > 0; --joins) {
                    joins_.push_back({waiting.back(), sum});
                    sum = waiting.back();
                    waiting.pop_back();
                }
                waiting.push_back(sum);
            }
        }
        first_sum_.push_back(sums);
    }

    /// The first lane of a rank, or the end for `rank` == ranks.
    Index first_lane(Index rank) const { return gacc::detail::share(lanes_, rank, ranks_); }
    /// The number of the first sum of a rank, or the end for `rank` == ranks.
    std::size_t first_sum(Index rank) const { return first_sum_[static_cast<std::size_t>(rank)]; }
    std::size_t sums(Index rank) const { return first_sum(rank + 1) - first_sum(rank); }
    std::size_t sums() const { return first_sum_.back(); }
    /// After these, sum 0 is that of all lanes.
    const std::vector<Join>& joins() const { return joins_; }

private:
    Index lanes_, ranks_;
    std::vector<std::size_t> first_sum_;  // of each rank
    std::vector<Join> joins_;
};

}  // namespace gacc::mpi::detail
