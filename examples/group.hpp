#pragma once

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ranks.hpp"

/// One training on all ranks. Each computes its lanes of every batch.
class Group {
public:
    /// The model and the optimizer are the same on all ranks, and so are the batches.
    ///
    /// Throws     UsageError if there are fewer lanes than ranks, or the ranks differ
    Group(Ranks& ranks, gacc::Sequential<float>& model, gacc::Optimizer<float>& optimizer, Index lanes)
        : ranks_(ranks), training_(make_training(ranks.processes(), model, optimizer, lanes)) {
        const gacc::Shape outputs = model.output_shape();
        for (std::size_t i = 0; i + 1 < outputs.size(); ++i) { rows_ *= outputs[i]; }
    }

    /// This rank's lanes of a batch.
    template <class Data>
    gacc::LaneBatch<float, Data> share(const gacc::Batch<Data>& batch) {
        samples_ = batch.samples;
        if (ranks_.count() > 1) {
            numbers_.assign(static_cast<std::size_t>(2 * batch.size() * rows_ + ranks_.count()), 0.0F);
        }
        return std::visit([&](auto& training) { return training->share(batch); }, training_);
    }

    /// Calls add(value) with the losses of a micro-batch. On several ranks that waits for the end of the batch, so that they
    /// are added in the order of its samples.
    template <class Micro, class Add>
    void add(const Micro& micro, const gacc::LossValue<float>& value, const Add& add) {
        if (ranks_.count() == 1) { return add(value); }
        const Index first = (micro.samples.data() - samples_.data()) * rows_;
        std::ranges::copy(value.losses, numbers_.begin() + first);
        std::ranges::copy(value.weights, numbers_.begin() + static_cast<Index>(samples_.size()) * rows_ + first);
    }

    /// Joins the gradients, calls prepare() and measure(joined), and makes a step, unless all samples were left out.
    /// prepare() sees the gradients of this rank. joined.end_batch(noise) and joined.norm(norm) are those of all ranks.
    template <class Prepare, class Measure>
    void step(const Prepare& prepare, const Measure& measure) {
        std::visit([&](auto& training) { training->step(prepare, measure); }, training_);
    }

    /// Call it after the step, with the signal that this rank has got, or 0. Returns the signal of the first rank with
    /// one: the same on all. On several ranks it calls add() with the losses of the batch.
    template <class Add>
    int end_batch(int signal, const Add& add) {
        if (ranks_.count() == 1) { return signal; }
        const std::size_t rows = samples_.size() * static_cast<std::size_t>(rows_);
        const std::span numbers(numbers_), signals = numbers.subspan(2 * rows);
        signals[static_cast<std::size_t>(ranks_.rank())] = static_cast<float>(signal);
        ranks_.processes().unite(std::as_writable_bytes(numbers));
        add(gacc::LossValue<float>{.losses = numbers.first(rows), .weights = numbers.subspan(rows, rows)});
        const auto got = std::ranges::find_if(signals, [](float each) { return each != 0; });
        return got == signals.end() ? 0 : static_cast<int>(*got);
    }

    /// Saves a checkpoint once, on the first rank. Call it on all.
    template <class Checkpoint>
    void save(const Checkpoint& checkpoint, const std::filesystem::path& path, const gacc::Settings& notes) {
        std::visit([&](auto& training) { training->save(checkpoint, path, notes); }, training_);
    }

    /// Checks that all ranks have the same settings. Otherwise one could wait for another that has ended.
    ///
    /// Throws     UsageError that names the first that differs
    void expect_same(const gacc::Settings& settings) {
        for (const auto& setting : settings) {
            const std::uint64_t number = number_of(setting.second);
            std::visit([&](auto& training) { training->expect_same(setting.first, number); }, training_);
        }
    }

    /// Whether a checkpoint can be saved between two micro-batches of a batch, and not only after the step.
    bool saves_in_batch() const { return lanes() == 1; }
    Ranks& ranks() { return ranks_; }
    // For the plan: see gacc::Lanes.
    Index lanes() const {
        return std::visit([](const auto& training) { return training->lanes(); }, training_);
    }
    std::size_t bytes() const {
        return std::visit([](const auto& training) { return training->bytes(); }, training_);
    }

private:
    /// The number that the text is, or else a checksum of the text.
    static std::uint64_t number_of(const std::string& text) {
        const bool digits = text.find_first_not_of("0123456789") == text.npos;
        if (digits && !text.empty() && text.size() < 19) { return std::stoull(text); }
        gacc::Crc64 sum;
        sum.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
        return sum.value();
    }

    Ranks& ranks_;
    Training training_;
    Index rows_ = 1;                  // losses of a sample
    std::span<const Index> samples_;  // of the batch
    std::vector<float> numbers_;      // of the batch: losses, weights, and the signal of each rank
};
