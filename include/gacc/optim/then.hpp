#pragma once

#include <gacc/core/types.hpp>
#include <gacc/optim/schedule.hpp>

#include <utility>

namespace gacc::inline GACC_ABI {

/// The first schedule for so many steps, then the next one from its step 0. See then().
template <Schedule First, Schedule Next>
class Then {
public:
    Then(First first, Index steps, Next next)
        : first_(std::move(first)), steps_(detail::checked_steps("then", steps)), next_(std::move(next)) {}
    double operator()(Index steps_made) const {
        return steps_made < steps_ ? first_(steps_made) : next_(steps_made - steps_);
    }

private:
    First first_;
    Index steps_;
    Next next_;
};

/// Joins two schedules: `first` for `steps` steps, then `next`, from its step 0.
///
/// Throws     UsageError if steps < 1
/// Example    const auto schedule = gacc::then(gacc::Constant(1e-3), 500, gacc::CosineDecay(1e-3, 1500));
template <Schedule First, Schedule Next>
Then<First, Next> then(First first, Index steps, Next next) {
    return {std::move(first), steps, std::move(next)};
}

}  // namespace gacc
