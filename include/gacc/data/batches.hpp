#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/random.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/data/lazy_inputs.hpp>
#include <gacc/data/position.hpp>

#include <algorithm>
#include <concepts>
#include <numeric>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {

inline Buffer<Index> in_order(Index samples) {
    Buffer<Index> order(samples, memory::Kind::staging);
    std::iota(order.data(), order.data() + samples, Index{0});
    return order;
}

/// Walks over `count` things that `range[i]` makes when they are asked for.
template <class Range>
class IndexIterator {
public:
    using difference_type = std::ptrdiff_t;
    using value_type = typename Range::value_type;

    IndexIterator() = default;
    IndexIterator(const Range* range, Index at) : range_(range), at_(at) {}
    value_type operator*() const { return (*range_)[at_]; }
    IndexIterator& operator++() { return ++at_, *this; }
    void operator++(int) { ++at_; }
    bool operator==(const IndexIterator&) const = default;

private:
    const Range* range_ = nullptr;
    Index at_ = 0;
};

/// The labels of a batch, where its dataset has labels.
template <class Data>
struct BatchLabels {
    static BatchLabels of(Staging<Data>&, std::span<const Index>) { return {}; }
    BatchLabels part(std::size_t, std::size_t) const { return {}; }
};
template <LabelledDataset Data>
struct BatchLabels<Data> {
    std::span<const Label> labels;  ///< of each sample; valid until the next batch

    static BatchLabels of(Staging<Data>& staging, std::span<const Index> samples) {
        return {staging.gather_labels(samples)};
    }
    BatchLabels part(std::size_t first, std::size_t count) const { return {labels.subspan(first, count)}; }
};

/// The targets of a batch, where its dataset has targets.
template <class Data>
struct BatchTargets {
    BatchTargets(Staging<Data>&, std::span<const Index>) {}
};
template <TargetDataset Data>
struct BatchTargets<Data> {
    BatchTargets(Staging<Data>& staging, std::span<const Index> samples) : targets(staging, samples) {}

    LazyTargets<Data> targets;  ///< samples x target_features
};

}  // namespace detail

template <Dataset Data>
class MicroBatches;

/// Some samples of a dataset: a whole batch, or one of its micro-batches, which are batches themselves. Beside `inputs`
/// it has `labels` or `targets`, as the dataset has.
template <Dataset Data>
class Batch : public detail::BatchLabels<Data>, public detail::BatchTargets<Data> {
public:
    Batch(detail::Staging<Data>& staging, std::span<const Index> batch_samples, detail::BatchLabels<Data> batch_labels)
        : detail::BatchLabels<Data>(batch_labels), detail::BatchTargets<Data>(staging, batch_samples),
          inputs(staging, batch_samples), samples(batch_samples), staging_(&staging) {}

    Index size() const { return static_cast<Index>(samples.size()); }

    /// The batch cut into the fewest micro-batches of at most `at_most` samples, as equal as can be: 100 at most 32 are
    /// four of 25; 10 at most 4 are 4, 3, 3.
    ///
    /// Throws     UsageError if at_most < 1
    MicroBatches<Data> micro_batches(Index at_most) const { return {*this, at_most}; }

    /// Cut as planned: `plan` says a batch_size and a micro_batch, as a Plan does.
    ///
    /// Throws     UsageError if this batch is larger than the plan's
    template <class P>
    requires requires(const P& plan) {
        { plan.batch_size } -> std::convertible_to<Index>;
        { plan.micro_batch } -> std::convertible_to<Index>;
    }
    MicroBatches<Data> micro_batches(const P& plan) const {
        if (size() > plan.batch_size) {
            throw UsageError("micro_batches", detail::text("expected a batch of at most the ", plan.batch_size,
                                                           " samples of the plan, got ", size()));
        }
        return micro_batches(plan.micro_batch);
    }

    /// Samples first to first + count - 1 of this batch.
    ///
    /// Throws     UsageError if it has not so many
    Batch part(Index first, Index count) const {
        if (first < 0 || count < 0 || first > size() - count) {
            throw UsageError("Batch::part", detail::text("expected samples within the ", size(), " of the batch, got ",
                                                         count, " from ", first, " on"));
        }
        const auto from = static_cast<std::size_t>(first), size = static_cast<std::size_t>(count);
        return {*staging_, samples.subspan(from, size), detail::BatchLabels<Data>::part(from, size)};
    }

    /// All but the first `done` samples, which may be none.
    ///
    /// Throws     UsageError if it has not so many
    Batch from(Index done) const { return part(done, size() - done); }

    LazyInputs<Data> inputs;         ///< samples x features
    std::span<const Index> samples;  ///< which of the dataset they are

private:
    detail::Staging<Data>* staging_;
};

/// The micro-batches of a batch, in order.
template <Dataset Data>
class MicroBatches {
public:
    using value_type = Batch<Data>;

    MicroBatches(Batch<Data> batch, Index at_most) : batch_(batch) {
        if (at_most < 1) {
            throw UsageError("micro_batches", detail::text("expected 1 or more samples a micro-batch, got ", at_most));
        }
        count_ = batch.size() / at_most + (batch.size() % at_most != 0 ? 1 : 0);
    }

    Index size() const { return count_; }
    Batch<Data> operator[](Index i) const {
        const Index small = batch_.size() / count_,
                    larger = batch_.size() % count_;  // the first `larger` have one more
        return batch_.part(i * small + std::min(i, larger), small + (i < larger ? 1 : 0));
    }
    detail::IndexIterator<MicroBatches> begin() const& { return {this, 0}; }
    detail::IndexIterator<MicroBatches> end() const& { return {this, count_}; }
    void begin() const&& = delete;  // an iterator refers to this object
    void end() const&& = delete;

private:
    Batch<Data> batch_;
    Index count_ = 0;
};

struct BatchOptions {
    Index batch_size = 0;
    /// Leave out the last samples if they do not fill a batch.
    bool drop_last = false;
};

/// The batches of one epoch, in order. They share one place for the inputs and targets of the micro-batch in use.
template <Dataset Data>
class Batches {
public:
    using value_type = Batch<Data>;

    Batches(const Data& data, Buffer<Index> order, BatchOptions options, Index done = 0)
        : order_(std::move(order)), batch_size_(options.batch_size), staging_(data) {
        detail::check_batch_size(batch_size_);
        const auto samples = order_.size();
        const Index all = samples / batch_size_ + (samples % batch_size_ != 0 && !options.drop_last ? 1 : 0);
        first_ = std::min(done, all);
        count_ = all - first_;
    }
    Batches(const Batches&) = delete;  // its batches point to it
    Batches& operator=(const Batches&) = delete;

    Index size() const { return count_; }
    /// The batches refer to this object: of a temporary there are none, but in a `for` over it, which keeps it.
    Batch<Data> operator[](Index i) const& {
        const Index first = (first_ + i) * batch_size_, size = std::min(batch_size_, order_.size() - first);
        const auto samples = order_.span().subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size));
        return {staging_, samples, detail::BatchLabels<Data>::of(staging_, samples)};
    }
    detail::IndexIterator<Batches> begin() const& { return {this, 0}; }
    detail::IndexIterator<Batches> end() const& { return {this, count_}; }
    void operator[](Index i) const&& = delete;
    void begin() const&& = delete;
    void end() const&& = delete;

private:
    Buffer<Index> order_;  // which sample comes when
    Index batch_size_;
    Index first_ = 0;  // batches of the epoch that are done
    Index count_ = 0;  // and the others, which these are
    mutable detail::Staging<Data> staging_;
};

/// The samples in the order of the dataset.
///
/// Throws     UsageError if the batch size is less than 1
/// Example    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) { ... }
template <Dataset Data>
Batches<Data> ordered_batches(const Data& data, BatchOptions options) {
    return {data, detail::in_order(data.size()), options};
}

/// The samples in an order drawn anew at every call: one call an epoch.
template <Dataset Data>
Batches<Data> shuffled_batches(const Data& data, BatchOptions options, Rng& rng) {
    auto order = detail::in_order(data.size());
    rng.shuffle(order.span());
    return {data, std::move(order), options};
}

/// The same from a position on: the batches of this epoch that are not done, in the order that was drawn for it.
///
/// Throws     UsageError also if the position is in the middle of an epoch of other data or another batch size
template <Dataset Data>
Batches<Data> ordered_batches(const Data& data, BatchOptions options, DataPosition& position) {
    position.enter(data.size(), options.batch_size);
    return {data, detail::in_order(data.size()), options, position.batch};
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
    return {data, std::move(order), options, position.batch};
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
