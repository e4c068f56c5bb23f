#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <cmath>
#include <concepts>

namespace gacc::inline GACC_ABI {

/// What a policy knows when it decides.
struct Accumulated {
    Index samples = 0;        ///< whose gradients wait for the step
    Index micro_batches = 0;  ///< of these samples
    double weight = 0;        ///< sum of the weights of these samples
    Index steps = 0;          ///< that the optimizer has made so far
};

/// Decides after each micro-batch whether the optimizer steps now. Any callable will do:
/// `[](const gacc::Accumulated& held) { return held.samples >= (held.steps < 1000 ? 64 : 256); }`
template <class P>
concept AccumulationPolicy = std::predicate<P&, const Accumulated&>;

/// Steps after every n-th micro-batch. So the samples of a batch follow the cut; those of EverySamples do not, where the
/// n-th sample ends a micro-batch.
///
/// Throws     UsageError if n < 1
class EveryMicroBatches {
public:
    explicit EveryMicroBatches(Index n) : n_(n) {
        if (n < 1) { throw UsageError("EveryMicroBatches", detail::text("expected 1 or more, got ", n)); }
    }
    bool operator()(const Accumulated& held) const { return held.micro_batches >= n_; }

    /// Why another cut gives another result, for audit().
    static const char* depends_on_cut() {
        return "EveryMicroBatches: a batch is a number of micro-batches, so its samples follow the cut";
    }

private:
    Index n_;
};

/// Steps as soon as n samples or more are held.
///
/// Throws     UsageError if n < 1
class EverySamples {
public:
    explicit EverySamples(Index n) : n_(n) {
        if (n < 1) { throw UsageError("EverySamples", detail::text("expected 1 or more, got ", n)); }
    }
    bool operator()(const Accumulated& held) const { return held.samples >= n_; }

private:
    Index n_;
};

/// Steps as soon as this weight or more is held. Without weights of your own, each row of the outputs that has a target
/// counts 1: so it is the number of tokens of a language model, without those whose labels are ignored.
///
/// Throws     UsageError unless the weight is finite and larger than 0
/// Example    gacc::Accumulator accumulator(adamw, gacc::EveryWeight{4096});
class EveryWeight {
public:
    explicit EveryWeight(double weight) : weight_(weight) {
        if (!(weight > 0 && std::isfinite(weight))) {
            throw UsageError("EveryWeight", detail::text("expected a finite weight larger than 0, got ", weight));
        }
    }
    bool operator()(const Accumulated& held) const { return held.weight >= weight_; }

private:
    double weight_;
};

}  // namespace gacc
