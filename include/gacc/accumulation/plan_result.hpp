#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

/// How batches are cut, and the bytes that training takes: parameters, gradients, moments, activations, and the buffers
/// of the loss and the other parts that plan() was given. It does not count the data themselves, nor what predict() and
/// a loss's value() take while they run: the activations of one block of samples, and the logits of one block of rows.
struct Plan {
    Index batch_size = 0;        ///< the size of the dataset if that is smaller
    Index micro_batch = 0;       ///< samples of the largest micro-batch
    Index micro_batches = 0;     ///< of a batch
    memory::Bytes bytes;         ///< by kind
    std::size_t memory = 0;      ///< the budget; 0: none
    bool more_fits = false;      ///< a larger micro-batch would fit, but only cost memory
    std::size_t recomputed = 0;  ///< activations that are dropped and computed again
    std::size_t activations = 0;
    double more_work = 0;  ///< multiply-adds for them, divided by those of training without recomputation

    /// A table.
    std::string description() const {
        std::string text = detail::text("batch of ", batch_size, " = ", micro_batches, " micro-batch",
                                        micro_batches == 1 ? "" : "es", " of at most ", micro_batch, '\n');
        const auto row = [&](std::string name, std::size_t number) {
            name.resize(18, ' ');
            const std::string digits = detail::grouped(number);
            text += name + std::string(18 - std::min<std::size_t>(digits.size(), 18), ' ') + digits + " bytes\n";
        };
        for (std::size_t i = 0; i < memory::kinds; ++i) {
            if (bytes[memory::Kind(i)] > 0) { row(memory::kind_names[i], bytes[memory::Kind(i)]); }
        }
        row("in all", bytes.total());
        if (memory > 0) { row("of a budget of", memory); }
        if (more_fits) { text += "a larger micro-batch would fit, but only cost memory: it is walked in blocks\n"; }
        if (recomputed > 0) {
            text += detail::text(recomputed, " of ", activations,
                                 " activations are computed again: ", std::lround(100 * more_work), " % more work\n");
        }
        return text;
    }
};

}  // namespace gacc
