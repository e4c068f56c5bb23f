#pragma once

#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/optim/elementwise.hpp>

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct RMSpropOptions {
    double learning_rate = 1e-2;
    /// The share of the mean square that stays at each step.
    double alpha = 0.99;
    double epsilon = 1e-8;
    double momentum = 0;
    /// Divides by the deviation, the root of the mean square less the square of the mean.
    bool centered = false;
    /// This times the value is added to the gradient.
    double weight_decay = 0;
    /// The largest norm of the mean gradient of all parameters together. A longer gradient is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("alpha", options.alpha, below_one);
        f("epsilon", options.epsilon, not_negative);
        f("momentum", options.momentum, below_one);
        f("centered", options.centered, yes_or_no);
        f("weight_decay", options.weight_decay, not_negative);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

namespace detail {

/// The constants of one step of RMSprop for a group of parameters.
template <class Scalar>
struct RMSpropStep {
    Scalar scale;  // 1 / weight
    Scalar alpha, rest;
    Scalar epsilon, weight_decay, momentum, learning_rate;
};

/// Kept are the mean squares; the means if it is centered; then the velocities if it has momentum.
template <class Scalar, bool centered, bool has_momentum>
class RMSpropPass : ElementPass<Scalar> {
public:
    explicit RMSpropPass(const RMSpropStep<Scalar>& step)
        : scale_(all(step.scale)), alpha_(all(step.alpha)), rest_(all(step.rest)), epsilon_(all(step.epsilon)),
          weight_decay_(all(step.weight_decay)), momentum_(all(step.momentum)),
          minus_learning_rate_(all(-step.learning_rate)) {}

    /// Updates packets first to last - 1.
    EIGEN_ALWAYS_INLINE void run(const ElementArrays<Scalar>& at, Index first, Index last) const {
        Scalar* const values = at.value;
        Scalar* const squares = at.kept[0];
        [[maybe_unused]] Scalar* const means = at.kept[1];
        [[maybe_unused]] Scalar* const velocities = at.kept[centered ? 2 : 1];
        for (Index i = first * lanes; i < last * lanes; i += lanes) {
            const Packet value = load_aligned(values + i);
            const Packet grad = zero_below(multiply_add(weight_decay_, value, times(load_aligned(at.grad + i), scale_)),
                                           this->smallest_grad);
            const Packet square = zero_below(
                multiply_add(alpha_, load_aligned(squares + i), times(rest_, times(grad, grad))), this->smallest);
            store_aligned(squares + i, square);
            Packet variance = square;
            if constexpr (centered) {
                const Packet mean =
                    zero_below(multiply_add(alpha_, load_aligned(means + i), times(rest_, grad)), this->smallest);
                store_aligned(means + i, mean);
                variance = multiply_add(negated(mean), mean, square);
                variance = choose(is_less(variance, all(0)), all(0), variance);  // by a rounding; NaN stays NaN
            }
            const Packet root = larger(plus(square_root(variance), epsilon_), this->smallest);  // 0 / 0 is 0
            Packet direction = quotient(grad, root);
            if constexpr (has_momentum) {
                direction = zero_below(multiply_add(momentum_, load_aligned(velocities + i), direction), this->smallest);
                store_aligned(velocities + i, direction);
            }
            store_aligned(values + i, multiply_add(minus_learning_rate_, direction, value));
        }
    }

private:
    using typename ElementPass<Scalar>::Packet;
    using ElementPass<Scalar>::all;
    using ElementPass<Scalar>::lanes;

    Packet scale_, alpha_, rest_, epsilon_, weight_decay_, momentum_, minus_learning_rate_;
};

}  // namespace detail

/// RMSprop: the gradient divided by its root mean square.
///
/// Update     g = grad / weight, times clip_norm / |g| if |g|, of all parameters together, is larger than clip_norm;
///            g += weight_decay value;  s = alpha s + (1 - alpha) g²;  d = g / (sqrt(s) + epsilon);
///            with centered  a = alpha a + (1 - alpha) g,  and s - a², 0 or more, in place of s under the root;
///            with momentum  v = momentum v + d,  and v in place of d;  value -= learning_rate d
/// State      s, with centered a, with momentum v: one to three times sizeof(Scalar) bytes for each number that a
///            parameter stores; a little more with clipping
/// Range      a gradient below 3e-16 (float) or 1e-146 (double), with the decay, counts as 0; see Adam
/// Defaults   PyTorch's: learning rate 0.01, no momentum, not centered, no weight decay; no clipping
/// Throws     UsageError if an option is out of its range or that of the Scalar type. NonFiniteError from step() if it
///            clips and a gradient is infinite or NaN. Nothing is changed then
/// Source     Hinton 2012, lecture 6e of "Neural Networks for Machine Learning"; centered: Graves 2013, arXiv:1308.0850,
///            eq. 38 to 45, but with epsilon outside of the root, as in torch.optim.RMSprop
/// Example    gacc::RMSprop rmsprop(model.parameters(), {.learning_rate = 1e-3, .momentum = 0.9});
template <class Scalar = float>
class RMSprop final : public detail::ElementwiseOptimizer<Scalar, RMSpropOptions> {
    using Base = detail::ElementwiseOptimizer<Scalar, RMSpropOptions>;

public:
    explicit RMSprop(Parameters<Scalar> parameters, const RMSpropOptions& options = {})
        : Base("RMSprop", std::move(parameters), options) {
        this->keep("mean_squares", true);
        if (options.centered) { this->keep("means"); }
        if (options.momentum > 0) { this->keep("velocity"); }
    }

private:
    void check_fit(const RMSpropOptions& options) const override {
        this->check_words(options.centered == this->options().centered,
                          "RMSprop that is centered as this one is");
        this->check_words((options.momentum > 0) == (this->options().momentum > 0),
                          "RMSprop that has a momentum as this one does");
    }

    void prepare(double weight) override {
        Base::prepare(weight);
        const RMSpropOptions& options = this->options();
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            steps_.push_back({.scale = static_cast<Scalar>(this->scale()),
                              .alpha = static_cast<Scalar>(options.alpha),
                              .rest = static_cast<Scalar>(1 - options.alpha),
                              .epsilon = static_cast<Scalar>(options.epsilon),
                              .weight_decay = static_cast<Scalar>(this->weight_decay(group)),
                              .momentum = static_cast<Scalar>(options.momentum),
                              .learning_rate = static_cast<Scalar>(this->learning_rate(group))});
        }
    }
    void update(double) override {
        const auto run = [&]<bool centered, bool has_momentum>() {
            this->template run<detail::RMSpropPass<Scalar, centered, has_momentum>>(steps_, 16);
        };
        if (this->options().centered) {
            this->options().momentum > 0 ? run.template operator()<true, true>() : run.template operator()<true, false>();
        } else {
            this->options().momentum > 0 ? run.template operator()<false, true>() : run.template operator()<false, false>();
        }
    }

    std::vector<detail::RMSpropStep<Scalar>> steps_;  // one for each group
};

}  // namespace gacc
