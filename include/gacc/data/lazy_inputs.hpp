#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/view.hpp>
#include <gacc/data/dataset.hpp>

#include <algorithm>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {

/// The one place where the samples of a batch become rows of numbers. It grows to the largest micro-batch asked for.
template <Dataset Data>
class Staging {
public:
    using Scalar = typename Data::scalar_type;

    explicit Staging(const Data& data) : data_(data) {}

    std::span<const Label> gather_labels(std::span<const Index> samples) requires LabelledDataset<Data> {
        const auto count = static_cast<Index>(samples.size());
        detail::with_memory("batches", count, sizeof(Label), "labels", "use smaller batches",
                            [&] { labels_.reserve(count); });
        std::ranges::transform(samples, labels_.data(), [&](Index sample) { return label(sample); });
        return std::as_const(labels_).first(count);
    }

    ConstMatrixView<Scalar> gather_inputs(std::span<const Index> samples) {
        return gather(samples, data_.features(), inputs_, "inputs",
                      [&](Index sample, std::span<Scalar> row) { data_.copy_inputs(sample, row); });
    }

    ConstMatrixView<Scalar> gather_targets(std::span<const Index> samples) requires TargetDataset<Data> {
        return gather(samples, data_.target_features(), targets_, "targets",
                      [&](Index sample, std::span<Scalar> row) { data_.copy_targets(sample, row); });
    }

private:
    /// `copy` writes each sample into a row of `to`.
    template <class Copy>
    static ConstMatrixView<Scalar> gather(std::span<const Index> samples, Index columns, Buffer<Scalar>& to,
                                          const char* what, const Copy& copy) {
        const auto rows = static_cast<Index>(samples.size());
        const Index numbers = detail::product_of(rows, columns);
        detail::with_memory("batches", numbers, sizeof(Scalar), what, "use smaller micro-batches",
                            [&] { to.reserve(numbers); });
        for (Index row = 0; row < rows; ++row) {
            copy(samples[static_cast<std::size_t>(row)],
                 to.span().subspan(static_cast<std::size_t>(row * columns), static_cast<std::size_t>(columns)));
        }
        return {to.data(), rows, columns};
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
    Buffer<Label> labels_{memory::Kind::staging};    // of the batch
    Buffer<Scalar> inputs_{memory::Kind::staging};   // of the micro-batch, samples x features
    Buffer<Scalar> targets_{memory::Kind::staging};  // of the micro-batch, samples x target_features
};

}  // namespace detail

/// Inputs that are gathered when they are used: it turns into a ConstMatrixView, samples x features, which stays valid
/// until the inputs of another micro-batch of the same batches are used. So a batch takes the memory of its
/// micro-batches.
template <Dataset Data>
class LazyInputs {
public:
    using Scalar = typename Data::scalar_type;

    LazyInputs(detail::Staging<Data>& staging, std::span<const Index> samples)
        : staging_(&staging), samples_(samples) {}
    operator ConstMatrixView<Scalar>() const { return view(); }
    ConstMatrixView<Scalar> view() const { return staging_->gather_inputs(samples_); }

private:
    detail::Staging<Data>* staging_;
    std::span<const Index> samples_;
};

/// Targets that are gathered when they are used, likewise: samples x target_features.
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
