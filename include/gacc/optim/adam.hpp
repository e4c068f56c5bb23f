#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/simd.hpp>
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
/// Range      a mean gradient below 3e-16 (float) or 1e-146 (double) counts as 0: its square is no normal number
/// Defaults   those of the paper, learning rate 0.001; no clipping
/// Throws     UsageError if an option is out of its range; step() throws Error if it clips and a gradient is not finite
/// Source     Kingma and Ba 2015, arXiv:1412.6980, algorithm 1
/// Example    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-3F});
template <class Scalar = float>
class Adam : public Optimizer<Scalar> {
public:
    explicit Adam(Parameters<Scalar> parameters, AdamOptions options = {})
        : Optimizer<Scalar>("Adam", std::move(parameters)), options_(checked(options)),
          m_(this->parameters().stored_count(), memory::Kind::moments), v_(m_.size(), memory::Kind::moments) {
        arrays_.reserve(this->parameters().size());
        if (std::isfinite(options.clip_norm)) { norm_.emplace(this->parameters()); }
    }

    std::size_t state_bytes() const override { return m_.bytes() + v_.bytes() + (norm_ ? norm_->bytes() : 0); }

    std::vector<typename Optimizer<Scalar>::Moments> moments() override {
        return {{"first_moments", m_.span()}, {"second_moments", v_.span()}};
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

    const AdamOptions& options() const { return options_; }
    /// From the next step on.
    void set_learning_rate(double learning_rate) {
        AdamOptions options = options_;
        options.learning_rate = learning_rate;
        options_ = checked(options);
    }

private:
    void update(double weight) override {
        const auto t = static_cast<double>(this->steps());
        const detail::AdamStep<Scalar> step{
            .scale = static_cast<Scalar>(1 / std::max(weight, weight_to_clip())),
            .beta1 = static_cast<Scalar>(options_.beta1),
            .beta2 = static_cast<Scalar>(options_.beta2),
            .rest1 = static_cast<Scalar>(1 - options_.beta1),
            .rest2 = static_cast<Scalar>(1 - options_.beta2),
            .step_size = static_cast<Scalar>(options_.learning_rate / (1 - std::pow(options_.beta1, t))),
            .root_scale = static_cast<Scalar>(1 / std::sqrt(1 - std::pow(options_.beta2, t))),
            .epsilon = static_cast<Scalar>(options_.epsilon)};
        arrays_.clear();
        Index offset = 0;
        for (auto& parameter : this->parameters()) {
            const auto values = parameter.stored_values();
            const auto size = static_cast<Index>(values.size());
            arrays_.push_back({values.data(), parameter.stored_grads().data(), m_.data() + offset, v_.data() + offset,
                               size / detail::Simd<Scalar>::lanes});
            offset += size;
        }
        detail::adam_update<Scalar>(step, arrays_);
    }

    /// Dividing the gradients by at least this keeps their mean's norm within clip_norm.
    double weight_to_clip() {
        if (!norm_) { return 0; }
        const double norm = (*norm_)();
        if (!std::isfinite(norm)) {
            throw Error("Adam::step", detail::text("expected gradients with a finite norm, got ", norm,
                                                   "; nothing has changed, and zero_grad() leaves this batch out"));
        }
        return norm / options_.clip_norm;
    }

    const AdamOptions& checked(const AdamOptions& options) const {
        const auto check = [&](const char* name, double value, bool valid, const char* expected) {
            this->check_option(name, value, valid && std::isfinite(value), expected);
        };
        check("learning_rate", options.learning_rate, options.learning_rate >= 0, "of 0 or more");
        check("beta1", options.beta1, options.beta1 >= 0 && options.beta1 < 1, "from 0 up to, not including, 1");
        check("beta2", options.beta2, options.beta2 >= 0 && options.beta2 < 1, "from 0 up to, not including, 1");
        check("epsilon", options.epsilon, options.epsilon >= 0, "of 0 or more");
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
