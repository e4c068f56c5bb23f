#pragma once

#include <gacc/gacc.hpp>

#include <limits>

struct SignumOptions {
    double learning_rate = 1e-4;
    double clip_norm = std::numeric_limits<double>::infinity();

    template <class Self, class F>
    static void visit(Self& options, const F& f) {
        f("learning_rate", options.learning_rate, gacc::OptionRange::not_negative);
        f("clip_norm", options.clip_norm, gacc::OptionRange::above_zero);
    }
};

/// Signum: every step has the same size; its direction is the sign of the mean of past gradients.
class Signum final : public gacc::GroupedOptimizer<float, SignumOptions> {
public:
    explicit Signum(gacc::Parameters<float> parameters, const SignumOptions& options = {})
        : GroupedOptimizer("Signum", std::move(parameters), options),
          moment_(this->parameters().stored_count(), gacc::memory::Kind::moments) {}

    std::size_t state_bytes() const override { return moment_.bytes() + clipping_bytes(); }    // for gacc::plan()
    std::vector<Moments> moments() override { return {{"moment", moment_.span()}}; }           // for a Checkpoint

private:
    void update(double) override {
        const auto factor = static_cast<float>(scale());    // 1 / weight, or less where it clips
        float* moment = moment_.data();
        for (std::size_t i = 0; i < parameters().size(); ++i) {
            const auto rate = static_cast<float>(learning_rate(group_of(i)));
            const auto values = parameters()[i].stored_values(), grads = parameters()[i].materialize_grads();
            for (std::size_t k = 0; k < values.size(); ++k, ++moment) {
                *moment = 0.9F * *moment + 0.1F * factor * grads[k];
                values[k] -= *moment > 0 ? rate : *moment < 0 ? -rate : 0;
            }
        }
    }

    gacc::Buffer<float> moment_;    // of all parameters, one after the other
};
