#pragma once

#include <gacc/core/state.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/optim/elementwise.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct NAdamOptions {
    double learning_rate = 2e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    /// How fast the momentum mu rises from beta1 / 2 to beta1.
    double momentum_decay = 4e-3;
    double weight_decay = 0;
    /// The values decay as in AdamW. Else weight_decay times the value is added to the gradient.
    bool decoupled_weight_decay = false;
    /// The largest norm of the mean gradient of all parameters together. A longer gradient is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("beta1", options.beta1, below_one);
        f("beta2", options.beta2, below_one);
        f("epsilon", options.epsilon, not_negative);
        f("momentum_decay", options.momentum_decay, not_negative);
        f("weight_decay", options.weight_decay, not_negative);
        f("decoupled_weight_decay", options.decoupled_weight_decay, yes_or_no);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

namespace detail {

/// The constants of one step of NAdam for a group of parameters.
template <class Scalar>
struct NAdamStep {
    Scalar scale;  // 1 / weight
    Scalar beta1, beta2, rest1, rest2;
    Scalar of_grad, of_mean;  // their factors in the step
    Scalar root_scale, epsilon;
    Scalar weight_decay = 0, decay = 0;  // one of them is 0
};

template <class Scalar>
class NAdamPass : ElementPass<Scalar> {
public:
    explicit NAdamPass(const NAdamStep<Scalar>& step)
        : scale_(all(step.scale)), beta1_(all(step.beta1)), beta2_(all(step.beta2)), rest1_(all(step.rest1)),
          rest2_(all(step.rest2)), minus_of_grad_(all(-step.of_grad)), minus_of_mean_(all(-step.of_mean)),
          root_scale_(all(step.root_scale)), epsilon_(all(step.epsilon)), weight_decay_(all(step.weight_decay)),
          minus_decay_(all(-step.decay)) {}

    /// Updates packets first to last - 1.
    EIGEN_ALWAYS_INLINE void run(const ElementArrays<Scalar>& at, Index first, Index last) const {
        Scalar* const values = at.value;
        Scalar* const means = at.kept[0];
        Scalar* const squares = at.kept[1];
        for (Index i = first * lanes; i < last * lanes; i += lanes) {
            const Packet value = load_aligned(values + i);
            const Packet grad = zero_below(multiply_add(weight_decay_, value, times(load_aligned(at.grad + i), scale_)),
                                           this->smallest_grad);
            const Packet mean =
                zero_below(multiply_add(beta1_, load_aligned(means + i), times(rest1_, grad)), this->smallest);
            const Packet square = zero_below(
                multiply_add(beta2_, load_aligned(squares + i), times(rest2_, times(grad, grad))), this->smallest);
            store_aligned(means + i, mean);
            store_aligned(squares + i, square);
            const Packet root =
                larger(multiply_add(square_root(square), root_scale_, epsilon_), this->smallest);  // 0 / 0 is 0
            const Packet step = quotient(multiply_add(minus_of_grad_, grad, times(minus_of_mean_, mean)), root);
            store_aligned(values + i, plus(multiply_add(minus_decay_, value, value), step));
        }
    }

private:
    using typename ElementPass<Scalar>::Packet;
    using ElementPass<Scalar>::all;
    using ElementPass<Scalar>::lanes;

    Packet scale_, beta1_, beta2_, rest1_, rest2_, minus_of_grad_, minus_of_mean_, root_scale_, epsilon_, weight_decay_,
        minus_decay_;
};

}  // namespace detail

/// NAdam: Adam with Nesterov's momentum.
///
/// Update     g = grad / weight, times clip_norm / |g| if |g|, of all parameters together, is larger than clip_norm;
///            g += weight_decay value, or decoupled  value -= learning_rate weight_decay value;
///            m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g²;
///            mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2),  t the step, from 1;  M_t = mu_1 mu_2 ... mu_t;
///            value -= learning_rate (g (1 - mu_t) / (1 - M_t) + m mu_(t+1) / (1 - M_(t+1)))
///                     / (sqrt(v / (1 - beta2^t)) + epsilon)
/// State      m and v: 2 x sizeof(Scalar) bytes for each number that a parameter stores; a little more with clipping
/// Range      as Adam
/// Defaults   PyTorch's: learning rate 0.002, momentum_decay 0.004, no weight decay; no clipping
/// Throws     UsageError if an option is out of its range or that of the Scalar type, and from step() if a factor of the
///            step is. NonFiniteError from step() if it clips and a gradient is infinite or NaN. Nothing is changed then
/// Source     Dozat 2016, "Incorporating Nesterov momentum into Adam", algorithm 2, as torch.optim.NAdam writes it
/// Example    gacc::NAdam nadam(model.parameters(), {.learning_rate = 2e-3});
template <class Scalar = float>
class NAdam final : public detail::ElementwiseOptimizer<Scalar, NAdamOptions> {
    using Base = detail::ElementwiseOptimizer<Scalar, NAdamOptions>;

public:
    explicit NAdam(Parameters<Scalar> parameters, const NAdamOptions& options = {})
        : Base("NAdam", std::move(parameters), options) {
        this->keep("first_moments");
        this->keep("second_moments", true);
    }

    State state() const override {
        State words = Base::state();
        words.push_back(detail::word(product_));
        return words;
    }
    void set_state(std::span<const std::uint64_t> words) override {
        this->check_words(words.size() == state().size(), this->name());
        const double product = detail::real(words.back());
        this->check_words(product >= 0 && product <= 1, this->name());
        Base::set_state(words);
        product_ = product;
    }

private:
    double mu(double t) const {
        const NAdamOptions& options = this->options();
        return options.beta1 * (1 - 0.5 * std::pow(0.96, t * options.momentum_decay));
    }

    void prepare(double weight) override {
        Base::prepare(weight);
        const NAdamOptions& options = this->options();
        const auto t = static_cast<double>(this->steps());
        next_product_ = product_ * mu(t);
        const double of_grad = (1 - mu(t)) / (1 - next_product_), of_mean = mu(t + 1) / (1 - next_product_ * mu(t + 1));
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            const double rate = this->learning_rate(group);
            const bool decoupled = options.decoupled_weight_decay;
            steps_.push_back(
                {.scale = static_cast<Scalar>(this->scale()),
                 .beta1 = static_cast<Scalar>(options.beta1),
                 .beta2 = static_cast<Scalar>(options.beta2),
                 .rest1 = static_cast<Scalar>(1 - options.beta1),
                 .rest2 = static_cast<Scalar>(1 - options.beta2),
                 .of_grad = this->in_step("learning_rate (1 - mu) / (1 - product of mu)", rate * of_grad),
                 .of_mean = this->in_step("learning_rate mu / (1 - product of mu)", rate * of_mean),
                 .root_scale = static_cast<Scalar>(1 / std::sqrt(1 - std::pow(options.beta2, t))),
                 .epsilon = static_cast<Scalar>(options.epsilon),
                 .weight_decay = decoupled ? Scalar(0) : static_cast<Scalar>(this->weight_decay(group)),
                 .decay = decoupled ? this->decay(group) : Scalar(0)});
        }
    }
    void update(double) override {
        this->template run<detail::NAdamPass<Scalar>>(steps_, 16);
        product_ = next_product_;
    }

    double product_ = 1, next_product_ = 1;         // of all mu so far, and with that of this step
    std::vector<detail::NAdamStep<Scalar>> steps_;  // one for each group
};

}  // namespace gacc
