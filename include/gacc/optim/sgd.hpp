#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/grouped_optimizer.hpp>
#include <gacc/optim/kept_slice.hpp>
#include <gacc/optim/sgd_pass.hpp>

#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct SGDOptions {
    double learning_rate = 1e-3;
    double momentum = 0;
    /// Nesterov's momentum: steps along g + momentum v instead of v. It needs a momentum.
    bool nesterov = false;
    /// This times the value is added to the gradient.
    double weight_decay = 0;
    /// The largest norm of the mean gradient of all parameters together. A longer gradient is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();

    /// Calls f(name, option, range) for each option, in the order in which a state keeps them.
    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        using enum OptionRange;
        f("learning_rate", options.learning_rate, not_negative);
        f("momentum", options.momentum, below_one);
        f("nesterov", options.nesterov, yes_or_no);
        f("weight_decay", options.weight_decay, not_negative);
        f("clip_norm", options.clip_norm, above_zero);
    }
};

/// Stochastic gradient descent, with momentum.
///
/// Update     g = grad / weight, times clip_norm / |g| if |g|, of all parameters together, is larger than clip_norm;
///            g += weight_decay value;  v = momentum v + g;
///            value -= learning_rate v, with nesterov learning_rate (g + momentum v)
/// State      v: sizeof(Scalar) bytes for each number that a parameter stores, none without momentum; a little more
///            with clipping
/// Range      a subnormal velocity (below 1e-38, double 1e-308) becomes 0
/// Defaults   PyTorch's: learning rate 0.001, no momentum, no weight decay; no clipping
/// Throws     UsageError if an option is out of its range or that of the Scalar type, or nesterov is without momentum.
///            NonFiniteError from step() if it clips and a gradient is infinite or NaN. Nothing is changed then
/// Source     Sutskever et al. 2013 (proceedings.mlr.press/v28/sutskever13.html), as torch.optim.SGD writes it: the
///            learning rate is not part of the velocity
/// Example    gacc::SGD sgd(model.parameters(), {.learning_rate = 0.1, .momentum = 0.9, .nesterov = true});
template <class Scalar = float>
class SGD final : public GroupedOptimizer<Scalar, SGDOptions> {
public:
    explicit SGD(Parameters<Scalar> parameters, const SGDOptions& options = {})
        : GroupedOptimizer<Scalar, SGDOptions>("SGD", std::move(parameters), options),
          velocity_(velocity(options)), kept_{0, this->parameters().stored_count()} {
        arrays_.reserve(this->parameters().size());
    }

    std::size_t state_bytes() const override { return velocity_.bytes() + this->clipping_bytes(); }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        std::vector<typename Optimizer<Scalar>::Moments> all;
        if (has_velocity()) { all.push_back({"velocity", velocity_.span()}); }
        return all;
    }

    bool keep_slice(Index first, Index count) override {
        const detail::KeptSlice next{first, count};
        if (has_velocity()) { velocity_ = kept_.moved(velocity_, next); }
        kept_ = next;
        return true;
    }

private:
    bool has_velocity() const { return this->options().momentum > 0; }

    /// A buffer with one number for each number that the parameters store; empty without momentum.
    Buffer<Scalar> velocity(const SGDOptions& options) const {
        if (options.nesterov && options.momentum == 0) {
            throw UsageError("SGD", "expected a momentum larger than 0 with nesterov, got 0");
        }
        const Index numbers = options.momentum > 0 ? this->parameters().stored_count() : 0;
        return detail::with_memory("SGD", numbers, sizeof(Scalar), "velocities", "use a smaller model",
                                   [&] { return Buffer<Scalar>(numbers, memory::Kind::moments); });
    }

    void check_fit(const SGDOptions& options) const override {
        this->check_words((options.momentum > 0) == has_velocity(), "SGD that has a momentum as this one does");
        this->check_words(options.momentum > 0 || !options.nesterov, "SGD");
    }

    void prepare(double weight) override {
        GroupedOptimizer<Scalar, SGDOptions>::prepare(weight);
        steps_.clear();
        for (std::size_t group = 0; group < this->groups(); ++group) {
            steps_.push_back({.scale = static_cast<Scalar>(this->scale()),
                              .weight_decay = static_cast<Scalar>(this->weight_decay(group)),
                              .momentum = static_cast<Scalar>(this->options().momentum),
                              .learning_rate = static_cast<Scalar>(this->learning_rate(group))});
        }
        arrays_.reserve(this->parameters().size());
    }

    void update(double) override {
        arrays_.clear();
        Index offset = 0;
        for (std::size_t i = 0; i < this->parameters().size(); ++i) {
            auto& parameter = this->parameters()[i];
            const auto values = parameter.stored_values();
            const auto size = static_cast<Index>(values.size());
            const detail::KeptSlice::Part part = kept_.part(offset, size);
            arrays_.push_back({values.data() + part.in_parameter, parameter.materialize_grads().data() + part.in_parameter,
                               has_velocity() ? velocity_.data() + part.in_moments : nullptr,
                               part.count / detail::Simd<Scalar>::lanes, this->group_of(i)});
            offset += size;
        }
        using enum detail::Momentum;
        if (this->options().momentum == 0) {
            detail::sgd_update<Scalar, none>(steps_, arrays_);
        } else if (this->options().nesterov) {
            detail::sgd_update<Scalar, nesterov>(steps_, arrays_);
        } else {
            detail::sgd_update<Scalar, plain>(steps_, arrays_);
        }
    }

    Buffer<Scalar> velocity_;                         // of all parameters, one after the other
    detail::KeptSlice kept_;                          // if not of all: of these numbers
    std::vector<detail::SGDStep<Scalar>> steps_;      // a step's constants, one for each group
    std::vector<detail::SGDArrays<Scalar>> arrays_;   // of a step, one for each parameter
};

}  // namespace gacc
