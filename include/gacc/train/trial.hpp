#pragma once

#include <gacc/accumulation/loss_inputs.hpp>
#include <gacc/accumulation/noise_scale.hpp>
#include <gacc/accumulation/non_finite_guard.hpp>
#include <gacc/accumulation/plan.hpp>
#include <gacc/core/clock.hpp>
#include <gacc/core/random.hpp>
#include <gacc/data/batches.hpp>
#include <gacc/data/position.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/optimizer.hpp>

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// What a training took, in all: the mean has the interruptions by other programs, as a run has them.
struct TrialTimes {
    double pass_seconds = 0;  ///< of micro-batches: their data, forward and backward
    Index samples = 0;
    double step_seconds = 0;
    Index steps = 0;

    /// Batches of `batch_size` have a step each. These may have had more.
    double samples_per_second(Index batch_size) const {
        const auto size = static_cast<double>(batch_size);
        const double seconds = pass_seconds / static_cast<double>(std::max<Index>(samples, 1)) * size +
                               step_seconds / static_cast<double>(std::max<Index>(steps, 1));
        return size / std::max(seconds, 1e-12);
    }
    void add(const TrialTimes& other) {
        pass_seconds += other.pass_seconds;
        samples += other.samples;
        step_seconds += other.step_seconds;
        steps += other.steps;
    }
};

struct TrialNoise {
    Index batches = 0;
    std::optional<double> scale;  ///< samples
};

/// A copy of a model in training, for measuring. Its training goes on from one call to the next.
template <class Scalar, class Loss, class MakeOptimizer, Dataset Data>
class Trial {
public:
    Trial(const Sequential<Scalar>& model, const Loss& loss, const MakeOptimizer& make_optimizer, const Data& data)
        : model_(model), loss_(loss), optimizer_(make_optimizer(model_.parameters())), data_(data) {}

    Plan plan(const PlanOptions& options) { return gacc::plan(options, model_, loss_, optimizer_, data_); }
    const auto& optimizer() const { return optimizer_; }

    /// Trains as planned for so many seconds, and ends with a step, be the batch whole or not: whole ones can take long.
    /// At least two micro-batches, of which the first one, which allocates, does not count.
    TrialTimes time(const PlanOptions& options, double seconds) {
        const Plan planned = plan(options);
        TrialTimes times;
        Clock::time_point start, last = Clock::now();
        const auto lap = [&] {
            const auto before = std::exchange(last, Clock::now());
            return std::chrono::duration<double>(last - before).count();
        };
        bool warm = false;
        const auto enough = [&] { return times.samples > 0 && last - start >= std::chrono::duration<double>(seconds); };
        while (!enough()) {
            position_ = DataPosition();
            for (const auto& batch : shuffled_batches(data_, {.batch_size = planned.batch_size}, rng_, position_)) {
                for (const auto& micro : batch.micro_batches(planned)) {
                    pass(micro, [&](const auto& gradient) { model_.backward(gradient); });
                    const double took = lap();
                    if (std::exchange(warm, true)) {
                        times.pass_seconds += took;
                        times.samples += micro.size();
                    } else {
                        start = last;
                    }
                    if (enough()) { break; }
                }
                step();
                times.step_seconds += lap();
                ++times.steps;
                position_.end_batch();
                if (enough()) { break; }
            }
        }
        return times;
    }

    /// Trains for so many seconds with batches of 8 micro-batches, and measures.
    TrialNoise noise(Index micro_batch, double most_seconds) {
        plan({.batch_size = 8 * micro_batch, .micro_batch = micro_batch});
        NoiseScale<Scalar> noise(optimizer_.parameters(), {.half_life = std::numeric_limits<double>::infinity()});
        const auto start = Clock::now();
        const auto enough = [&] {
            return noise.estimates() >= 8 && Clock::now() - start >= std::chrono::duration<double>(most_seconds);
        };
        bool more = true;
        for (position_ = DataPosition(); more; position_ = DataPosition()) {
            more = false;
            for (const auto& batch : shuffled_batches(data_, {.batch_size = 8 * micro_batch}, rng_, position_)) {
                for (const auto& micro : batch.micro_batches(micro_batch)) {
                    pass(micro, [&](const auto& gradient) { noise.backward(model_, gradient); });
                }
                noise.end_batch();
                step();
                position_.end_batch();
                more = noise.estimates() > 0 && !enough();
                if (!more) { break; }
            }
        }
        TrialNoise found{noise.estimates(), noise.value()};
        if (found.scale) { *found.scale /= static_cast<double>(rows_of(model_.output_shape())); }
        return found;
    }

private:
    template <class Micro, class Backward>
    void pass(const Micro& micro, const Backward& backward) {
        if constexpr (TargetDataset<Data>) {
            guard_.accepts(loss_.forward(forward_for(loss_, model_, micro.inputs), micro.targets));
        } else {
            guard_.accepts(loss_.forward(forward_for(loss_, model_, micro.inputs), micro.labels));
        }
        backward(loss_.backward());
    }
    void step() {
        guard_.accepts_gradients();
        optimizer_.step();
        optimizer_.zero_grad();
    }

    Sequential<Scalar> model_;
    Loss loss_;
    std::invoke_result_t<const MakeOptimizer&, Parameters<Scalar>> optimizer_;
    NonFiniteGuard<Scalar> guard_{optimizer_};
    const Data& data_;
    Rng rng_{1};
    DataPosition position_;
};

}  // namespace gacc::detail
