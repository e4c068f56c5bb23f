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
#include <vector>

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
///            gives no estimate. With lanes, q is added up lane by lane, and then in the order of lanes: any number of
///            ranks gives the same bits
/// Memory     a copy of one in `one_in` of the gradients, since |g_k|^2 is that of a difference of two sums. It reads
///            the sums and changes no bit of them
/// Throws     UsageError if an option is out of its range; from end_batch() if not all micro-batches of the batch came
///            through backward(). Several ranks call their group's end_batch(noise) instead
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
        const GradientTally before = tally();
        if (before.batches() != std::exchange(batch_, before.batches())) { lanes_.clear(); }
        if (lanes_.empty() || (before.empty() && lanes_.back().micro_batches > 0)) { lanes_.emplace_back(); }
        Sums& sums = lanes_.back();
        before_ = sums;
        sample_.set_phase(estimates_ % sample_.phases());
        if (!before.empty() && !is_copied_) { sample_.remember(); }
        is_copied_ = false;
        model.backward(loss);
        const double square = before.empty() ? sample_.first_change() : sample_.change();
        is_copied_ = true;
        const double weight = tally().weight() - before.weight();
        ++sums.micro_batches;
        if (weight > 0) {
            sums.squares += square / weight;
            sums.weight += weight;
            ++sums.counted;
        }
    }
    /// The last micro-batch has left the batch: a NonFiniteGuard has refused its gradients.
    void leave_out() {
        if (!lanes_.empty()) { lanes_.back() = before_; }
        is_copied_ = false;
    }

    /// Call it before the step. True if the batch gave an estimate.
    bool end_batch() { return end_batch(lanes(), sample().square()); }

    // What several machines need of which each has some of the lanes and some of the gradients (gacc/mpi/).

    /// Of the micro-batches of a lane.
    struct Sums {
        double squares = 0;       ///< of b_k |g_k|^2
        double weight = 0;        ///< of b_k
        Index counted = 0;        ///< those with a weight
        Index micro_batches = 0;  ///< all
    };
    /// Those of the lanes of this batch that have begun, in their order. Without lanes, a batch is one.
    std::span<const Sums> lanes() const {
        return tally().batches() == batch_ ? std::span<const Sums>(lanes_) : std::span<const Sums>();
    }
    /// The numbers at which it looks in this batch.
    detail::GradientSample<Scalar>& sample() {
        sample_.set_phase(estimates_ % sample_.phases());
        return sample_;
    }
    /// end_batch() with the sums of all lanes, and with sample().square() of the gradients of all lanes.
    bool end_batch(std::span<const Sums> lanes, double square_of_sum) {
        const Sums sums = added(lanes);
        if (sums.micro_batches != tally().micro_batches()) {
            throw UsageError("NoiseScale::end_batch",
                             detail::text("expected the ", tally().micro_batches(), " micro-batches of the batch to come "
                                          "through NoiseScale::backward, got ", sums.micro_batches));
        }
        lanes_.clear();
        batch_ = tally().batches();
        is_copied_ = false;
        if (sums.counted < 2) { return false; }
        const auto count = static_cast<double>(sums.counted);
        const double mean_of_squares = sums.squares / sums.weight;
        const double square_of_mean = square_of_sum / (sums.weight * sums.weight);
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
        const Sums sums = added(lanes_);  // of one lane, where a checkpoint can be in the middle of a batch
        return {word(sums.squares), word(sums.weight), word(sums.counted), word(sums.micro_batches),
                word(batch_), word(trace_), word(square_), word(share_), word(estimates_)};
    }
    void set_state(std::span<const std::uint64_t> words) {
        const auto where = "NoiseScale", what = "a noise scale";
        detail::check_state(where, words.size() == 9, what);
        for (const std::size_t i : {0U, 1U, 5U, 6U, 7U}) {
            detail::check_state(where, std::isfinite(detail::real(words[i])), what);
        }
        const Sums sums{detail::real(words[0]), detail::real(words[1]), detail::count(where, words[2], what),
                        detail::count(where, words[3], what)};
        const Index batch = detail::count(where, words[4], what);
        estimates_ = detail::count(where, words[8], what);
        batch_ = batch;
        before_ = sums;
        lanes_.assign(1, sums);
        trace_ = detail::real(words[5]);
        square_ = detail::real(words[6]);
        share_ = detail::real(words[7]);
        is_copied_ = false;
    }

private:
    static Sums added(std::span<const Sums> lanes) {
        Sums sum;
        for (const Sums& lane : lanes) {
            sum.squares += lane.squares;
            sum.weight += lane.weight;
            sum.counted += lane.counted;
            sum.micro_batches += lane.micro_batches;
        }
        return sum;
    }
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
    Index batch_ = 0;          // of the tally
    std::vector<Sums> lanes_;  // of this batch
    Sums before_;              // those of the last lane, before the last micro-batch
    double trace_ = 0, square_ = 0, share_ = 0;  // sums whose terms lose weight; share_ of ones
    Index estimates_ = 0;
};

}  // namespace gacc
