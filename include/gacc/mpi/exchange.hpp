#pragma once

#include <gacc/accumulation/lanes.hpp>
#include <gacc/core/buffer.hpp>
#include <gacc/core/state.hpp>
#include <gacc/kernels/addition.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/mpi/lane_joins.hpp>
#include <gacc/mpi/messages.hpp>
#include <gacc/mpi/session.hpp>
#include <gacc/mpi/slices.hpp>
#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// The exchange of a batch, in two halves. First each rank gets, for its slice of the numbers, the sums of all other
/// ranks, and joins them in the order of the tree. Then it sends its slice of the result to all others: of the gradients,
/// or, where it has made its part of the step, of the values.
///
/// Messages   in each half, one for each piece of a slice: ranks - 1, and one more where a parameter ends within a slice.
///            In the first half as many for each sum that a rank's lanes make
/// Memory     the sums of other ranks in the own slice
template <class Scalar>
class Exchange {
public:
    Exchange(Session& session, const Parameters<Scalar>& parameters, Index lanes)
        : parameters_(parameters), trained_(parameters.trained()), rank_(session.rank()), ranks_(session.ranks()),
          joins_(lanes, ranks_), messages_(session) {
        constexpr Index unit = gacc::detail::Simd<Scalar>::panel_width;
        std::vector<Extent> of_values, of_gradients;
        std::map<const Parameter<Scalar>*, Extent> extents;
        Index numbers = 0;
        for (const auto& parameter : trained_) {
            of_values.push_back({numbers, static_cast<Index>(parameter.stored_values().size())});
            extents[&parameter] = of_values.back();
            numbers += of_values.back().count;
        }
        for (const auto& parameter : parameters_.with_gradients()) { of_gradients.push_back(extents.at(&parameter.owner())); }
        const Slices gradient_slices(std::move(of_gradients), numbers, ranks_, unit);
        const Slices value_slices(std::move(of_values), numbers, ranks_, unit);
        for (Index rank = 0; rank < ranks_; ++rank) {
            first_.push_back(value_slices.first(rank));
            pieces_.push_back(gradient_slices.pieces(rank));
            value_pieces_.push_back(value_slices.pieces(rank));
        }
        first_.push_back(numbers);
        const auto others = static_cast<Index>(joins_.sums() - joins_.sums(rank_));
        arrived_ = Buffer<Scalar>(others * numbers_in(pieces(rank_)), memory::Kind::gradients);
    }

    /// The first number of a rank's slice, among all that the trained parameters store; their count for `rank` == ranks.
    Index first(Index rank) const { return first_[static_cast<std::size_t>(rank)]; }
    Index count(Index rank) const { return first(rank + 1) - first(rank); }
    /// first() of all ranks, and the end.
    const std::vector<Index>& slices() const { return first_; }
    Messages& messages() { return messages_; }

    /// The first half: the own slice of the model's gradients becomes the sum of all ranks. Returns the tally of all.
    ///
    /// `words` must be the same on all ranks: they describe the batch. `check` is called with the words of each rank.
    template <class Check>
    GradientTally sum_up(Lanes<Scalar>& lanes, State words, const Check& check) {
        find_own(lanes);
        exchange_controls(lanes, std::move(words));
        send_sums();
        messages_.wait();
        for (Index rank = 0; rank < ranks_; ++rank) { check(rank, words_of(rank)); }
        const GradientTally tally = joined_tally();
        join();
        messages_.count_exchange();
        return tally;
    }

    /// The second half: all gradients become the sums of all ranks.
    void share_gradients() {
        share(pieces_, [this](const Piece& piece) { return model(piece); });
    }
    /// Or: all values become those of the ranks that have updated them.
    void share_values() {
        share(value_pieces_, [this](const Piece& piece) {
            return trained_[piece.buffer].value_storage().data() + piece.first;
        });
    }

    const Traffic& traffic() const { return messages_.traffic(); }
    std::size_t bytes() const { return arrived_.bytes(); }

private:
    static constexpr std::size_t tally_words = 7;

    const std::vector<Piece>& pieces(Index rank) const { return pieces_[static_cast<std::size_t>(rank)]; }
    std::size_t buffers() const { return own_.size() / joins_.sums(rank_); }
    bool is_own(std::size_t sum) const { return sum >= joins_.first_sum(rank_) && sum < joins_.first_sum(rank_ + 1); }

    /// Where the buffers of the own sums lie: those that wait in the lanes, and the last one in the model.
    void find_own(Lanes<Scalar>& lanes) {
        own_.clear();
        for (std::size_t sum = 0; sum + 1 < joins_.sums(rank_); ++sum) {
            std::size_t i = 0;
            for ([[maybe_unused]] auto& parameter : parameters_.with_gradients()) {
                own_.push_back(lanes.sums(sum).grads(i++).data());
            }
        }
        for (auto& parameter : parameters_.with_gradients()) { own_.push_back(parameter.materialize_grads().data()); }
    }
    Scalar* own(std::size_t sum, const Piece& piece) const {
        return own_[(sum - joins_.first_sum(rank_)) * buffers() + piece.buffer] + piece.first;
    }
    Scalar* model(const Piece& piece) const { return own(joins_.first_sum(rank_ + 1) - 1, piece); }

    /// Tells all others the words and the tallies of the own sums.
    void exchange_controls(Lanes<Scalar>& lanes, State words) {
        for (std::size_t sum = 0; sum < joins_.sums(rank_); ++sum) {
            const bool last = sum + 1 == joins_.sums(rank_);
            const State tally = last ? parameters_.tally().state() : lanes.sums(sum).tally().state();
            words.insert(words.end(), tally.begin(), tally.end());
        }
        const std::size_t own_words = words.size() - tally_words * joins_.sums(rank_);
        controls_.resize(static_cast<std::size_t>(ranks_));
        for (Index rank = 0; rank < ranks_; ++rank) {
            controls_[static_cast<std::size_t>(rank)].resize(own_words + tally_words * joins_.sums(rank));
        }
        controls_[static_cast<std::size_t>(rank_)] = std::move(words);
        for (Index rank = 0; rank < ranks_; ++rank) {
            if (rank == rank_) { continue; }
            messages_.receive(rank, control, std::span(controls_[static_cast<std::size_t>(rank)]));
            messages_.send(rank, control, std::span<const std::uint64_t>(controls_[static_cast<std::size_t>(rank_)]));
        }
    }
    std::span<const std::uint64_t> words_of(Index rank) const {
        const State& all = controls_[static_cast<std::size_t>(rank)];
        return std::span(all).first(all.size() - tally_words * joins_.sums(rank));
    }
    GradientTally joined_tally() const {
        std::vector<GradientTally> tallies;
        for (Index rank = 0; rank < ranks_; ++rank) {
            const State& all = controls_[static_cast<std::size_t>(rank)];
            for (std::size_t at = words_of(rank).size(); at < all.size(); at += tally_words) {
                tallies.emplace_back().set_state(std::span(all).subspan(at, tally_words));
            }
        }
        for (const auto& [to, from] : joins_.joins()) { tallies[to].join(tallies[from]); }
        return tallies.front();
    }

    /// Receives the sums of others in the own slice, and sends the own sums, each slice to its rank.
    void send_sums() {
        Scalar* to = arrived_.data();
        arrived_sums_.assign(joins_.sums(), nullptr);
        for (Index rank = 0; rank < ranks_; ++rank) {
            if (rank == rank_) { continue; }
            for (std::size_t sum = joins_.first_sum(rank); sum < joins_.first_sum(rank + 1); ++sum) {
                arrived_sums_[sum] = to;
                for (const Piece& piece : pieces(rank_)) {
                    messages_.receive(rank, gradients, std::span(to, static_cast<std::size_t>(piece.count)));
                    to += piece.count;
                }
            }
            for (std::size_t sum = joins_.first_sum(rank_); sum < joins_.first_sum(rank_ + 1); ++sum) {
                for (const Piece& piece : pieces(rank)) {
                    messages_.send(rank, gradients,
                                   std::span<const Scalar>(own(sum, piece), static_cast<std::size_t>(piece.count)));
                }
            }
        }
    }

    /// Joins all sums in the own slice. The result lies in the model.
    void join() {
        for (const auto& [to, from] : joins_.joins()) {
            Index offset = 0;
            for (const Piece& piece : pieces(rank_)) {
                gacc::detail::add_to(at(to, piece, offset), at(from, piece, offset), piece.count);
                offset += piece.count;
            }
        }
        Index offset = 0;
        for (const Piece& piece : pieces(rank_)) {
            const Scalar* result = at(0, piece, offset);
            if (result != model(piece)) { std::copy_n(result, piece.count, model(piece)); }
            offset += piece.count;
        }
    }
    /// A piece of the own slice, which begins with number `offset` of it.
    Scalar* at(std::size_t sum, const Piece& piece, Index offset) const {
        return is_own(sum) ? own(sum, piece) : arrived_sums_[sum] + offset;
    }

    /// Sends the own pieces to all others, and receives theirs.
    template <class At>
    void share(const std::vector<std::vector<Piece>>& pieces, const At& at) {
        for (Index rank = 0; rank < ranks_; ++rank) {
            if (rank == rank_) { continue; }
            for (const Piece& piece : pieces[static_cast<std::size_t>(rank)]) {
                messages_.receive(rank, values, std::span(at(piece), static_cast<std::size_t>(piece.count)));
            }
            for (const Piece& piece : pieces[static_cast<std::size_t>(rank_)]) {
                messages_.send(rank, values, std::span<const Scalar>(at(piece), static_cast<std::size_t>(piece.count)));
            }
        }
        messages_.wait();
    }

    Parameters<Scalar> parameters_, trained_;
    Index rank_, ranks_;
    LaneJoins joins_;
    Messages messages_;
    std::vector<Index> first_;                // of each rank's slice
    std::vector<std::vector<Piece>> pieces_;  // of each rank's slice of the gradients
    std::vector<std::vector<Piece>> value_pieces_;
    Buffer<Scalar> arrived_;                  // the own slice of the sums of others, one after the other
    std::vector<Scalar*> arrived_sums_;       // where each sum begins there; null for the own ones
    std::vector<Scalar*> own_;                // the buffers of the own sums
    std::vector<State> controls_;             // of each rank: the words, and the tallies of its sums
};

}  // namespace gacc::mpi::detail
