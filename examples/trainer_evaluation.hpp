#pragma once

// What gacc-mnist and gacc-images find on their test images.

#include <gacc/gacc.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "ranks.hpp"

struct Evaluation {
    double loss = 0;  // mean of a sample
    double accuracy = 0;
};

/// The ranks share the batches. The losses are added up in the order of the samples, so the result has the same bits on
/// any number of ranks.
template <class Loss, class Data>
Evaluation evaluate(const gacc::Sequential<float>& model, const Loss& loss, const Data& test, Ranks& ranks) {
    constexpr Index size = 128;
    std::vector<float> losses(static_cast<std::size_t>(test.size()));  // those of other ranks are 0 until the end
    Index correct = 0, number = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = size})) {
        const Index first = number++ * size;
        if (first / size % ranks.count() != ranks.rank()) { continue; }
        const auto outputs = model.predict(batch.inputs);
        correct += gacc::count_correct(outputs, batch.labels);
        std::ranges::copy(loss.value(outputs, batch.labels).losses, losses.begin() + first);
    }
    ranks.processes().unite(std::as_writable_bytes(std::span(losses)));
    double sum = 0;
    for (const float each : losses) { sum += static_cast<double>(each); }
    const auto samples = static_cast<double>(test.size());
    return {sum / samples, static_cast<double>(ranks.sum(correct)) / samples};
}
