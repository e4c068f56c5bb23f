#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/state.hpp>
#include <gacc/core/types.hpp>
#include <gacc/optim/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace gacc::inline GACC_ABI {

struct PlateauOptions {
    double factor = 0.1;      ///< the rate times this when the loss stays; above 0, less than 1
    Index patience = 10;      ///< so many measurements without progress are borne; 0 or more
    double threshold = 1e-4;  ///< progress is a loss smaller than the best by this share of it; 0 or more, less than 1
    Index cooldown = 0;       ///< so many measurements after a fall do not count; 0 or more
    double least = 0;         ///< the rate falls no further than to this; 0 or more
};

/// A learning rate that falls when the validation loss makes no progress. It is not a function of the step: measure()
/// tells it each loss, and rate() is the rate from then on. A checkpoint keeps it: checkpoint.keep("plateau", plateau).
///
/// Throws     UsageError if the learning rate is negative or not finite, or an option is out of its range
/// Source     the rules of PyTorch's ReduceLROnPlateau with a relative threshold; losses are not negative
/// Example    plateau.measure(validation_loss);  adam.set_learning_rate(plateau.rate());
class Plateau {
public:
    explicit Plateau(double learning_rate, PlateauOptions options = {})
        : options_(options), rate_(detail::checked_rate("Plateau", learning_rate)) {
        const auto check = [](bool valid, const char* expected, auto got) {
            if (!valid) { throw UsageError("Plateau", detail::text("expected ", expected, ", got ", got)); }
        };
        check(options.factor > 0 && options.factor < 1, "a factor above 0 and less than 1", options.factor);
        check(options.patience >= 0, "a patience of 0 or more", options.patience);
        check(options.threshold >= 0 && options.threshold < 1, "a threshold from 0 up to, not including, 1",
              options.threshold);
        check(options.cooldown >= 0, "a cooldown of 0 or more", options.cooldown);
        check(options.least >= 0 && std::isfinite(options.least), "a least rate of 0 or more", options.least);
    }

    /// Call it after each validation. A loss of NaN is no progress.
    void measure(double loss) {
        if (loss < best_ * (1 - options_.threshold)) {
            best_ = loss;
            waited_ = 0;
        } else {
            ++waited_;
        }
        if (rests_ > 0) {
            --rests_;
            waited_ = 0;
        }
        if (waited_ > options_.patience) {
            rate_ = std::min(rate_, std::max(rate_ * options_.factor, options_.least));
            rests_ = options_.cooldown;
            waited_ = 0;
        }
    }
    double rate() const { return rate_; }

    State state() const {
        return {detail::word(rate_), detail::word(best_), detail::word(waited_), detail::word(rests_)};
    }
    void set_state(std::span<const std::uint64_t> words) {
        constexpr auto where = "Plateau", what = "a learning rate that falls on plateaus";
        detail::check_state(where, words.size() == 4 && detail::real(words[0]) >= 0 &&
                                       std::isfinite(detail::real(words[0])) && !std::isnan(detail::real(words[1])),
                            what);
        const Index waited = detail::count(where, words[2], what), rests = detail::count(where, words[3], what);
        rate_ = detail::real(words[0]);
        best_ = detail::real(words[1]);
        waited_ = waited;
        rests_ = rests;
    }

private:
    PlateauOptions options_;
    double rate_;
    double best_ = std::numeric_limits<double>::infinity();
    Index waited_ = 0, rests_ = 0;
};

}  // namespace gacc
