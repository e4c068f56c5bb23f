#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/optim/adam_pass.hpp>
#include <gacc/optim/clip.hpp>
#include <gacc/optim/optimizer.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

namespace gacc::inline GACC_ABI {

struct AdamOptions {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    /// The largest norm of the mean gradient, of all parameters together: a longer one is shortened to it.
    double clip_norm = std::numeric_limits<double>::infinity();
};

/// Adam: steps of about the learning rate, along the mean gradient over its root mean square.
///
/// Update     g = grad / weight, times clip_norm / |g| where |g|, of all parameters together, is larger;
///            m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g²;
///            value -= learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon),  t the step, from 1
/// State      m and v, 2 x sizeof(Scalar) bytes for each number a parameter stores; little more with clipping
/// Range      a mean gradient below 3e-16 (float) or 1e-146 (double) counts as 0: its square is no normal number;
///            one above 1e19 (float) or 1e154 (double) stops its parameter: its square is infinite
/// Defaults   those of the paper, learning rate 0.001; no clipping
/// Throws     UsageError if an option is out of its range, also of the range of the Scalar type; step(), if its step
///            size is. NonFiniteError from step() if it clips and a gradient is not finite. Nothing has changed then
/// Source     Kingma and Ba 2015, arXiv:1412.6980, algorithm 1
/// Example    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-3F});
template <class Scalar = float>
class Adam final : public Optimizer<Scalar> {
public:
    explicit Adam(Parameters<Scalar> parameters, AdamOptions options = {})
        : Optimizer<Scalar>("Adam", std::move(parameters)), options_(checked(options)),
          m_(moment()), v_(moment()) {
        arrays_.reserve(this->parameters().size());
        if (std::isfinite(options.clip_norm)) { norm_.emplace(this->parameters()); }
    }

    std::size_t state_bytes() const override { return m_.bytes() + v_.bytes() + (norm_ ? norm_->bytes() : 0); }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        return {{"first_moments", m_.span()}, {"second_moments", v_.span(), true}};
    }

    State state() const override {
        using detail::word;
        State words = Optimizer<Scalar>::state();
        for (const double option :
             {options_.learning_rate, options_.beta1, options_.beta2, options_.epsilon, options_.clip_norm}) {
            words.push_back(word(option));
        }
        return words;
    }
    void set_state(std::span<const std::uint64_t> words) override {
        using detail::real;
        detail::check_state("Adam", words.size() == 6, "Adam");
        const AdamOptions options = checked({.learning_rate = real(words[1]),
                                             .beta1 = real(words[2]),
                                             .beta2 = real(words[3]),
                                             .epsilon = real(words[4]),
                                             .clip_norm = real(words[5])});
        detail::check_state("Adam", std::isfinite(options.clip_norm) == norm_.has_value(),
                            "Adam that clips as this one does");
        Optimizer<Scalar>::set_state(words);
        options_ = options;
    }

    std::vector<OptimizerOption> named_options() const override {
        return {{"learning_rate", options_.learning_rate},
                {"beta1", options_.beta1},
                {"beta2", options_.beta2},
                {"epsilon", options_.epsilon},
                {"clip_norm", options_.clip_norm}};
    }

    const AdamOptions& options() const { return options_; }
    /// From the next step on.
    void set_learning_rate(double learning_rate) {
        AdamOptions options = options_;
        options.learning_rate = learning_rate;
        options_ = checked(options);
    }

private:
    /// A number for each that the parameters store.
    Buffer<Scalar> moment() const {
        const Index numbers = this->parameters().stored_count();
        return detail::with_memory("Adam", numbers, sizeof(Scalar), "moments", "use a smaller model",
                                   [&] { return Buffer<Scalar>(numbers, memory::Kind::moments); });
    }

    void update(double weight) override {
        const auto t = static_cast<double>(this->steps());
        const double step_length = step_size(t), scale = scale_of(weight);
        const detail::AdamStep<Scalar> step{
            .scale = static_cast<Scalar>(scale),
            .beta1 = static_cast<Scalar>(options_.beta1),
            .beta2 = static_cast<Scalar>(options_.beta2),
            .rest1 = static_cast<Scalar>(1 - options_.beta1),
            .rest2 = static_cast<Scalar>(1 - options_.beta2),
            .step_size = static_cast<Scalar>(step_length),
            .root_scale = static_cast<Scalar>(1 / std::sqrt(1 - std::pow(options_.beta2, t))),
            .epsilon = static_cast<Scalar>(options_.epsilon)};
        arrays_.clear();
        Index offset = 0;
        for (auto& parameter : this->parameters()) {
            const auto values = parameter.stored_values();
            const auto size = static_cast<Index>(values.size());
            arrays_.push_back({values.data(), parameter.materialize_grads().data(), m_.data() + offset, v_.data() + offset,
                               size / detail::Simd<Scalar>::lanes});
            offset += size;
        }
        detail::adam_update<Scalar>(step, arrays_);
    }

    /// learning_rate / (1 - beta1^t), which is larger than the learning rate in the first steps.
    double step_size(double t) const {
        const double size = options_.learning_rate / (1 - std::pow(options_.beta1, t));
        if (!detail::in_range<Scalar>(size)) {
            throw UsageError("Adam::step",
                             detail::text("expected learning_rate / (1 - beta1^", t, ") ", detail::range_name<Scalar>,
                                          ", got ", size, "; nothing has changed; set a smaller learning rate"));
        }
        return size;
    }

    /// By which the sums of gradients are multiplied: 1 / weight, or less to keep their mean's norm within clip_norm.
    double scale_of(double weight) {
        if (!norm_) { return 1 / weight; }
        const double norm = (*norm_)();
        if (!std::isfinite(norm)) {
            throw NonFiniteError("Adam::step",
                                 detail::text("expected gradients with a finite norm, got ", norm,
                                              "; nothing has changed, and zero_grad() leaves this batch out"));
        }
        const double scale = 1 / std::max(weight, norm / options_.clip_norm);
        if (static_cast<Scalar>(scale) == 0) {
            throw NonFiniteError(
                "Adam::step", detail::text("expected gradients that a ", detail::scalar_name<Scalar>,
                                           " can shorten to clip_norm ", options_.clip_norm, ", got a norm of ", norm,
                                           "; nothing has changed, and zero_grad() leaves this batch out"));
        }
        return scale;
    }

    const AdamOptions& checked(const AdamOptions& options) const {
        const auto check = [&](const char* name, double value, bool valid, const char* expected) {
            this->check_option(name, value, valid && std::isfinite(value), expected);
        };
        const auto check_range = [&](const char* name, double value) {
            this->check_option(name, value, detail::in_range<Scalar>(value), detail::range_name<Scalar>);
        };
        check("learning_rate", options.learning_rate, options.learning_rate >= 0, "of 0 or more");
        check_range("learning_rate", options.learning_rate);
        check("beta1", options.beta1, options.beta1 >= 0 && options.beta1 < 1, "from 0 up to, not including, 1");
        check("beta2", options.beta2, options.beta2 >= 0 && options.beta2 < 1, "from 0 up to, not including, 1");
        check("epsilon", options.epsilon, options.epsilon >= 0, "of 0 or more");
        check_range("epsilon", options.epsilon);
        this->check_option("clip_norm", options.clip_norm, options.clip_norm > 0, "larger than 0");
        return options;
    }

    AdamOptions options_;
    Buffer<Scalar> m_;                                // first moments of all parameters, one after the other
    Buffer<Scalar> v_;                                // second moments, likewise
    std::vector<detail::AdamArrays<Scalar>> arrays_;  // of a step, one for each parameter
    std::optional<GradientNorm<Scalar>> norm_;
};

}  // namespace gacc
