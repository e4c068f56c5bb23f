#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/optim/schedule.hpp>

#include <cmath>
#include <numbers>

namespace gacc::inline GACC_ABI {

struct OneCycleOptions {
    double rise = 0.3;    ///< the share of the steps in which the rate rises; above 0, less than 1
    double first = 0.04;  ///< the first rate, as a share of the largest; from 0 to 1
    double last = 4e-6;   ///< the last rate, as a share of the largest; from 0 to 1
};

/// A learning rate that rises along half a cosine to `largest`, and falls along another one. After `steps` steps it stays at
/// its last rate. The defaults are PyTorch's.
///
/// Throws     UsageError if steps < 2, the rate is negative or not finite, or an option is out of its range
/// Source     Smith and Topin 2018, arXiv:1708.07120; the cosines are those of PyTorch's OneCycleLR
/// Example    const gacc::OneCycle schedule(0.01, 938);
class OneCycle {
public:
    OneCycle(double largest, Index steps, OneCycleOptions options = {})
        : largest_(detail::checked_rate("OneCycle", largest)), steps_(steps), options_(options) {
        if (steps < 2) { throw UsageError("OneCycle", detail::text("expected 2 or more steps, got ", steps)); }
        const auto check = [](bool valid, const char* expected, double got) {
            if (!valid) { throw UsageError("OneCycle", detail::text("expected ", expected, ", got ", got)); }
        };
        check(options.rise > 0 && options.rise < 1, "a rise above 0 and less than 1", options.rise);
        check(options.first >= 0 && options.first <= 1, "a first share from 0 to 1", options.first);
        check(options.last >= 0 && options.last <= 1, "a last share from 0 to 1", options.last);
    }
    double operator()(Index steps_made) const {
        const double at = static_cast<double>(steps_made), end = static_cast<double>(steps_ - 1);
        const double top = options_.rise * static_cast<double>(steps_) - 1;  // the step of the largest rate
        if (at >= end) { return largest_ * options_.last; }
        if (at < top) { return between(options_.first, 1, at / top); }
        return between(1, options_.last, (at - top) / (end - top));
    }

private:
    /// From one share of the largest rate to another, along half a cosine.
    double between(double from, double to, double way) const {
        return largest_ * (to + (from - to) / 2 * (1 + std::cos(std::numbers::pi * way)));
    }

    double largest_;
    Index steps_;
    OneCycleOptions options_;
};

}  // namespace gacc
