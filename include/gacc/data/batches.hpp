#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>
#include <gacc/data/batch.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/data/lazy_inputs.hpp>
#include <gacc/data/position.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

struct BatchOptions {
    Index batch_size = 0;
    /// Drops the last batch if it is smaller than batch_size.
    bool drop_last = false;
};

/// The batches of one epoch, in order. They share one buffer for the inputs and targets of the micro-batch in use.
template <Dataset Data>
class Batches {
public:
    using value_type = Batch<Data>;

    Batches(const Data& data, Buffer<Index> order, BatchOptions options, Index done = 0, std::optional<Index> epoch = {})
        : order_(std::move(order)), batch_size_(options.batch_size), staging_(data, epoch) {
        detail::check_batch_size(batch_size_);
        const auto samples = order_.size();
        const Index all = samples / batch_size_ + (samples % batch_size_ != 0 && !options.drop_last ? 1 : 0);
        first_ = std::min(done, all);
        count_ = all - first_;
    }
    Batches(const Batches&) = delete;  // its batches point to it
    Batches& operator=(const Batches&) = delete;

    Index size() const { return count_; }
    /// Not for a temporary object, since batches refer to it. A `for` over a temporary keeps it alive.
    Batch<Data> operator[](Index i) const& {
        const auto samples = samples_of(i), next = i + 1 < count_ ? samples_of(i + 1) : std::span<const Index>();
        return {staging_, samples, detail::BatchLabels<Data>::of(staging_, samples), next};
    }
    detail::IndexIterator<Batches> begin() const& { return {this, 0}; }
    detail::IndexIterator<Batches> end() const& { return {this, count_}; }
    void operator[](Index i) const&& = delete;
    void begin() const&& = delete;
    void end() const&& = delete;

private:
    std::span<const Index> samples_of(Index i) const {
        const Index first = (first_ + i) * batch_size_, size = std::min(batch_size_, order_.size() - first);
        return order_.span().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size));
    }

    Buffer<Index> order_;  // the samples in their order
    Index batch_size_;
    Index first_ = 0;  // batches of the epoch that are done
    Index count_ = 0;  // batches of the epoch that are left
    mutable detail::Staging<Data> staging_;
};

namespace detail {

inline Buffer<Index> in_order(Index samples) {
    Buffer<Index> order(samples, memory::Kind::staging);
    std::iota(order.data(), order.data() + samples, Index{0});
    return order;
}

}  // namespace detail

/// The samples in the order of the dataset.
///
/// Throws     UsageError if the batch size is less than 1
/// Example    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) { ... }
template <Dataset Data>
Batches<Data> ordered_batches(const Data& data, BatchOptions options) {
    return {data, detail::in_order(data.size()), options};
}

/// The samples in an order that is drawn anew at every call. Call it once an epoch. An EpochDataset needs a position.
template <Dataset Data>
Batches<Data> shuffled_batches(const Data& data, BatchOptions options, Rng& rng) {
    static_assert(!EpochDataset<Data>,
                  "gacc: shuffled_batches: expected a DataPosition, since these samples differ from epoch to epoch; "
                  "call shuffled_batches(data, options, rng, position)");
    auto order = detail::in_order(data.size());
    rng.shuffle(order.span());
    return {data, std::move(order), options};
}

/// The same, from a position on: the batches of this epoch that are not done, in the order that was drawn for it.
///
/// Throws     UsageError also if the position is in the middle of an epoch of other data or another batch size
template <Dataset Data>
Batches<Data> ordered_batches(const Data& data, BatchOptions options, DataPosition& position) {
    position.enter(data.size(), options.batch_size);
    return {data, detail::in_order(data.size()), options, position.batch, position.epoch};
}
template <Dataset Data>
Batches<Data> shuffled_batches(const Data& data, BatchOptions options, Rng& rng, DataPosition& position) {
    position.enter(data.size(), options.batch_size);
    auto order = detail::in_order(data.size());
    if (position.drawn) {
        position.order.copy().shuffle(order.span());
    } else {
        position.order = rng.copy();
        position.drawn = true;
        rng.shuffle(order.span());
    }
    return {data, std::move(order), options, position.batch, position.epoch};
}

template <Dataset Data>
Batches<Data> ordered_batches(const Data&& data, BatchOptions options) = delete;  // the batches would outlive the data
template <Dataset Data>
Batches<Data> shuffled_batches(const Data&& data, BatchOptions options, Rng& rng) = delete;
template <Dataset Data>
Batches<Data> ordered_batches(const Data&& data, BatchOptions options, DataPosition& position) = delete;
template <Dataset Data>
Batches<Data> shuffled_batches(const Data&& data, BatchOptions options, Rng& rng, DataPosition& position) = delete;

}  // namespace gacc
