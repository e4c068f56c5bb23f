#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/data/dataset.hpp>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {

/// The buffer in which the samples of a micro-batch become rows of numbers. It grows to the largest micro-batch.
template <Dataset Data>
class Staging {
public:
    using Scalar = typename Data::scalar_type;

    /// How often it holds the inputs and targets of a micro-batch, for plan().
    static constexpr Index buffers = 1;

    /// Without an epoch, an EpochDataset gives its samples as they are.
    explicit Staging(const Data& data, std::optional<Index> epoch = {}) : data_(data), epoch_(epoch) {}

    std::span<const Label> gather_labels(std::span<const Index> samples) requires LabelledDataset<Data> {
        const auto count = static_cast<Index>(samples.size());
        detail::with_memory("batches", count, sizeof(Label), "labels", "use smaller batches",
                            [&] { labels_.reserve(count); });
        std::transform(samples.begin(), samples.end(), labels_.data(), [&](Index sample) { return label(sample); });
        return std::as_const(labels_).first(count);
    }

    /// The labels of the rows of these samples.
    std::span<const Label> gather_labels(std::span<const Index> samples) requires RowLabelledDataset<Data> {
        const Index each = data_.labels_per_sample();
        return gather(samples, each, labels_, "labels",
                      [&](Index sample, std::span<Label> row) { data_.copy_labels(sample, row); });
    }

    /// `next` are the samples that will probably be asked for after these. This buffer has no use for them.
    ConstMatrixView<Scalar> gather_inputs(std::span<const Index> samples, std::span<const Index> /*next*/ = {}) {
        const Index columns = data_.features();
        const auto numbers = gather(samples, columns, inputs_, "inputs",
                                    [&](Index sample, std::span<Scalar> row) { copy_inputs(sample, row); });
        return {numbers.data(), static_cast<Index>(samples.size()), columns};
    }

    ConstMatrixView<Scalar> gather_targets(std::span<const Index> samples) requires TargetDataset<Data> {
        const Index columns = data_.target_features();
        const auto numbers = gather(samples, columns, targets_, "targets",
                                    [&](Index sample, std::span<Scalar> row) { data_.copy_targets(sample, row); });
        return {numbers.data(), static_cast<Index>(samples.size()), columns};
    }

    /// Makes room for a micro-batch.
    void reserve(Index samples) {
        reserve(inputs_, samples, data_.features(), "inputs");
        if constexpr (TargetDataset<Data>) { reserve(targets_, samples, data_.target_features(), "targets"); }
        if constexpr (RowLabelledDataset<Data>) { reserve(labels_, samples, data_.labels_per_sample(), "labels"); }
    }

private:
    template <class T>
    static void reserve(Buffer<T>& to, Index rows, Index columns, const char* what) {
        const Index numbers = detail::product_of(rows, columns);
        detail::with_memory("batches", numbers, sizeof(T), what, "use smaller micro-batches",
                            [&] { to.reserve(numbers); });
    }
    /// Fills `to`: `copy` writes each sample into a row.
    template <class T, class Copy>
    static std::span<const T> gather(std::span<const Index> samples, Index columns, Buffer<T>& to, const char* what,
                                     const Copy& copy) {
        const auto rows = static_cast<Index>(samples.size());
        reserve(to, rows, columns, what);
        for (Index row = 0; row < rows; ++row) {
            copy(samples[static_cast<std::size_t>(row)],
                 to.span().subspan(static_cast<std::size_t>(row * columns), static_cast<std::size_t>(columns)));
        }
        return std::as_const(to).first(rows * columns);
    }
    void copy_inputs(Index sample, std::span<Scalar> row) const {
        if constexpr (EpochDataset<Data>) {
            if (epoch_) { return data_.copy_inputs(sample, row, *epoch_); }
        }
        data_.copy_inputs(sample, row);
    }
    Label label(Index sample) const requires LabelledDataset<Data> {
        const auto label = data_.label(sample);
        if constexpr (sizeof(label) >= sizeof(Label)) {
            if (!std::in_range<Label>(label)) {
                throw DataError("batches",
                                text("expected labels that a Label holds, got ", label, " for sample ", sample));
            }
        }
        return static_cast<Label>(label);
    }

    const Data& data_;
    std::optional<Index> epoch_;
    Buffer<Label> labels_{memory::Kind::staging};    // of the batch, or of the micro-batch if rows have labels
    Buffer<Scalar> inputs_{memory::Kind::staging};   // of the micro-batch, samples x features
    Buffer<Scalar> targets_{memory::Kind::staging};  // of the micro-batch, samples x target_features
};

}  // namespace detail

/// Inputs that are gathered when they are used. It converts to a ConstMatrixView, samples x features. The view is valid
/// until the inputs of another micro-batch of the same batches are used. So a batch takes only the memory of a
/// micro-batch.
template <Dataset Data>
class LazyInputs {
public:
    using Scalar = typename Data::scalar_type;

    /// `next` are the samples of the micro-batch after this one, if they are known.
    LazyInputs(detail::Staging<Data>& staging, std::span<const Index> samples, std::span<const Index> next = {})
        : staging_(&staging), samples_(samples), next_(next) {}
    operator ConstMatrixView<Scalar>() const { return view(); }
    ConstMatrixView<Scalar> view() const { return staging_->gather_inputs(samples_, next_); }

private:
    detail::Staging<Data>* staging_;
    std::span<const Index> samples_, next_;
};

/// The labels of all rows, sample by sample. They are gathered when they are used, in the same way. It converts to a
/// span.
template <RowLabelledDataset Data>
class LazyLabels {
public:
    LazyLabels(detail::Staging<Data>& staging, std::span<const Index> samples)
        : staging_(&staging), samples_(samples) {}
    operator std::span<const Label>() const { return view(); }
    std::span<const Label> view() const { return staging_->gather_labels(samples_); }

    /// The labels of some of the samples.
    LazyLabels part(std::size_t first, std::size_t count) const { return {*staging_, samples_.subspan(first, count)}; }

private:
    detail::Staging<Data>* staging_;
    std::span<const Index> samples_;
};

/// Targets that are gathered when they are used, in the same way: samples x target_features.
template <TargetDataset Data>
class LazyTargets {
public:
    using Scalar = typename Data::scalar_type;

    LazyTargets(detail::Staging<Data>& staging, std::span<const Index> samples)
        : staging_(&staging), samples_(samples) {}
    operator ConstMatrixView<Scalar>() const { return view(); }
    ConstMatrixView<Scalar> view() const { return staging_->gather_targets(samples_); }

private:
    detail::Staging<Data>* staging_;
    std::span<const Index> samples_;
};

}  // namespace gacc
