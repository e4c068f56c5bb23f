#pragma once

#include <gacc/core/error.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/data/lazy_inputs.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>

namespace gacc::inline GACC_ABI {

namespace detail {

/// Iterates over range[0], ..., range[count - 1], which are made when they are read.
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

/// The labels of a batch, if its dataset has labels.
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
template <RowLabelledDataset Data>
struct BatchLabels<Data> {
    LazyLabels<Data> labels;  ///< of each row of each sample; valid until those of another micro-batch are used

    static BatchLabels of(Staging<Data>& staging, std::span<const Index> samples) { return {{staging, samples}}; }
    BatchLabels part(std::size_t first, std::size_t count) const { return {labels.part(first, count)}; }
};

/// The targets of a batch, if its dataset has targets.
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

/// Some samples of a dataset: a whole batch or one of its micro-batches. It has `inputs`, and `labels` or `targets` as
/// the dataset has.
template <Dataset Data>
class Batch : public detail::BatchLabels<Data>, public detail::BatchTargets<Data> {
public:
    /// `next` are the samples of the batch after this one; empty if there is none or it is not known.
    Batch(detail::Staging<Data>& staging, std::span<const Index> batch_samples, detail::BatchLabels<Data> batch_labels,
          std::span<const Index> next = {})
        : detail::BatchLabels<Data>(batch_labels), detail::BatchTargets<Data>(staging, batch_samples),
          inputs(staging, batch_samples, next), samples(batch_samples), staging_(&staging), next_(next) {}

    Index size() const { return static_cast<Index>(samples.size()); }

    /// Cuts the batch into the fewest micro-batches of at most `at_most` samples, as equal as possible: 100 samples
    /// with at_most 32 give 4 x 25; 10 samples with at_most 4 give 4, 3, 3.
    ///
    /// Throws     UsageError if at_most < 1
    MicroBatches<Data> micro_batches(Index at_most) const { return {*this, at_most}; }

    /// Cuts the batch as planned: `plan` has a batch_size and a micro_batch, like a Plan.
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
    /// Throws     UsageError if it has fewer samples
    Batch part(Index first, Index count) const {
        if (first < 0 || count < 0 || first > size() - count) {
            throw UsageError("Batch::part", detail::text("expected samples within the ", size(), " of the batch, got ",
                                                         count, " from ", first, " on"));
        }
        return part(first, count, first + count == size() ? next_ : std::span<const Index>());
    }

    /// All samples but the first `done`; there may be none left.
    ///
    /// Throws     UsageError if it has fewer samples
    Batch from(Index done) const { return part(done, size() - done); }

    LazyInputs<Data> inputs;         ///< samples x features
    std::span<const Index> samples;  ///< their indices in the dataset

private:
    friend class MicroBatches<Data>;

    Batch part(Index first, Index count, std::span<const Index> next) const {
        const auto from = static_cast<std::size_t>(first), size = static_cast<std::size_t>(count);
        return {*staging_, samples.subspan(from, size), detail::BatchLabels<Data>::part(from, size), next};
    }

    detail::Staging<Data>* staging_;
    std::span<const Index> next_;
};

namespace detail {

/// Some samples cut into the fewest parts of at most `at_most`, as equal as possible.
struct EqualParts {
    Index samples, at_most;

    Index count() const { return samples / at_most + (samples % at_most != 0 ? 1 : 0); }
    /// The first sample of part i, or the end if there are i parts.
    Index first(Index i) const {
        const Index parts = count(), small = samples / parts,
                    larger = samples % parts;  // the first `larger` parts have one sample more
        return i * small + std::min(i, larger);
    }
};

}  // namespace detail

/// The micro-batches of a batch, in order.
template <Dataset Data>
class MicroBatches {
public:
    using value_type = Batch<Data>;

    MicroBatches(Batch<Data> batch, Index at_most) : batch_(batch), parts_{batch.size(), at_most} {
        if (at_most < 1) {
            throw UsageError("micro_batches", detail::text("expected 1 or more samples a micro-batch, got ", at_most));
        }
        count_ = parts_.count();
    }

    Index size() const { return count_; }
    Batch<Data> operator[](Index i) const {
        const Index first = parts_.first(i), end = parts_.first(i + 1);
        return batch_.part(first, end - first, i + 1 < count_ ? samples(i + 1) : first_of_next_batch());
    }
    detail::IndexIterator<MicroBatches> begin() const& { return {this, 0}; }
    detail::IndexIterator<MicroBatches> end() const& { return {this, count_}; }
    void begin() const&& = delete;  // an iterator refers to this object
    void end() const&& = delete;

private:
    std::span<const Index> samples(Index i) const {
        const Index first = parts_.first(i), end = parts_.first(i + 1);
        return batch_.samples.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first));
    }
    /// The samples of the next batch's first micro-batch, if that batch is cut as this one.
    std::span<const Index> first_of_next_batch() const {
        if (batch_.next_.empty()) { return {}; }
        const detail::EqualParts next{static_cast<Index>(batch_.next_.size()), parts_.at_most};
        return batch_.next_.first(static_cast<std::size_t>(next.first(1)));
    }

    Batch<Data> batch_;
    detail::EqualParts parts_;
    Index count_ = 0;
};

}  // namespace gacc
