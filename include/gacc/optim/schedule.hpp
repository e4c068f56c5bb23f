#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>

namespace gacc::inline GACC_ABI {

/// A learning rate that falls in a straight line, from `learning_rate` at step 0 to 0 after `steps` steps. Like any
/// function of the step it is a schedule: set what it says before the step.
///
/// Throws     UsageError if steps < 1
/// Example    const gacc::LinearDecay schedule(1e-3, 938);  adam.set_learning_rate(schedule(adam.steps()));
class LinearDecay {
public:
    LinearDecay(double learning_rate, Index steps) : learning_rate_(learning_rate), steps_(steps) {
        if (steps < 1) { throw UsageError("LinearDecay", detail::text("expected 1 or more steps, got ", steps)); }
    }
    double operator()(Index steps_made) const {
        const Index left = std::max<Index>(steps_ - steps_made, 0);
        return learning_rate_ * static_cast<double>(left) / static_cast<double>(steps_);
    }

private:
    double learning_rate_;
    Index steps_;
};

}  // namespace gacc
