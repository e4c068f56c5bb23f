#pragma once

// --log and --tensorboard: what a trainer writes after each step.

#include <gacc/gacc.hpp>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trainer_settings.hpp"

/// Writes a line after each step to the files that the settings name; without them it does nothing. It measures the
/// noise scale and the norm of the gradient only for a log, and changes no bit of the training. On several ranks all measure,
/// and the first one writes the figures of the whole batch.
template <class Optimizer>
class TrainerLog {
public:
    /// `unit` is what is counted in a second: "samples" or "tokens"; there are so many in a sample.
    TrainerLog(const TrainerSettings& settings, const Optimizer& optimizer, bool writes, std::string unit, Index units = 1)
        : optimizer_(optimizer), unit_(std::move(unit)), units_(units),
          sees_batch_(optimizer.parameters().tally().empty()) {
        if (settings.log.empty() && settings.tensorboard.empty()) { return; }
        noise_ = std::make_unique<gacc::NoiseScale<float>>(optimizer.parameters());
        norm_ = std::make_unique<gacc::GradientNorm<float>>(optimizer.parameters());
        if (!writes) { return; }
        if (settings.log.ends_with(".csv")) {
            logs_.push_back(std::make_unique<gacc::CsvLog>(
                settings.log, std::vector<std::string>{"loss", "learning_rate", "batch", "gradient_norm", "noise_scale",
                                                       unit_ + "_per_second", "live_bytes", "peak_bytes",
                                                       "validation/loss", "validation/accuracy"}));
        } else if (!settings.log.empty()) {
            logs_.push_back(std::make_unique<gacc::JsonLinesLog>(settings.log));
        }
        if (!settings.tensorboard.empty()) { logs_.push_back(std::make_unique<gacc::TensorBoardLog>(settings.tensorboard)); }
    }

    /// model.backward(gradient), measured.
    void backward(gacc::Sequential<float>& model, const gacc::LossGradient<float>& gradient) {
        noise_ ? noise_->backward(model, gradient) : model.backward(gradient);
    }
    /// The last backward has left the batch.
    void leave_out() {
        if (noise_) { noise_->leave_out(); }
    }
    /// With the losses of a micro-batch, or of the batch.
    void add(const gacc::LossValue<float>& value) {
        if (noise_) { loss_.add(value); }
    }
    /// Before the step, with what measures the gradients of all ranks: see Group::step.
    template <class Joined>
    void before_step(Joined& joined) {
        if (!noise_) { return; }
        if (std::exchange(sees_batch_, true)) { joined.end_batch(*noise_); }
        const auto& tally = optimizer_.parameters().tally();
        length_ = joined.norm(*norm_) / tally.weight();
        samples_ = tally.samples();
    }
    /// After the step, or where there was none, and after the losses.
    void after_step() {
        if (!noise_ || samples_ == 0) { return; }
        const auto now = Clock::now();
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        gacc::LogLine line(optimizer_.steps());
        line.add("loss", loss_.mean())
            .add("learning_rate", optimizer_.options().learning_rate)
            .add("batch", static_cast<double>(samples_))
            .add("gradient_norm", length_)
            .add(unit_ + "_per_second", static_cast<double>(samples_ * units_) / seconds)
            .add("live_bytes", static_cast<double>(gacc::memory::live().total()))
            .add("peak_bytes", static_cast<double>(gacc::memory::peak_total()));
        if (const auto scale = noise_->value()) { line.add("noise_scale", *scale); }
        loss_ = gacc::MeanLoss();
        samples_ = 0;
        write(line);
    }
    /// What a validation found, such as {"validation/loss", 0.25}. Its time does not count.
    void validation(std::initializer_list<std::pair<const char*, double>> found) {
        if (is_on()) {
            gacc::LogLine line(optimizer_.steps());
            for (const auto& [name, value] : found) { line.add(name, value); }
            write(line);
        }
        last_ = Clock::now();
    }
    /// Whether the settings ask for a log.
    bool is_on() const { return noise_ != nullptr; }

private:
    using Clock = std::chrono::steady_clock;

    void write(const gacc::LogLine& line) {
        for (const auto& log : logs_) { log->write(line); }
    }

    const Optimizer& optimizer_;
    std::string unit_;
    Index units_;
    std::vector<std::unique_ptr<gacc::Log>> logs_;
    std::unique_ptr<gacc::NoiseScale<float>> noise_;  // none without a log
    std::unique_ptr<gacc::GradientNorm<float>> norm_;
    gacc::MeanLoss loss_;       // of this batch
    bool sees_batch_;           // not if it was resumed in its middle
    Index samples_ = 0;         // of the batch before its step
    double length_ = 0;         // of its mean gradient
    Clock::time_point last_ = Clock::now();
};
