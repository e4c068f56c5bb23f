#pragma once

#include <gacc/optim/adam_family.hpp>

#include <limits>
#include <utility>

namespace gacc::inline GACC_ABI {

struct AdamWOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    /// Each step takes this share, times the learning rate, from every value.
    double weight_decay = 1e-2;
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
        f("weight_decay", options.weight_decay, not_negative);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

/// Adam with decoupled weight decay: the values themselves decay, and the moments do not see it.
///
/// Update     value -= learning_rate weight_decay value;  then as Adam
/// State      m and v: 2 x sizeof(Scalar) bytes for each number that a parameter stores; 4 bytes with
///            MomentFormat::bfloat16. A little more with clipping
/// Range      as Adam, and bfloat16
/// Defaults   PyTorch's: Adam's, and weight_decay 0.01 for all parameters; no clipping
/// Throws     UsageError if an option is out of its range or that of the Scalar type, and from step() if the step size
///            or learning_rate * weight_decay is. NonFiniteError from step() if it clips and a gradient is infinite or
///            NaN. Nothing is changed then
/// Source     Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2. There the decay is multiplied by the schedule
///            only; here and in torch.optim.AdamW it is multiplied by the learning rate too
/// Example    gacc::AdamW adamw(model.parameters(), {.learning_rate = 3e-4, .weight_decay = 0.1});
///            adamw.group(gacc::vectors, {.weight_decay = 0});  // no decay of biases and norms
template <class Scalar = float>
class AdamW final : public detail::AdamFamily<Scalar, AdamWOptions, true> {
public:
    explicit AdamW(Parameters<Scalar> parameters, const AdamWOptions& options = {})
        : detail::AdamFamily<Scalar, AdamWOptions, true>("AdamW", std::move(parameters), options) {}
};

}  // namespace gacc
