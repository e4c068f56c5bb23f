#pragma once

#include <gacc/accumulation/plan.hpp>
#include <gacc/core/error.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/train/advice.hpp>
#include <gacc/train/trial.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

struct AdviseOptions {
    Index batch_size = 128;
    std::size_t memory = 0;    ///< the budget in bytes; 0: none
    double seconds = 1;        ///< for each micro-batch that is tried, and three times as long again for the one advised
    double noise_seconds = 5;  ///< of training for the noise scale; 0: it is not measured
    std::string unit = "samples";  ///< what samples are called, such as "sequences"
};

/// Says whether accumulation helps here, and with which micro-batch: it measures the noise scale in the first steps of a
/// training, plans the memory of micro-batches, and measures their samples/s. It works on a copy of the model, which is
/// trained with what `make_optimizer(parameters)` returns; the model itself stays as it is.
///
/// The speed of a machine changes from second to second. So the micro-batches are timed in turns, and compared by their
/// medians. The one advised is the smallest that is within 3 % of the fastest: a larger one would only take memory. It is
/// then timed for three times as long again. The samples/s predicted are the mean of all its time, with the interruptions
/// by other programs that a run has too, and with a NonFiniteGuard that stops.
///
/// Throws     UsageError if an option is out of its range, or there are no data; MemoryError if the budget cannot be met;
///            NonFiniteError if the training meets a loss or gradient that is not finite
/// Example    const auto advice = gacc::advise({.batch_size = 1024, .memory = 64 * gacc::MiB}, model, loss,
///                                             [](auto parameters) { return gacc::Adam(parameters); }, train);
///            std::cout << advice.description();
template <class Scalar, class Loss, class MakeOptimizer, Dataset Data>
Advice advise(const AdviseOptions& options, const Sequential<Scalar>& model, const Loss& loss,
              const MakeOptimizer& make_optimizer, const Data& data) {
    if (!(options.seconds >= 0 && options.noise_seconds >= 0)) {
        throw UsageError("advise", "expected seconds of 0 or more, got less");
    }
    if (data.size() == 0) { throw UsageError("advise", "expected data to train on, got no samples"); }
    detail::Trial<Scalar, Loss, MakeOptimizer, Data> trial(model, loss, make_optimizer, data);
    const auto cut = [&](Index micro_batch) {
        return PlanOptions{.batch_size = options.batch_size, .micro_batch = micro_batch, .memory = options.memory};
    };
    Advice advice;
    advice.memory = options.memory;
    const Plan largest = trial.plan(cut(0));
    advice.unit = options.unit;
    advice.batch_size = largest.batch_size;
    advice.uncut_bytes = trial.plan({.batch_size = options.batch_size,
                                     .micro_batch = largest.batch_size,
                                     .recomputation = Recomputation::never})
                             .bytes.total();
    for (const auto& option : trial.optimizer().named_options()) {
        if (option.name == "beta2") { advice.beta2 = option.value; }
    }
    // First, so that the run that is predicted follows soon after what was timed.
    if (options.noise_seconds > 0) {
        const auto noise = trial.noise(
            std::clamp<Index>(std::min<Index>(largest.micro_batch, 32), 1, std::max<Index>(data.size() / 8, 1)),
            options.noise_seconds);
        advice.noise_batches = noise.batches;
        advice.noise_scale = noise.scale;
    }

    std::vector<Plan> plans;
    const auto add_plan = [&](Index micro_batch) { plans.push_back(trial.plan(cut(micro_batch))); };
    for (Index size = std::max<Index>(largest.micro_batch / 64, 1); size < largest.micro_batch; size *= 2) {
        add_plan(size);
    }
    add_plan(largest.micro_batch);
    constexpr std::size_t rounds = 5;
    std::vector<std::vector<double>> rates(plans.size());
    std::vector<detail::TrialTimes> times(plans.size());
    const auto time = [&](std::size_t i) {
        const auto found = trial.time(cut(plans[i].micro_batch), options.seconds / static_cast<double>(rounds));
        rates[i].push_back(found.samples_per_second(advice.batch_size));
        times[i].add(found);
    };
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < plans.size(); ++i) { time(i); }
    }
    double best = 0;
    for (std::size_t i = 0; i < plans.size(); ++i) {
        std::ranges::sort(rates[i]);
        const double median = rates[i][rounds / 2];
        best = std::max(best, median);
        advice.rates.push_back({plans[i].micro_batch, median, plans[i].bytes.total()});
    }
    const auto chosen = static_cast<std::size_t>(
        std::ranges::find_if(advice.rates, [&](const auto& rate) { return rate.samples_per_second >= 0.97 * best; }) -
        advice.rates.begin());
    advice.plan = plans[chosen];
    for (std::size_t round = 0; round < 3 * rounds; ++round) { time(chosen); }
    advice.samples_per_second = times[chosen].samples_per_second(advice.batch_size);
    const auto [slowest, fastest] = std::ranges::minmax(rates[chosen]);
    advice.slowest = std::min(slowest, advice.samples_per_second);  // parts do not weigh the same in the mean
    advice.fastest = std::max(fastest, advice.samples_per_second);
    return advice;
}

}  // namespace gacc
