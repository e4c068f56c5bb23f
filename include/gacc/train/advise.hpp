#pragma once

#include <gacc/accumulation/loss_inputs.hpp>
#include <gacc/accumulation/noise_scale.hpp>
#include <gacc/accumulation/plan.hpp>
#include <gacc/core/clock.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/random.hpp>
#include <gacc/data/batches.hpp>
#include <gacc/data/position.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/optimizer.hpp>
#include <gacc/train/advice.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct AdviseOptions {
    Index batch_size = 128;
    std::size_t memory = 0;    ///< the budget in bytes; 0: none
    double seconds = 1;        ///< for each micro-batch that is tried
    double noise_seconds = 5;  ///< of training for the noise scale; 0: it is not measured
    std::string unit = "samples";  ///< what samples are called, such as "sequences"
};

namespace detail {

/// A copy of a model in training, for measuring.
template <class Scalar, class Loss, class MakeOptimizer, Dataset Data>
class Trial {
public:
    Trial(const Sequential<Scalar>& model, const Loss& loss, const MakeOptimizer& make_optimizer, const Data& data)
        : model_(model), loss_(loss), optimizer_(make_optimizer(model_.parameters())), data_(data) {}

    Plan plan(const PlanOptions& options) { return gacc::plan(options, model_, loss_, optimizer_, data_); }
    const auto& optimizer() const { return optimizer_; }

    /// The samples a second of batches of `batch_size` that are cut so: the median time of a micro-batch, and that of a
    /// step. Whole batches can take long.
    double rate(const Plan& plan, double most_seconds) {
        std::vector<double> micro_batches, steps;
        const auto start = Clock::now();
        const auto enough = [&] {
            return steps.size() >= 3 && micro_batches.size() >= 5 && since(start) > most_seconds;
        };
        const Index batch_size = std::min<Index>(plan.batch_size, 4 * plan.micro_batch);
        Index samples = plan.micro_batch;
        while (!enough()) {
            for (const auto& batch : shuffled_batches(data_, {.batch_size = batch_size}, rng_, position_)) {
                for (const auto& micro : batch.micro_batches(plan.micro_batch)) {
                    const auto begin = Clock::now();
                    samples = micro.size();
                    pass(micro, [&](const auto& gradient) { model_.backward(gradient); });
                    if (samples == plan.micro_batch) { micro_batches.push_back(since(begin)); }
                }
                const auto begin = Clock::now();
                step();
                steps.push_back(since(begin));
                position_.end_batch();
                if (enough()) { break; }
            }
            position_ = DataPosition();
            if (micro_batches.empty()) { break; }  // no data for one
        }
        if (micro_batches.empty()) { return 0; }
        micro_batches.erase(micro_batches.begin());  // which allocates
        const double seconds = static_cast<double>(plan.micro_batches) * median(micro_batches) + median(steps);
        return static_cast<double>(plan.batch_size) / std::max(seconds, 1e-12);
    }

    /// Trains for so many seconds with batches of 8 of these micro-batches, and measures.
    void measure_noise(Index micro_batch, double most_seconds, Advice& advice) {
        NoiseScale<Scalar> noise(optimizer_.parameters(), {.half_life = std::numeric_limits<double>::infinity()});
        const auto start = Clock::now();
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
                more = noise.estimates() > 0 && (noise.estimates() < 8 || since(start) < most_seconds);
                if (!more) { break; }
            }
        }
        advice.noise_batches = noise.estimates();
        advice.noise_scale = noise.value();
        if (advice.noise_scale) { *advice.noise_scale /= static_cast<double>(rows_of(model_.output_shape())); }
    }

private:
    template <class Micro, class Backward>
    void pass(const Micro& micro, const Backward& backward) {
        if constexpr (TargetDataset<Data>) {
            loss_.forward(forward_for(loss_, model_, micro.inputs), micro.targets);
        } else {
            loss_.forward(forward_for(loss_, model_, micro.inputs), micro.labels);
        }
        backward(loss_.backward());
    }
    void step() {
        optimizer_.step();
        optimizer_.zero_grad();
    }
    static double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
    static double median(std::vector<double>& numbers) {
        if (numbers.empty()) { return 0; }
        const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
        std::nth_element(numbers.begin(), middle, numbers.end());
        return *middle;
    }

    Sequential<Scalar> model_;
    Loss loss_;
    std::invoke_result_t<const MakeOptimizer&, Parameters<Scalar>> optimizer_;
    const Data& data_;
    Rng rng_{1};
    DataPosition position_;
};

}  // namespace detail

/// Says whether accumulation helps here, and with which micro-batch: it measures samples/s over micro-batches, plans
/// their memory, and measures the noise scale in the first steps of a training. It works on copies of the model, which
/// are trained with what `make_optimizer(parameters)` returns; the model itself stays as it is.
///
/// The micro-batch advised is the smallest that is within 3 % of the fastest: a larger one would only take memory.
///
/// Throws     UsageError if an option is out of its range; MemoryError if the budget cannot be met
/// Example    const auto advice = gacc::advise({.batch_size = 1024, .memory = 64 * gacc::MiB}, model, loss,
///                                             [](auto parameters) { return gacc::Adam(parameters); }, train);
///            std::cout << advice.description();
template <class Scalar, class Loss, class MakeOptimizer, Dataset Data>
Advice advise(const AdviseOptions& options, const Sequential<Scalar>& model, const Loss& loss,
              const MakeOptimizer& make_optimizer, const Data& data) {
    using Trial = detail::Trial<Scalar, Loss, MakeOptimizer, Data>;
    if (!(options.seconds >= 0 && options.noise_seconds >= 0)) {
        throw UsageError("advise", "expected seconds of 0 or more, got less");
    }
    Advice advice;
    advice.memory = options.memory;
    const auto trial = [&] { return Trial(model, loss, make_optimizer, data); };
    const auto cut = [&](Index micro_batch) {
        return PlanOptions{.batch_size = options.batch_size, .micro_batch = micro_batch, .memory = options.memory};
    };
    const Plan largest = trial().plan(cut(0));
    advice.unit = options.unit;
    advice.batch_size = largest.batch_size;
    advice.uncut_bytes = trial().plan({.batch_size = options.batch_size,
                                       .micro_batch = largest.batch_size,
                                       .recomputation = Recomputation::never})
                             .bytes.total();
    std::vector<Index> sizes;
    for (Index size = std::max<Index>(largest.micro_batch / 64, 1); size < largest.micro_batch; size *= 2) {
        sizes.push_back(size);
    }
    sizes.push_back(largest.micro_batch);
    double best = 0;
    std::vector<Plan> plans;
    for (const Index size : sizes) {
        Trial measured = trial();
        plans.push_back(measured.plan(cut(size)));
        const double rate = measured.rate(plans.back(), options.seconds);
        best = std::max(best, rate);
        advice.rates.push_back({plans.back().micro_batch, rate, plans.back().bytes.total()});
    }
    const auto chosen = std::ranges::find_if(
        advice.rates, [&](const auto& rate) { return rate.samples_per_second >= 0.97 * best; });
    advice.plan = plans[static_cast<std::size_t>(chosen - advice.rates.begin())];
    advice.samples_per_second = chosen->samples_per_second;

    Trial training = trial();
    for (const auto& option : training.optimizer().named_options()) {
        if (option.name == "beta2") { advice.beta2 = option.value; }
    }
    if (options.noise_seconds > 0) {
        training.measure_noise(std::max<Index>(std::min(advice.plan.micro_batch, data.size() / 8), 1),
                               options.noise_seconds, advice);
    }
    return advice;
}

}  // namespace gacc
