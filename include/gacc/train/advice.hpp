#pragma once

#include <gacc/accumulation/plan_result.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The result of advise().
struct Advice {
    /// A micro-batch that was tried.
    struct Rate {
        Index micro_batch = 0;
        double samples_per_second = 0;  ///< with the step of the whole batch
        std::size_t bytes = 0;          ///< of training, as planned
    };

    std::string unit = "samples";  ///< what samples are called
    Index batch_size = 0;
    std::size_t memory = 0;       ///< the budget; 0: none
    std::vector<Rate> rates;      ///< from the smallest micro-batch to the largest that the budget allows
    std::size_t uncut_bytes = 0;  ///< of training with the batch as one micro-batch
    Plan plan;                    ///< with the micro-batch advised
    double samples_per_second = 0;       ///< predicted for it: the mean of all the time in which it was timed
    double slowest = 0, fastest = 0;     ///< samples/s of the parts of that time, as the machine's speed changed
    std::optional<double> noise_scale;   ///< samples; nothing if the noise hid the gradient
    Index noise_batches = 0;             ///< in which it was measured
    std::optional<double> beta2;         ///< of the optimizer, if it has one

    /// Whether the batch does not fit the budget as one micro-batch.
    bool needs_accumulation() const { return memory > 0 && uncut_bytes > memory; }

    /// The beta2 with which a batch of other size forgets as many samples: beta2 to the power of size / batch_size.
    double beta2_for(Index size) const {
        return std::pow(beta2.value_or(0), static_cast<double>(size) / static_cast<double>(batch_size));
    }

    /// A table of the rates, and some lines in plain words.
    std::string description() const {
        const auto bytes = [](std::size_t count) {
            return detail::rounded(static_cast<double>(count) / 1048576, 4) + " MiB";
        };
        std::string text = "micro-batch" + detail::right(unit + "/s", 12) + detail::right("memory", 12) + '\n';
        for (const Rate& rate : rates) {
            text += detail::right(std::to_string(rate.micro_batch), 11) +
                    detail::right(whole(rate.samples_per_second), 12) + detail::right(bytes(rate.bytes), 12) + '\n';
        }
        const std::string batch = "a batch of " + std::to_string(batch_size);
        if (needs_accumulation()) {
            text += "Accumulate: " + batch + " in one piece takes " + bytes(uncut_bytes) + ", more than the " +
                    bytes(memory) + " allowed.\n";
        } else {
            text += "Accumulation is not needed: " + batch + " in one piece takes " + bytes(uncut_bytes) +
                    (memory > 0 ? ", which is allowed.\n" : ".\n");
        }
        text += detail::text(needs_accumulation() ? "Use" : "It costs nothing either, and saves memory: use",
                             " a micro-batch of ", plan.micro_batch, ", ", bytes(plan.bytes.total()), ", about ",
                             whole(samples_per_second), ' ', unit, "/s (from ", whole(slowest), " to ", whole(fastest),
                             " while it was timed).\n");
        if (plan.recomputed > 0) { text += "Some activations are computed again for lack of memory.\n"; }
        return text + about_the_batch();
    }

private:
    static std::string whole(double number) {
        return detail::grouped(static_cast<std::uint64_t>(std::llround(number)));
    }
    std::string about_the_batch() const {
        const std::string measured =
            detail::text(" (measured in the first ", noise_batches, " steps; it grows in training)");
        std::string text;
        if (noise_batches == 0) {
            text = "The noise scale was not measured.\n";
        } else if (!noise_scale) {
            text = "The noise hides the gradient" + measured + ": a larger batch will need fewer steps.\n";
        } else {
            const double scale = std::max(*noise_scale, 1.0), batch = static_cast<double>(batch_size);
            text = "Noise scale: " + whole(scale) + ' ' + unit + measured + ". ";
            if (batch > 4 * scale) {
                text += "The batch is far larger: a smaller one learns as much from fewer " + unit +
                        ", unless few steps matter more.\n";
            } else if (batch < scale / 4) {
                text += "The batch is far smaller: twice the batch needs about half the steps, for as many " + unit +
                        ".\n";
            } else {
                text += "The batch is of its size: a good balance of steps and " + unit + ".\n";
            }
        }
        if (beta2 && plan.micro_batch < batch_size) {
            text += detail::text("A step after every micro-batch of ", plan.micro_batch,
                                 " would need no gradient sums: with beta2 = ",
                                 detail::rounded(beta2_for(plan.micro_batch), 6), " in place of ",
                                 detail::rounded(*beta2, 6), ", and a smaller learning rate.\n");
        }
        return text;
    }
};

}  // namespace gacc
