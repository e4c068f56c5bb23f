#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <numbers>
#include <type_traits>
#include <utility>

namespace gacc::inline GACC_ABI {

/// A schedule is a function from the number of steps made so far to a learning rate. Set its value before each step.
/// Any callable will do.
///
/// Example    const gacc::WarmUp schedule(100, gacc::CosineDecay(1e-3, 900, 1e-5));
///            adam.set_learning_rate(schedule(adam.steps()));  // rates of groups change in proportion
template <class F>
concept Schedule = std::is_invocable_r_v<double, const F&, Index>;

namespace detail {

inline double checked_rate(const char* where, double learning_rate) {
    if (!(learning_rate >= 0) || !std::isfinite(learning_rate)) {
        throw UsageError(where, text("expected a learning rate of 0 or more, got ", learning_rate));
    }
    return learning_rate;
}
inline Index checked_steps(const char* where, Index steps) {
    if (steps < 1) { throw UsageError(where, text("expected 1 or more steps, got ", steps)); }
    return steps;
}

}  // namespace detail

/// The same learning rate at every step.
///
/// Throws     UsageError if the learning rate is negative or not finite
class Constant {
public:
    explicit Constant(double learning_rate) : learning_rate_(detail::checked_rate("Constant", learning_rate)) {}
    double operator()(Index) const { return learning_rate_; }

private:
    double learning_rate_;
};

/// A learning rate that falls in a straight line, from `learning_rate` at step 0 to 0 after `steps` steps.
///
/// Throws     UsageError if steps < 1 or the learning rate is negative or not finite
/// Example    const gacc::LinearDecay schedule(1e-3, 938);  adam.set_learning_rate(schedule(adam.steps()));
class LinearDecay {
public:
    LinearDecay(double learning_rate, Index steps)
        : learning_rate_(detail::checked_rate("LinearDecay", learning_rate)),
          steps_(detail::checked_steps("LinearDecay", steps)) {}
    double operator()(Index steps_made) const {
        const Index left = std::max<Index>(steps_ - steps_made, 0);
        return learning_rate_ * static_cast<double>(left) / static_cast<double>(steps_);
    }

private:
    double learning_rate_;
    Index steps_;
};

/// A learning rate that falls along half a cosine, from `learning_rate` at step 0 to `least` after `steps` steps:
/// least + (learning_rate - least) (1 + cos(pi t / steps)) / 2.
///
/// Throws     UsageError if steps < 1, a rate is negative or not finite, or `least` is larger than `learning_rate`
/// Source     Loshchilov and Hutter 2017, arXiv:1608.03983, eq. 5, without restarts
class CosineDecay {
public:
    CosineDecay(double learning_rate, Index steps, double least = 0)
        : learning_rate_(detail::checked_rate("CosineDecay", learning_rate)),
          steps_(detail::checked_steps("CosineDecay", steps)), least_(detail::checked_rate("CosineDecay", least)) {
        if (least > learning_rate) {
            throw UsageError("CosineDecay", detail::text("expected a least rate of at most the learning rate ",
                                                         learning_rate, ", got ", least));
        }
    }
    double operator()(Index steps_made) const {
        if (steps_made >= steps_) { return least_; }
        const double angle = std::numbers::pi * static_cast<double>(steps_made) / static_cast<double>(steps_);
        return least_ + (learning_rate_ - least_) * (1 + std::cos(angle)) / 2;
    }

private:
    double learning_rate_;
    Index steps_;
    double least_;
};

/// A learning rate that rises in a straight line for `steps` steps to the first rate of `next`. Then `next`, from its
/// step 0. The first step has 1 / steps of that rate, the last step of the rise all of it.
///
/// Throws     UsageError if steps < 1
/// Source     Goyal et al. 2017, arXiv:1706.02677, section 2.2 (gradual warm-up)
/// Example    const gacc::WarmUp schedule(100, gacc::LinearDecay(1e-3, 900));
template <Schedule Next>
class WarmUp {
public:
    WarmUp(Index steps, Next next) : steps_(detail::checked_steps("WarmUp", steps)), next_(std::move(next)) {}
    double operator()(Index steps_made) const {
        if (steps_made >= steps_) { return next_(steps_made - steps_); }
        return next_(0) * static_cast<double>(steps_made + 1) / static_cast<double>(steps_);
    }

private:
    Index steps_;
    Next next_;
};

}  // namespace gacc
