#pragma once

#include <gacc/accumulation/policy.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace gacc::inline GACC_ABI {

struct BatchWarmUpOptions {
    Index first = 32;    ///< samples of the first batch
    Index last = 256;    ///< samples of a batch from step `steps` on
    Index steps = 1000;  ///< in which the batch grows
};

/// The samples of a batch by steps made: from `first` to `last` in a straight line. Early gradients agree, so small
/// batches do; late ones are noisy (see NoiseScale).
///
/// Throws     UsageError if a number is less than 1, or `last` is less than `first`
/// Example    gacc::Accumulator accumulator(adam, gacc::BatchSchedule(gacc::BatchWarmUp({.last = 512})));
class BatchWarmUp {
public:
    explicit BatchWarmUp(BatchWarmUpOptions options) : options_(options) {
        const auto [first, last, steps] = options;
        if (first < 1 || last < first || steps < 1 || last > most || steps > most) {
            throw UsageError("BatchWarmUp",
                             detail::text("expected first, last and steps from 1 to ", most,
                                          ", and last not less than first, got ", first, ", ", last, " and ", steps));
        }
    }
    Index operator()(Index step) const {
        const std::int64_t done = std::clamp<Index>(step, 0, options_.steps);
        return options_.first + static_cast<Index>(std::int64_t{options_.last - options_.first} * done / options_.steps);
    }

private:
    static constexpr Index most = 1'000'000'000;

    BatchWarmUpOptions options_;
};

/// Steps as soon as as many samples are held as a function of the steps made says.
///
/// Example    gacc::BatchSchedule([](gacc::Index step) { return step < 1000 ? 64 : 256; })
template <class SamplesAt>
    requires std::convertible_to<std::invoke_result_t<const SamplesAt&, Index>, Index>
class BatchSchedule {
public:
    explicit BatchSchedule(SamplesAt samples_at) : samples_at_(std::move(samples_at)) {}

    bool operator()(const Accumulated& held) const { return held.samples >= samples_at(held.steps); }
    /// Of the batch after so many steps.
    Index samples_at(Index steps) const { return samples_at_(steps); }

private:
    SamplesAt samples_at_;
};

}  // namespace gacc
