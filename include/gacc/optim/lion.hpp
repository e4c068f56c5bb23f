#pragma once

#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/optim/elementwise.hpp>

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct LionOptions {
    double learning_rate = 1e-4;
    double beta1 = 0.9;
    double beta2 = 0.99;
    /// Each step takes this share, times the learning rate, from every value.
    double weight_decay = 0;
    /// The largest norm of the mean gradient of all parameters together. A longer gradient is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("beta1", options.beta1, below_one);
        f("beta2", options.beta2, below_one);
        f("weight_decay", options.weight_decay, not_negative);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

namespace detail {

/// The constants of one step of Lion for a group of parameters.
template <class Scalar>
struct LionStep {
    Scalar scale;  // 1 / weight
    Scalar beta1, beta2, rest1, rest2;
    Scalar learning_rate, decay;  // decay: learning rate * weight decay
};

template <class Scalar>
class LionPass : ElementPass<Scalar> {
public:
    explicit LionPass(const LionStep<Scalar>& step)
        : scale_(all(step.scale)), beta1_(all(step.beta1)), beta2_(all(step.beta2)), rest1_(all(step.rest1)),
          rest2_(all(step.rest2)), learning_rate_(all(step.learning_rate)), minus_rate_(all(-step.learning_rate)),
          minus_decay_(all(-step.decay)) {}

    /// Updates packets first to last - 1.
    EIGEN_ALWAYS_INLINE void run(const ElementArrays<Scalar>& at, Index first, Index last) const {
        Scalar* const values = at.value;
        Scalar* const moments = at.kept[0];
        const Packet zero = all(0);
        for (Index i = first * lanes; i < last * lanes; i += lanes) {
            const Packet grad = times(load_aligned(at.grad + i), scale_);
            const Packet before = load_aligned(moments + i), value = load_aligned(values + i);
            const Packet mean = multiply_add(beta1_, before, times(rest1_, grad));
            const Packet signs = either(keep_where(is_less(zero, mean), minus_rate_),
                                        keep_where(is_less(mean, zero), learning_rate_));
            const Packet step = choose(is_nan(mean), mean, signs);
            store_aligned(values + i, plus(multiply_add(minus_decay_, value, value), step));
            store_aligned(moments + i,
                          zero_below(multiply_add(beta2_, before, times(rest2_, grad)), this->smallest));
        }
    }

private:
    using typename ElementPass<Scalar>::Packet;
    using ElementPass<Scalar>::all;
    using ElementPass<Scalar>::lanes;

    Packet scale_, beta1_, beta2_, rest1_, rest2_, learning_rate_, minus_rate_, minus_decay_;
};

}  // namespace detail

/// Lion: every step has the size of the learning rate, in the direction of the sign of a mean of gradients.
///
/// Update     g = grad / weight, times clip_norm / |g| if |g|, of all parameters together, is larger than clip_norm;
///            value -= learning_rate (weight_decay value + sign(beta1 m + (1 - beta1) g));  m = beta2 m + (1 - beta2) g.
///            The sign of 0 is 0, that of NaN is NaN
/// State      m: sizeof(Scalar) bytes for each number that a parameter stores, half of Adam's; a little more with clipping
/// Range      a subnormal m (below 1e-38, double 1e-308) becomes 0
/// Defaults   those of the authors' code: learning rate 1e-4, no weight decay; no clipping. The authors advise a learning
///            rate 3 to 10 times smaller than AdamW's, and a weight decay as many times larger
/// Throws     UsageError if an option is out of its range or that of the Scalar type, and from step() if learning_rate *
///            weight_decay is. NonFiniteError from step() if it clips and a gradient is infinite or NaN. Nothing is changed
///            then
/// Source     Chen et al. 2023, arXiv:2302.06675, algorithm 2
/// Example    gacc::Lion lion(model.parameters(), {.learning_rate = 1e-4, .weight_decay = 1});
template <class Scalar = float>
class Lion final : public detail::ElementwiseOptimizer<Scalar, LionOptions> {
    using Base = detail::ElementwiseOptimizer<Scalar, LionOptions>;

public:
    explicit Lion(Parameters<Scalar> parameters, const LionOptions& options = {})
        : Base("Lion", std::move(parameters), options) {
        this->keep("moments");
    }

private:
    void prepare(double weight) override {
        Base::prepare(weight);
        const LionOptions& options = this->options();
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            steps_.push_back({.scale = static_cast<Scalar>(this->scale()),
                              .beta1 = static_cast<Scalar>(options.beta1),
                              .beta2 = static_cast<Scalar>(options.beta2),
                              .rest1 = static_cast<Scalar>(1 - options.beta1),
                              .rest2 = static_cast<Scalar>(1 - options.beta2),
                              .learning_rate = static_cast<Scalar>(this->learning_rate(group)),
                              .decay = this->decay(group)});
        }
    }
    void update(double) override { this->template run<detail::LionPass<Scalar>>(steps_, 10); }

    std::vector<detail::LionStep<Scalar>> steps_;  // one for each group
};

}  // namespace gacc
