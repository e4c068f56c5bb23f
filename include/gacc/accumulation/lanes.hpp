#pragma once

#include <gacc/accumulation/lane_batch.hpp>
#include <gacc/accumulation/lane_tree.hpp>
#include <gacc/core/error.hpp>
#include <gacc/data/batch.hpp>
#include <gacc/parameters/gradient_buffers.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Cuts a batch into lanes whose gradients are added up apart from each other, each from zero, and then joined in pairs.
/// The bits depend on the number of lanes, but not on who computes which lane: one machine, or several (gacc/mpi/). A
/// micro-batch belongs to one lane. Random numbers of training are drawn by the sample's place in the whole batch.
///
/// Memory     log2(lanes) times the gradients, rounded up: the sums that wait for their neighbours. None with one lane,
///            which is the same as no lanes
/// Throws     UsageError if the number of lanes is less than 1, or a batch begins before zero_grad() or ends before its
///            last micro-batch
/// Example    gacc::Lanes lanes(model.parameters(), 8);
///            for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 1024}, rng)) {
///                for (const auto& micro : lanes.of(batch).micro_batches(32)) {
///                    loss.forward(model.forward(micro.inputs), micro.labels);
///                    model.backward(loss.backward());
///                }
///                lanes.join();
///                adam.step();
///                adam.zero_grad();
///            }
template <class Scalar>
class Lanes {
public:
    Lanes(Parameters<Scalar> parameters, Index lanes) : Lanes(std::move(parameters), lanes, 0, lanes) {}
    /// Of `lanes` lanes only lanes first to last - 1: the others are computed elsewhere.
    Lanes(Parameters<Scalar> parameters, Index lanes, Index first, Index last)
        : parameters_(std::move(parameters)), tree_(lanes), first_(first), last_(last) {
        if (lanes < 1) { throw UsageError("Lanes", detail::text("expected 1 or more lanes, got ", lanes)); }
        if (first < 0 || first >= last || last > lanes) {
            throw UsageError("Lanes", detail::text("expected one or more of the ", lanes, " lanes, got those from ",
                                                   first, " to before ", last));
        }
        for (Index i = 0; i < detail::most_waiting(lanes, first, last); ++i) { waiting_.emplace_back(parameters_); }
        detail::LaneTree tree(lanes);
        for (Index lane = first; lane < last; ++lane) { last_joins_ = static_cast<std::size_t>(tree.add({0, lane})); }
    }

    /// The batch, to be cut into micro-batches. A batch with lanes cannot be resumed in its middle.
    template <Dataset Data>
    LaneBatch<Scalar, Data> of(const Batch<Data>& batch) {
        return {*this, batch};
    }

    /// Call it after the last micro-batch of a batch, and before the step. From now on the model has the gradients, the
    /// weight and the count of samples of all lanes.
    void join() {
        check_complete("Lanes::join");
        if (last_ - first_ < lanes()) {
            throw UsageError("Lanes::join", "expected all lanes to be computed here, got a part of them");
        }
        end_batch(parameters_.tally());
    }

    Index lanes() const { return tree_.lanes(); }
    /// The lanes that are computed here: first() to last() - 1.
    Index first() const { return first_; }
    Index last() const { return last_; }

    /// Bytes of the sums that wait.
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const auto& buffers : waiting_) { sum += buffers.bytes(); }
        return sum;
    }

    // What LaneBatch does, for those who cut batches themselves: begin_batch(); for each lane begin_lane(), micro-batches,
    // end_lane(); join().

    void begin_batch(Index samples) {
        if (lanes() > 1 && !parameters_.tally().empty()) {
            throw UsageError("Lanes", "expected no gradients at the start of a batch, got those of a batch before; call "
                                      "step() and zero_grad(), or zero_grad() alone to leave that batch out");
        }
        for (auto& buffers : waiting_) { buffers.clear(); }
        tree_.clear();
        waits_ = 0;
        in_last_ = false;
        samples_ = samples;
        lane_ = first_;
    }
    void begin_lane() {
        if (lanes() == 1) { return; }
        if (lane_ > first_) { waiting_[waits_++].swap(parameters_); }
        GradientTally tally = parameters_.tally();
        tally.set_seen(first_sample(lane_));
        tally.mark_lane(true);
        parameters_.set_tally(tally);
    }
    void end_lane() {
        for (Index joins = tree_.add({0, lane_}); joins > 0; --joins) { waiting_[--waits_].add_to(parameters_); }
        ++lane_;
        in_last_ = false;
    }
    /// The first sample of a lane in the batch.
    Index first_sample(Index lane) const { return detail::first_of_lane(samples_, lane, lanes()); }

    // What those who join lanes of several machines need.

    /// The sums that lanes first() to last() - 1 make by themselves. The last one lies in the model, those before it in
    /// sums(0), sums(1), ...
    const std::vector<detail::LaneNode>& nodes() const { return tree_.waiting(); }
    GradientBuffers<Scalar>& sums(std::size_t i) { return waiting_[i]; }
    Index samples() const { return samples_; }

    /// Whether the last micro-batch of the last lane has begun.
    bool in_last_micro_batch() const { return in_last_; }
    void begin_last_micro_batch() { in_last_ = true; }
    /// Joins gradient buffer i of the model, that of `parameter`, with those that wait, before the last lane has ended:
    /// nothing more is added to it. Does nothing after that.
    void join_early(Parameter<Scalar>& parameter, std::size_t i) {
        if (!in_last_) { return; }
        for (std::size_t join = 1; join <= last_joins_; ++join) { waiting_[waits_ - join].add_to(parameter, i); }
    }

    /// Throws     UsageError unless all lanes here have ended
    void check_complete(const char* where) const {
        if (lane_ == last_) { return; }
        throw UsageError(where, detail::text("expected the micro-batches of all lanes, got those of ",
                                             std::max(lane_ - first_, Index{0}), " of ", last_ - first_,
                                             "; go through all of them before"));
    }
    /// The model has the gradients of all lanes, with this tally.
    void end_batch(GradientTally tally) {
        if (lanes() > 1) {
            tally.set_seen(samples_);
            tally.mark_lane(false);
            parameters_.set_tally(tally);
        }
        lane_ = first_ - 1;  // of no batch
    }

private:
    Parameters<Scalar> parameters_;
    detail::LaneTree tree_;
    Index first_, last_;                            // lanes computed here
    std::vector<GradientBuffers<Scalar>> waiting_;  // sums that wait for a neighbour, from left to right
    std::size_t waits_ = 0;                         // so many do
    std::size_t last_joins_ = 0;                    // so many joins follow the last lane
    bool in_last_ = false;                          // the last micro-batch of the last lane has begun
    Index samples_ = 0;                             // of the batch
    Index lane_ = -1;                               // the one that is or will be added up
};

}  // namespace gacc
