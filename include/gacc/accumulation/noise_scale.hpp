#pragma once

#include <gacc/accumulation/gradient_sample.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/parameters/parameters.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

struct NoiseScaleOptions {
    Index one_in = 8;        ///< looks at one in so many of the gradients' numbers, in turn; 1: at all
    double half_life = 100;  ///< batches after which an estimate counts half; infinity: all count alike
};

/// Measures the gradient noise scale while a model is trained: tr(Sigma) / |G|^2, with G the mean gradient over all
/// data and Sigma the covariance of the gradient of one sample. Batches far smaller gain by growing, batches far larger
/// hardly do. It is counted as weights are: in samples, or in tokens for a language model.
///
/// Formula    K micro-batches of weights b_k and mean gradients g_k, B = sum of b_k:
///            q = sum of b_k/B |g_k|^2,  Q = |sum of b_k/B g_k|^2
///            tr(Sigma) = B (q - Q)/(K - 1),  |G|^2 = (K Q - q)/(K - 1)    (both unbiased, for unequal b_k too)
///            Each has a moving average of its own; the noise scale is their ratio. A batch that is one micro-batch
///            gives no estimate
/// Memory     a copy of one in `one_in` of the gradients, since |g_k|^2 is that of a difference of two sums. It reads
///            the sums and changes no bit of them
/// Throws     UsageError if an option is out of its range; from end_batch() if not all micro-batches of the batch came
///            through backward() here, as with several ranks
/// Source     McCandlish et al. 2018, arXiv:1812.06162, appendix A
/// Example    gacc::NoiseScale noise(adam.parameters());
///            ...   noise.backward(model, loss.backward());  // for each micro-batch, in place of model.backward
///            ...   noise.end_batch();  adam.step();  adam.zero_grad();
///            if (const auto scale = noise.value()) { ... }
template <class Scalar>
class NoiseScale {
public:
    explicit NoiseScale(const Parameters<Scalar>& parameters, NoiseScaleOptions options = {})
        : sample_(parameters, checked(options).one_in), keeps_(std::exp2(-1 / options.half_life)) {}

    /// model.backward(loss), measured.
    void backward(Sequential<Scalar>& model, const LossGradient<Scalar>& loss) {
        before_ = sums_;
        const GradientTally before = tally();
        if (before.batches() != sums_.batch) { sums_ = {.batch = before.batches()}; }
        sample_.set_phase(estimates_ % sample_.phases());
        if (!before.empty() && !is_copied_) { sample_.remember(); }
        is_copied_ = false;
        model.backward(loss);
        const double square = before.empty() ? sample_.first_change() : sample_.change();
        is_copied_ = true;
        const double weight = tally().weight() - before.weight();
        ++sums_.micro_batches;
        if (weight > 0) {
            sums_.squares += square / weight;
            sums_.weight += weight;
            ++sums_.counted;
        }
    }
    /// The last micro-batch has left the batch: a NonFiniteGuard has refused its gradients.
    void leave_out() {
        sums_ = before_;
        is_copied_ = false;
    }

    /// Call it before the step. True if the batch gave an estimate.
    bool end_batch() {
        if (sums_.micro_batches != tally().micro_batches()) {
            throw UsageError("NoiseScale::end_batch",
                             detail::text("expected the ", tally().micro_batches(), " micro-batches of the batch to come "
                                          "through NoiseScale::backward, got ", sums_.micro_batches));
        }
        const Sums sums = std::exchange(sums_, {});
        is_copied_ = false;
        if (sums.counted < 2) { return false; }
        const auto count = static_cast<double>(sums.counted);
        const double mean_of_squares = sums.squares / sums.weight;
        const double square_of_mean = sample_.square() / (sums.weight * sums.weight);
        const double trace = sums.weight * (mean_of_squares - square_of_mean) / (count - 1);
        const double square = (count * square_of_mean - mean_of_squares) / (count - 1);
        if (!std::isfinite(trace) || !std::isfinite(square)) { return false; }
        trace_ = keeps_ * trace_ + trace;
        square_ = keeps_ * square_ + square;
        share_ = keeps_ * share_ + 1;
        ++estimates_;
        return true;
    }

    /// tr(Sigma) / |G|^2. Nothing before the first estimate, and while the noise hides the gradient: then the average
    /// of |G|^2 is not positive, and only batches many times larger could tell.
    std::optional<double> value() const {
        if (estimates_ == 0 || !(square_ > 0)) { return {}; }
        return trace_ / square_;
    }
    /// The averages; 0 before the first estimate.
    double trace() const { return estimates_ > 0 ? trace_ / share_ : 0; }
    double gradient_square() const { return estimates_ > 0 ? square_ / share_ : 0; }
    /// Batches that gave an estimate.
    Index estimates() const { return estimates_; }

    /// Bytes of the copy.
    std::size_t state_bytes() const { return sample_.bytes(); }

    /// For a checkpoint, also in the middle of a batch: the copy is made again from the gradients.
    State state() const {
        using detail::word;
        return {word(sums_.squares), word(sums_.weight), word(sums_.counted), word(sums_.micro_batches),
                word(sums_.batch), word(trace_), word(square_), word(share_), word(estimates_)};
    }
    void set_state(std::span<const std::uint64_t> words) {
        const auto where = "NoiseScale", what = "a noise scale";
        detail::check_state(where, words.size() == 9, what);
        for (const std::size_t i : {0, 1, 5, 6, 7}) {
            detail::check_state(where, std::isfinite(detail::real(words[i])), what);
        }
        const Sums sums{detail::real(words[0]), detail::real(words[1]), detail::count(where, words[2], what),
                        detail::count(where, words[3], what), detail::count(where, words[4], what)};
        estimates_ = detail::count(where, words[8], what);
        sums_ = before_ = sums;
        trace_ = detail::real(words[5]);
        square_ = detail::real(words[6]);
        share_ = detail::real(words[7]);
        is_copied_ = false;
    }

private:
    /// Of the micro-batches of a batch so far.
    struct Sums {
        double squares = 0;       // of b_k |g_k|^2
        double weight = 0;        // B
        Index counted = 0;        // K
        Index micro_batches = 0;  // with those of weight 0
        Index batch = 0;          // of the tally
    };

    static const NoiseScaleOptions& checked(const NoiseScaleOptions& options) {
        if (options.one_in < 1 || options.one_in > 1024) {
            throw UsageError("NoiseScale", detail::text("expected a one_in from 1 to 1024, got ", options.one_in));
        }
        if (!(options.half_life > 0)) {
            throw UsageError("NoiseScale",
                             detail::text("expected a half_life larger than 0, got ", options.half_life));
        }
        return options;
    }
    const GradientTally& tally() const { return sample_.parameters().tally(); }

    detail::GradientSample<Scalar> sample_;
    double keeps_;  // the share that stays from batch to batch
    bool is_copied_ = false;
    Sums sums_, before_;  // now, and before the last micro-batch
    double trace_ = 0, square_ = 0, share_ = 0;  // sums whose terms lose weight; share_ of ones
    Index estimates_ = 0;
};

}  // namespace gacc
