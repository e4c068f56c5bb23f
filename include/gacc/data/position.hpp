#pragma once

#include <gacc/core/random.hpp>
#include <gacc/core/state.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {

inline void check_batch_size(Index batch_size) {
    if (batch_size < 1) { throw UsageError("batches", text("expected a batch_size of 1 or more, got ", batch_size)); }
}

}  // namespace detail

/// How far training has come. After an interruption it continues here, also in the middle of a batch. It counts the
/// samples of the batch, not its micro-batches, so it can continue with another cut.
///
/// Example    for (; position.epoch < epochs; position.end_epoch()) {
///                for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 128}, rng, position)) {
///                    for (const auto& micro : batch.from(position.sample).micro_batches(32)) {
///                        ...
///                        position.end_micro_batch(micro.size());
///                    }
///                    ...
///                    position.end_batch();
///                }
///            }
struct DataPosition {
    Index epoch = 0;   ///< epochs done
    Index batch = 0;   ///< batches of this epoch done
    Index sample = 0;  ///< samples of this batch done
    Rng order;         ///< the generator as it was before it drew the order of this epoch's samples
    bool drawn = false;
    Index data_size = 0;   ///< samples of the epoch
    Index batch_size = 0;  ///< samples of a batch

    /// Call it before the batches of an epoch, or before the rest of them.
    ///
    /// Throws     UsageError if the position is in the middle of an epoch of other data or another batch size
    void enter(Index samples, Index samples_a_batch) {
        detail::check_batch_size(samples_a_batch);
        if ((batch > 0 || sample > 0 || drawn) && (samples != data_size || samples_a_batch != batch_size)) {
            throw UsageError("batches",
                             detail::text("expected the ", data_size, " samples in batches of ", batch_size,
                                          " that this position is in, got ", samples, " in batches of ", samples_a_batch));
        }
        data_size = samples;
        batch_size = samples_a_batch;
    }

    void end_micro_batch(Index samples) { sample += samples; }
    void end_batch() {
        ++batch;
        sample = 0;
    }
    void end_epoch() {
        ++epoch;
        batch = sample = 0;
        drawn = false;
    }

    State state() const {
        using detail::word;
        return {word(epoch),     word(batch),      word(sample), drawn ? 1U : 0U,
                word(data_size), word(batch_size), order.seed(), order.drawn()};
    }
    /// Throws     DataError if no training can reach the position: batches or samples beyond those of its data, or more
    ///            than 2^40 epochs
    void set_state(std::span<const std::uint64_t> words) {
        const auto where = "DataPosition", what = "a position in the data";
        detail::check_state(where, words.size() == 8 && words[3] <= 1 && words[0] <= most_epochs, what);
        DataPosition position;
        position.epoch = detail::count(where, words[0], what);
        position.batch = detail::count(where, words[1], what);
        position.sample = detail::count(where, words[2], what);
        position.drawn = words[3] == 1;
        position.data_size = detail::count(where, words[4], what);
        position.batch_size = detail::count(where, words[5], what);
        detail::check_state(where, position.is_within_its_data(), what);
        position.order.set_state(words.subspan(6));
        *this = std::move(position);
    }

private:
    /// No computer does more: they take 12 days at a microsecond an epoch.
    static constexpr std::uint64_t most_epochs = std::uint64_t{1} << 40;

    bool is_within_its_data() const {
        if (batch == 0 && sample == 0) { return true; }
        if (data_size < 1 || batch_size < 1) { return false; }
        const Index batches = (data_size - 1) / batch_size + 1;  // the last may be smaller
        if (sample == 0) { return batch <= batches; }
        return batch < batches && sample <= std::min(batch_size, data_size - batch * batch_size);
    }
};

}  // namespace gacc
