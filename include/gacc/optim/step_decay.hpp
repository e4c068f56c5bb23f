#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/optim/schedule.hpp>

#include <cmath>

namespace gacc::inline GACC_ABI {

/// A learning rate that falls in stairs: `learning_rate` times `factor` to the power of how often `every` steps were made.
///
/// Throws     UsageError if every < 1, the learning rate is negative or not finite, or the factor is not above 0 and at
///            most 1
/// Example    const gacc::StepDecay schedule(0.1, 300);  // 0.1 for 300 steps, 0.01 for 300, 0.001 ...
class StepDecay {
public:
    StepDecay(double learning_rate, Index every, double factor = 0.1)
        : learning_rate_(detail::checked_rate("StepDecay", learning_rate)),
          every_(detail::checked_steps("StepDecay", every)), factor_(factor) {
        if (!(factor > 0 && factor <= 1)) {
            throw UsageError("StepDecay", detail::text("expected a factor above 0, at most 1, got ", factor));
        }
    }
    double operator()(Index steps_made) const {
        return learning_rate_ * std::pow(factor_, static_cast<double>(steps_made / every_));
    }

private:
    double learning_rate_;
    Index every_;
    double factor_;
};

}  // namespace gacc
