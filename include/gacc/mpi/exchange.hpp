#pragma once

#include <gacc/accumulation/lanes.hpp>
#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/kernels/addition.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/mpi/controls.hpp>
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
          joins_(lanes, ranks_), messages_(session), controls_(rank_, ranks_), arrived_sums_(joins_.sums(), nullptr) {
        constexpr Index unit = gacc::detail::Simd<Scalar>::panel_width;
        std::vector<Extent> of_values, of_gradients;
        std::map<const Parameter<Scalar>*, Extent> extents;
        Index numbers = 0;
        for (const auto& parameter : trained_) {
            of_values.push_back({numbers, static_cast<Index>(parameter.stored_values().size())});
            extents[&parameter] = of_values.back();
            numbers += of_values.back().count;
        }
        for (auto& parameter : parameters_.with_gradients()) {
            with_gradients_.push_back(&parameter);
            of_gradients.push_back(extents.at(&parameter.owner()));
        }
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

    /// Begins the first half: the gradients of these values are final, and so are those of all lanes before.
    ///
    /// Throws     UsageError if they were final before, or there are none
    void send(Lanes<Scalar>& lanes, const Parameter<Scalar>& parameter) {
        if (!begun_) { begin(lanes); }
        bool found = false;
        for (std::size_t i = 0; i < buffers(); ++i) {
            if (&with_gradients_[i]->owner() != &parameter || ended_[i]) { continue; }
            ended_[i] = found = true;
        }
        if (!found) {
            throw UsageError("DataParallel::ready", "expected one backward of the group's model in the last micro-batch, "
                                                    "got another one");
        }
        send_ended(lanes);
        messages_.progress();
    }
    /// Whether the first half has begun and has not ended.
    bool begun() const { return begun_; }

    /// The first half: the own slice of the model's gradients becomes the sum of all ranks. Returns the tally of all.
    ///
    /// `words` must be the same on all ranks: they describe the batch. `check` is called with the words of each rank.
    template <class Check>
    GradientTally sum_up(Lanes<Scalar>& lanes, State words, const Check& check) {
        if (!begun_) { begin(lanes); }
        controls_.exchange(messages_, joins_, parameters_, lanes, std::move(words));
        ended_.assign(buffers(), true);
        send_ended(lanes);
        messages_.wait();
        begun_ = false;
        for (Index rank = 0; rank < ranks_; ++rank) { check(rank, controls_.words_of(rank)); }
        join();
        messages_.count_exchange();
        return controls_.tally(joins_);
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
    const std::vector<Piece>& pieces(Index rank) const { return pieces_[static_cast<std::size_t>(rank)]; }
    std::size_t buffers() const { return with_gradients_.size(); }
    bool is_own(std::size_t sum) const { return sum >= joins_.first_sum(rank_) && sum < joins_.first_sum(rank_ + 1); }

    /// Where the buffers of the own sums lie: those that wait in the lanes, and the last one in the model.
    void find_own(Lanes<Scalar>& lanes) {
        own_.clear();
        for (std::size_t sum = 0; sum + 1 < joins_.sums(rank_); ++sum) {
            std::size_t i = 0;
            while (i < with_gradients_.size()) { own_.push_back(lanes.sums(sum).grads(i++).data()); }
        }
        for (auto* parameter : with_gradients_) { own_.push_back(parameter->grad_storage().data()); }
    }
    Scalar* own(std::size_t sum, const Piece& piece) const {
        return own_[(sum - joins_.first_sum(rank_)) * buffers() + piece.buffer] + piece.first;
    }
    Scalar* model(const Piece& piece) const { return own(joins_.first_sum(rank_ + 1) - 1, piece); }

    /// Prepares to receive the sums of others in the own slice. Each rank sends in the same order: the last buffer first, as
    /// the backward pass ends them.
    void begin(Lanes<Scalar>& lanes) {
        find_own(lanes);
        Scalar* to = arrived_.data();
        for (Index rank = 0; rank < ranks_; ++rank) {
            if (rank == rank_) { continue; }
            for (std::size_t sum = joins_.first_sum(rank); sum < joins_.first_sum(rank + 1); ++sum) {
                arrived_sums_[sum] = to;
                to += numbers_in(pieces(rank_));
            }
        }
        Index offset = numbers_in(pieces(rank_));
        for (std::size_t i = pieces(rank_).size(); i-- > 0;) {
            const Piece& piece = pieces(rank_)[i];
            offset -= piece.count;
            for (Index rank = 0; rank < ranks_; ++rank) {
                if (rank == rank_) { continue; }
                for (std::size_t sum = joins_.first_sum(rank); sum < joins_.first_sum(rank + 1); ++sum) {
                    messages_.receive(rank, gradients,
                                      std::span(arrived_sums_[sum] + offset, static_cast<std::size_t>(piece.count)));
                }
            }
        }
        ended_.assign(buffers(), false);
        next_ = buffers();
        begun_ = true;
    }
    /// Sends the own sums of buffers that have ended, each slice to its rank.
    void send_ended(Lanes<Scalar>& lanes) {
        for (; next_ > 0 && ended_[next_ - 1]; --next_) {
            auto& parameter = *with_gradients_[next_ - 1];
            parameter.materialize_grads();
            lanes.join_early(parameter, next_ - 1);
            for (Index rank = 0; rank < ranks_; ++rank) {
                if (rank == rank_) { continue; }
                for (const Piece& piece : pieces(rank)) {
                    if (piece.buffer != next_ - 1) { continue; }
                    for (std::size_t sum = joins_.first_sum(rank_); sum < joins_.first_sum(rank_ + 1); ++sum) {
                        messages_.send(rank, gradients,
                                       std::span<const Scalar>(own(sum, piece), static_cast<std::size_t>(piece.count)));
                    }
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
    Controls controls_;
    std::vector<Parameter<Scalar>*> with_gradients_;
    std::vector<Index> first_;                // of each rank's slice
    std::vector<std::vector<Piece>> pieces_;  // of each rank's slice of the gradients
    std::vector<std::vector<Piece>> value_pieces_;
    Buffer<Scalar> arrived_;                  // the own slice of the sums of others, one after the other
    std::vector<Scalar*> arrived_sums_;       // where each sum begins there; null for the own ones
    std::vector<Scalar*> own_;                // the buffers of the own sums
    std::vector<char> ended_;                 // of each buffer: whether its sums are final
    std::size_t next_ = 0;                    // buffers from this one on are sent
    bool begun_ = false;
};

}  // namespace gacc::mpi::detail
