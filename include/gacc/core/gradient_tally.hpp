#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/types.hpp>

#include <cmath>
#include <cstdint>
#include <span>

namespace gacc::inline GACC_ABI {

/// How the samples of a batch become one gradient. The first is right for every cut; the others are there to compare
/// with loops written elsewhere.
enum class Reduction {
    /// (sum of w_i grad_i) / (sum of w_i) over all samples i of the batch, w_i = 1 unless weights are given.
    mean_over_samples,
    /// The plain mean of each micro-batch's own mean: a sample in a small micro-batch counts for more.
    mean_of_micro_batch_means,
    /// The same means added up and never divided, as the well-known notebook loop does: grows with their number.
    sum_of_micro_batch_means,
};

/// What the gradient buffers of a model hold, and so what a step must divide by.
class GradientTally {
public:
    /// The step divides the gradients by this.
    double weight() const { return weight_; }
    Index samples() const { return samples_; }
    Index micro_batches() const { return micro_batches_; }
    bool empty() const { return micro_batches_ == 0; }

    /// Counts one micro-batch whose gradients are being added; `sample_weights` are the w_i of its samples.
    /// The sum runs sample by sample from what is there, so that it does not know where the batch was cut.
    ///
    /// Throws     UsageError if the gradients held were reduced in another way
    template <class Scalar>
    void add(Reduction reduction, std::span<const Scalar> sample_weights) {
        if (!empty() && reduction != reduction_) {
            throw UsageError("backward",
                             "expected the reduction of the micro-batches added before, got another one; "
                             "step and zero_grad first");
        }
        reduction_ = reduction;
        double own = reduction == Reduction::mean_over_samples ? weight_ : 0;
        for (const Scalar weight : sample_weights) { own += static_cast<double>(weight); }
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
        samples_ += static_cast<Index>(sample_weights.size());
        micro_batches_ += 1;
    }

    State state() const {
        return {detail::word(weight_), detail::word(samples_), detail::word(micro_batches_),
                static_cast<std::uint64_t>(reduction_)};
    }
    void set_state(std::span<const std::uint64_t> words) {
        const auto where = "GradientTally", what = "a tally of gradients";
        detail::check_state(where, words.size() == 4 && words[3] <= 2, what);
        const double weight = detail::real(words[0]);
        detail::check_state(where, std::isfinite(weight) && weight >= 0, what);
        const Index samples = detail::count(where, words[1], what);
        micro_batches_ = detail::count(where, words[2], what);
        samples_ = samples;
        weight_ = weight;
        reduction_ = static_cast<Reduction>(words[3]);
    }

private:
    double weight_ = 0;
    Index samples_ = 0;
    Index micro_batches_ = 0;
    Reduction reduction_ = Reduction::mean_over_samples;
};

}  // namespace gacc
