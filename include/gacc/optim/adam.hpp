#pragma once

#include <gacc/optim/adam_family.hpp>

#include <limits>
#include <utility>

namespace gacc::inline GACC_ABI {

struct AdamOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    /// The largest norm of the mean gradient of all parameters together. A longer gradient is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();
    /// How the moments are kept. A checkpoint holds them in their format, and is loaded into an optimizer with the same.
    MomentFormat moments = MomentFormat::full;

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("beta1", options.beta1, below_one);
        f("beta2", options.beta2, below_one);
        f("epsilon", options.epsilon, not_negative);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

/// Adam: steps of about the learning rate, along the mean gradient divided by its root mean square.
///
/// Update     g = grad / weight, times clip_norm / |g| if |g|, of all parameters together, is larger than clip_norm;
///            m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g²;
///            value -= learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon),  t the step, from 1
/// State      m and v: 2 x sizeof(Scalar) bytes for each number that a parameter stores; 4 bytes with
///            MomentFormat::bfloat16. A little more with clipping
/// bfloat16   the step uses m and v as they are computed, and then rounds them for the next one. The random bits follow
///            from the model's seed, the step and the place of the number, so the cut and the threads change no bit
/// Range      a mean gradient below 3e-16 (float) or 1e-146 (double) counts as 0, since its square is not a normal
///            number. A mean gradient above 1e19 (float) or 1e154 (double) stops its parameter: its square is infinite
/// Defaults   those of the paper, learning rate 0.001; no clipping
/// Throws     UsageError if an option is out of its range or that of the Scalar type, and from step() if the step size
///            is. NonFiniteError from step() if it clips and a gradient is infinite or NaN. Nothing is changed then
/// Source     Kingma and Ba 2015, arXiv:1412.6980, algorithm 1
/// Example    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-3F});
template <class Scalar = float>
class Adam final : public detail::AdamFamily<Scalar, AdamOptions, false> {
public:
    explicit Adam(Parameters<Scalar> parameters, const AdamOptions& options = {})
        : detail::AdamFamily<Scalar, AdamOptions, false>("Adam", std::move(parameters), options) {}
};

}  // namespace gacc
