#pragma once

#include <gacc/accumulation/lanes.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/types.hpp>
#include <gacc/mpi/lane_joins.hpp>
#include <gacc/mpi/messages.hpp>
#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/parameters/parameters.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// What ranks tell each other about a batch beside its gradients: words that describe it, and the tallies of their sums.
class Controls {
public:
    Controls(Index rank, Index ranks) : rank_(rank), ranks_(ranks), all_(static_cast<std::size_t>(ranks)) {}

    /// Sends the own words and tallies to all others, and receives theirs; messages.wait() must follow. All ranks have
    /// equally many words.
    template <class Scalar>
    void exchange(Messages& messages, const LaneJoins& joins, const Parameters<Scalar>& parameters, Lanes<Scalar>& lanes,
                  State words) {
        words_ = words.size();
        for (std::size_t sum = 0; sum < joins.sums(rank_); ++sum) {
            const bool last = sum + 1 == joins.sums(rank_);
            const State tally = last ? parameters.tally().state() : lanes.sums(sum).tally().state();
            words.insert(words.end(), tally.begin(), tally.end());
        }
        of(rank_) = std::move(words);
        for (Index rank = 0; rank < ranks_; ++rank) {
            if (rank == rank_) { continue; }
            of(rank).resize(words_ + tally_words * joins.sums(rank));
            messages.receive(rank, control, std::span(of(rank)));
            messages.send(rank, control, std::span<const std::uint64_t>(of(rank_)));
        }
    }

    std::span<const std::uint64_t> words_of(Index rank) { return std::span(of(rank)).first(words_); }
    /// The tally of all sums.
    GradientTally tally(const LaneJoins& joins) {
        std::vector<GradientTally> tallies;
        for (const State& words : all_) {
            for (std::size_t at = words_; at < words.size(); at += tally_words) {
                tallies.emplace_back().set_state(std::span(words).subspan(at, tally_words));
            }
        }
        for (const auto& [to, from] : joins.joins()) { tallies[to].join(tallies[from]); }
        return tallies.front();
    }

private:
    static constexpr std::size_t tally_words = 7;

    State& of(Index rank) { return all_[static_cast<std::size_t>(rank)]; }

    Index rank_, ranks_;
    std::size_t words_ = 0;   // of each rank, before the tallies of its sums
    std::vector<State> all_;  // of each rank
};

}  // namespace gacc::mpi::detail
