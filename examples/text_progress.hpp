#pragma once

// The progress of a training by steps, on standard error.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

#include "trainer_results.hpp"

struct StepProgressOptions {
    Index steps = 1;
    Index steps_done = 0;  ///< by the run that this one resumes
    bool live = false;     ///< a line that is redrawn
};

/// Loss, tokens/s and the time left; a line for each validation. The time of validations does not count.
class StepProgress {
public:
    StepProgress(std::ostream& out, StepProgressOptions options)
        : out_(out), options_(options), done_(options.steps_done) {}

    /// Call it after each micro-batch, with the mean loss since the last validation.
    void add(Index tokens, double loss) {
        tokens_ += tokens;
        const auto now = Clock::now();
        if (!options_.live || now - drawn_ < std::chrono::milliseconds(100)) { return; }
        drawn_ = now;
        const auto filled = static_cast<std::size_t>(24 * std::min(done_, options_.steps) / options_.steps);
        out_ << "\r\x1b[K" << place(done_ + 1) << "  " << std::string(filled, '#') << std::string(24 - filled, '.')
             << "  loss " << fixed(loss, 4) << rest() << std::flush;
    }
    void end_step() { ++done_; }

    /// Calls validate(), and writes the line.
    template <class F>
    void validation(double loss, const F& validate) {
        const auto start = Clock::now();
        const double validation_loss = validate();
        if (options_.live) { out_ << "\r\x1b[K"; }
        out_ << place(done_) << "  loss " << fixed(loss, 4) << "  validation loss " << fixed(validation_loss, 4)
             << rest(start) << '\n'
             << std::flush;
        start_ += Clock::now() - start;
    }

    double tokens_per_second() const { return tokens_per_second(Clock::now()); }

private:
    using Clock = std::chrono::steady_clock;

    double seconds(Clock::time_point now) const {
        return std::max(std::chrono::duration<double>(now - start_).count(), 1e-9);
    }
    double tokens_per_second(Clock::time_point now) const { return static_cast<double>(tokens_) / seconds(now); }
    std::string place(Index step) const {
        return "step " + std::to_string(step) + '/' + std::to_string(options_.steps);
    }
    std::string rest(Clock::time_point now = Clock::now()) const {
        std::string text = "  " + grouped(static_cast<std::uint64_t>(tokens_per_second(now))) + " tokens/s";
        const Index made = done_ - options_.steps_done;
        if (made > 0) {
            const double left = seconds(now) * static_cast<double>(options_.steps - done_) / static_cast<double>(made);
            text += "  " + (left < 120 ? fixed(left, 0) + " s" : fixed(left / 60, 0) + " min") + " left";
        }
        return text;
    }

    std::ostream& out_;
    StepProgressOptions options_;
    Index done_ = 0;    // steps
    Index tokens_ = 0;  // seen by this run
    Clock::time_point start_ = Clock::now(), drawn_ = start_;
};
