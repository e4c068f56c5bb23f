#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI {

/// How the samples of a batch become one gradient. The first is right for every cut. The others are for comparisons
/// with other training loops.
enum class Reduction {
    /// (sum of w_i grad_i) / (sum of w_i) over all samples i of the batch; w_i = 1 unless weights are given.
    mean_over_samples,
    /// The mean of the means of the micro-batches: a sample in a small micro-batch counts more.
    mean_of_micro_batch_means,
    /// The sum of the means of the micro-batches, never divided, as in the well-known notebook loop. It grows with
    /// their number.
    sum_of_micro_batch_means,
};

/// The content of a model's gradient buffers, and so the divisor of a step. After a step, the buffers must not be added
/// to or used for another step. After a backward pass that threw, they hold parts of a micro-batch. zero_grad() ends
/// both states.
class GradientTally {
public:
    /// The step divides the gradients by this.
    double weight() const { return weight_; }
    Index samples() const { return samples_; }
    Index micro_batches() const { return micro_batches_; }
    bool empty() const { return micro_batches_ == 0; }

    /// Samples of this batch that a forward pass for training has seen, those left out afterwards too; and the batches
    /// begun before it. Random numbers of training are drawn by them and by the seed.
    Index seen() const { return seen_; }
    Index batches() const { return batches_; }
    void see(Index samples) { seen_ += samples; }
    /// The next sample is number `seen` of the batch.
    void set_seen(Index seen) { seen_ = seen; }
    std::uint64_t seed() const { return seed_; }
    void set_seed(std::uint64_t seed) { seed_ = seed; }

    /// The tally after zero_grad(): nothing is held, and a batch that was begun has ended.
    GradientTally emptied() const {
        GradientTally next = before_training();
        next.batches_ = batches_ + (seen_ > 0 ? 1 : 0);
        return next;
    }
    /// As before the first batch, with the same seed.
    GradientTally before_training() const {
        GradientTally first;
        first.seed_ = seed_;
        return first;
    }

    /// The same gradients, in a model that has the seed and has seen the samples and batches that another tally says.
    GradientTally with_seen(const GradientTally& other) const {
        GradientTally next = *this;
        next.seed_ = other.seed_;
        next.seen_ = other.seen_;
        next.batches_ = other.batches_;
        return next;
    }

    /// Notes that the gradients are those of some lanes alone (Lanes). No step may follow until they are joined.
    void mark_lane(bool is_lane) { lane_ = is_lane; }
    bool lane() const { return lane_; }

    /// Adds the counts and the weight of other gradients that have been added to these.
    ///
    /// Throws     UsageError if they were reduced in another way
    void join(const GradientTally& other) {
        if (other.empty()) { return; }
        check_reduction("join", other.reduction_);
        reduction_ = other.reduction_;
        weight_ = reduction_ == Reduction::sum_of_micro_batch_means ? std::max(weight_, other.weight_)
                                                                    : weight_ + other.weight_;
        samples_ += other.samples_;
        micro_batches_ += other.micro_batches_;
    }

    /// Notes that a step was made with these gradients. (A batch of weight 0 makes no step.)
    void mark_stepped() { stepped_ = true; }
    bool stepped() const { return stepped_; }

    /// Notes that only some parameters may have the gradients of a micro-batch.
    void mark_partial() { partial_ = true; }
    bool partial() const { return partial_; }

    /// The reason why neither a backward pass nor a step may follow, for an error; null if they may.
    const char* obstacle() const {
        if (partial_) {
            return "expected the gradients of whole micro-batches, got parts of one whose backward threw; call "
                   "zero_grad() and begin the batch again, or load a checkpoint";
        }
        return stepped_ ? "expected zero_grad() after step(), got the gradients of the batch before; call zero_grad() "
                          "after step()"
                        : nullptr;
    }

    /// Counts a micro-batch whose gradients are being added. `weights` are the w_i of its rows of outputs: one for each
    /// sample, if samples have one row. It adds them row by row to the sum so far, so the sum does not depend on the
    /// cut.
    ///
    /// Throws     UsageError if there is an obstacle(), or the gradients held were reduced in another way
    template <class Scalar>
    void add(Reduction reduction, std::span<const Scalar> weights, Index samples) {
        if (const char* expected = obstacle()) { throw UsageError("backward", expected); }
        check_reduction("backward", reduction);
        reduction_ = reduction;
        double own = reduction == Reduction::mean_over_samples ? weight_ : 0;
        for (const Scalar weight : weights) { own += static_cast<double>(weight); }
        switch (reduction) {
            case Reduction::mean_over_samples:
                weight_ = own;
                break;
            case Reduction::mean_of_micro_batch_means:
                weight_ += own > 0 ? 1 : 0;
                break;
            case Reduction::sum_of_micro_batch_means:
                weight_ = own > 0 ? 1 : weight_;
                break;
        }
        samples_ += samples;
        micro_batches_ += 1;
    }

    /// The same if every sample has one row.
    template <class Scalar>
    void add(Reduction reduction, std::span<const Scalar> weights) {
        add(reduction, weights, static_cast<Index>(weights.size()));
    }

    State state() const {
        return {detail::word(weight_), detail::word(samples_), detail::word(micro_batches_),
                static_cast<std::uint64_t>(reduction_) | (stepped_ ? stepped_bit : 0) | (partial_ ? partial_bit : 0),
                detail::word(seen_), detail::word(batches_), seed_};
    }
    void set_state(std::span<const std::uint64_t> words) {
        const auto where = "GradientTally", what = "a tally of gradients";
        detail::check_state(where, words.size() == 7, what);
        const bool stepped = (words[3] & stepped_bit) != 0, partial = (words[3] & partial_bit) != 0;
        const std::uint64_t reduction = words[3] & ~(stepped_bit | partial_bit);
        detail::check_state(where, reduction <= 2, what);
        const double weight = detail::real(words[0]);
        detail::check_state(where, std::isfinite(weight) && weight >= 0 && (weight > 0 || !stepped), what);
        const Index samples = detail::count(where, words[1], what);
        const Index seen = detail::count(where, words[4], what), batches = detail::count(where, words[5], what);
        micro_batches_ = detail::count(where, words[2], what);
        seed_ = words[6];
        seen_ = seen;
        batches_ = batches;
        samples_ = samples;
        weight_ = weight;
        reduction_ = static_cast<Reduction>(reduction);
        stepped_ = stepped;
        partial_ = partial;
        lane_ = false;
    }

private:
    void check_reduction(const char* where, Reduction reduction) const {
        if (!empty() && reduction != reduction_) {
            throw UsageError(where,
                             "expected the reduction of the micro-batches added before, got another one; "
                             "step and zero_grad first");
        }
    }

    /// They share a word with the reduction. Old states, in which the word is the reduction alone, still fit.
    static constexpr std::uint64_t stepped_bit = 4, partial_bit = 8;

    double weight_ = 0;
    Index samples_ = 0;
    Index micro_batches_ = 0;
    Reduction reduction_ = Reduction::mean_over_samples;
    Index seen_ = 0;
    Index batches_ = 0;
    std::uint64_t seed_ = 0;
    bool stepped_ = false;
    bool partial_ = false;
    bool lane_ = false;  // not part of the state: checkpoints refuse it
};

}  // namespace gacc
