#pragma once

#include <gacc/core/clock.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cstdio>
#include <ostream>
#include <string>

namespace gacc::inline GACC_ABI {

struct ProgressOptions {
    Index epochs = 1;
    Index samples_per_epoch = 0;
    Index samples_done = 0;  ///< samples done by the run that this one resumes
    bool live = false;       ///< one line that is redrawn, for a terminal; else one line an epoch
    bool color = false;      ///< a dim bar, only if live
};

/// Shows the progress of training: loss, samples/s and the time left.
///
/// Example    progress.add(micro.size(), loss.mean());  ...  progress.end_epoch(loss.mean());
class Progress {
public:
    Progress(std::ostream& out, ProgressOptions options)
        : out_(out), options_(options), start_(Clock::now()), epoch_start_(start_), drawn_(start_) {
        if (options_.samples_per_epoch > 0) { epochs_done_ = options_.samples_done / options_.samples_per_epoch; }
    }

    /// Call it after each micro-batch, with its samples and the mean loss of the epoch so far.
    void add(Index samples, double loss) {
        in_epoch_ += samples;
        seen_ += samples;
        if (options_.live && Clock::now() - drawn_ >= std::chrono::milliseconds(100)) { draw(loss); }
    }

    /// Ends the epoch with its mean loss, and writes its line.
    void end_epoch(double loss) {
        end_epoch(loss, [] { return ""; });
    }
    /// The same, with what `more` returns at the end of the line, such as an accuracy. Its time does not count.
    template <class More>
    void end_epoch(double loss, const More& more) {
        const double seconds = since(epoch_start_);
        ++epochs_done_;
        if (options_.live) { out_ << "\r\x1b[K"; }
        out_ << place(epochs_done_) << "  loss " << number("%.4f", loss) << "  " << rate(in_epoch_, seconds) << "  "
             << number("%.1f", seconds) << " s" << more() << '\n'
             << std::flush;
        in_epoch_ = 0;
        epoch_start_ = Clock::now();
    }

private:
    using Clock = detail::Clock;

    void draw(double loss) {
        constexpr Index width = 24;
        drawn_ = Clock::now();
        const Index done = options_.samples_done + seen_;
        const Index all = std::max<Index>(options_.epochs * options_.samples_per_epoch, 1);
        const auto filled = static_cast<std::size_t>(std::min(width, width * done / all));
        const double seconds = since(start_);
        const double left =
            seen_ > 0 && done < all ? seconds * static_cast<double>(all - done) / static_cast<double>(seen_) : 0;
        out_ << "\r\x1b[K" << place(epochs_done_ + 1) << "  " << (options_.color ? "\x1b[2m" : "")
             << std::string(filled, '#') << std::string(std::size_t{width} - filled, '.')
             << (options_.color ? "\x1b[0m" : "") << "  loss " << number("%.4f", loss) << "  " << rate(seen_, seconds)
             << "  " << number("%.0f", left) << " s left" << std::flush;
    }

    std::string place(Index epoch) const { return detail::text("epoch ", epoch, "/", options_.epochs); }

    static std::string rate(Index samples, double seconds) {
        return detail::grouped(static_cast<std::uint64_t>(static_cast<double>(samples) / std::max(seconds, 1e-9))) +
               " samples/s";
    }
    static std::string number(const char* format, double value) {
        char text[64];
        std::snprintf(text, sizeof text, format, value);
        return text;
    }
    static double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

    std::ostream& out_;
    ProgressOptions options_;
    Index epochs_done_ = 0;
    Index in_epoch_ = 0;  // samples seen in this epoch
    Index seen_ = 0;      // samples seen in all
    Clock::time_point start_, epoch_start_, drawn_;
};

}  // namespace gacc
