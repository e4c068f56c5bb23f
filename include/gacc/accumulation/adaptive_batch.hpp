#pragma once

#include <gacc/accumulation/noise_scale.hpp>
#include <gacc/accumulation/policy.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace gacc::inline GACC_ABI {

struct AdaptiveBatchOptions {
    double smallest = 32;       ///< weight of a batch: samples, or tokens of a language model
    double largest = 1024;      ///< likewise
    double scales = 1;          ///< the batch moves towards this times the noise scale
    double most_change = 1.05;  ///< the factor by which a batch is at most larger or smaller than the one before
    Index after = 20;           ///< estimates of the noise scale before the first change
};

/// Steps as soon as a weight is held that follows the measured noise scale, within bounds. It starts with the smallest
/// batch. The micro-batches must go through NoiseScale::backward, and must be smaller than the smallest batch: a batch
/// that is one micro-batch measures nothing.
///
/// What it measures depends on the micro-batches. So, unlike with the other policies, the cut changes the batches, and
/// with them the result: audit() says so if it is given the policy. A resumed run is still the same bits.
///
/// Throws     UsageError if an option is out of its range
/// Example    gacc::NoiseScale noise(adam.parameters());
///            gacc::Accumulator accumulator(adam, gacc::AdaptiveBatch(noise, {.smallest = 64, .largest = 4096}));
///            ...   noise.backward(model, loss.backward());  accumulator.update();
///            checkpoint.keep("noise_scale", noise);  checkpoint.keep("policy", accumulator.policy());
template <class Scalar>
class AdaptiveBatch {
public:
    explicit AdaptiveBatch(NoiseScale<Scalar>& noise, AdaptiveBatchOptions options = {})
        : noise_(&noise), options_(checked(options)), weight_(options.smallest) {}

    bool operator()(const Accumulated& held) {
        if (held.weight < weight_) { return false; }
        if (noise_->end_batch() && noise_->estimates() >= options_.after) { move(); }
        return true;
    }

    /// Of the next batch: it steps as soon as so much is held.
    double weight() const { return weight_; }

    /// Why another cut gives another result, for audit().
    static const char* depends_on_cut() {
        return "AdaptiveBatch: the size of a batch follows a noise scale that is measured between micro-batches";
    }

    State state() const { return {detail::word(weight_)}; }
    void set_state(std::span<const std::uint64_t> words) {
        detail::check_state("AdaptiveBatch", words.size() == 1, "an adaptive batch");
        const double weight = detail::real(words[0]);
        detail::check_state("AdaptiveBatch", weight >= options_.smallest && weight <= options_.largest,
                            "an adaptive batch with these bounds");
        weight_ = weight;
    }

private:
    static const AdaptiveBatchOptions& checked(const AdaptiveBatchOptions& options) {
        const auto& [smallest, largest, scales, most_change, after] = options;
        const auto refuse = [](const char* expected, double got) {
            throw UsageError("AdaptiveBatch", detail::text("expected ", expected, ", got ", got));
        };
        if (!(smallest > 0 && std::isfinite(smallest))) { refuse("a smallest that is finite and more than 0", smallest); }
        if (!(largest >= smallest && std::isfinite(largest))) { refuse("a largest that is not less than smallest", largest); }
        if (!(scales > 0 && std::isfinite(scales))) { refuse("a scales that is finite and more than 0", scales); }
        if (!(most_change > 1 && std::isfinite(most_change))) { refuse("a most_change of more than 1", most_change); }
        if (after < 1) { refuse("an after of 1 or more", static_cast<double>(after)); }
        return options;
    }
    /// While the noise hides the gradient, the batch grows.
    void move() {
        const auto scale = noise_->value();
        const double wanted = scale ? options_.scales * *scale : options_.largest;
        const double next = std::clamp(wanted, weight_ / options_.most_change, weight_ * options_.most_change);
        weight_ = std::clamp(next, options_.smallest, options_.largest);
    }

    NoiseScale<Scalar>* noise_;
    AdaptiveBatchOptions options_;
    double weight_;
};

}  // namespace gacc
