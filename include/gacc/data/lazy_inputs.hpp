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

    std::span<const Label> gather_labels(std::span<const Index> samples) {
        const auto count = static_cast<Index>(samples.size());
        detail::with_memory("batches", count, sizeof(Label), "labels", "use smaller batches",
                            [&] { labels_.reserve(count); });
        std::ranges::transform(samples, labels_.data(), [&](Index sample) { return label(sample); });
        return std::as_const(labels_).first(count);
    }

    ConstMatrixView<Scalar> gather_inputs(std::span<const Index> samples) {
        const auto rows = static_cast<Index>(samples.size());
        const Index numbers = detail::product_of(rows, data_.features());
        detail::with_memory("batches", numbers, sizeof(Scalar), "inputs", "use smaller micro-batches",
                            [&] { inputs_.reserve(numbers); });
        for (Index row = 0; row < rows; ++row) {
            data_.copy_inputs(samples[static_cast<std::size_t>(row)],
                              inputs_.span().subspan(static_cast<std::size_t>(row * data_.features()),
                                                     static_cast<std::size_t>(data_.features())));
        }
        return {inputs_.data(), rows, data_.features()};
    }

private:
    Label label(Index sample) const {
        const auto label = data_.label(sample);
        if constexpr (sizeof(label) >= sizeof(Label)) {
            if (!std::in_range<Label>(label)) {
                throw DataError("batches", text("expected labels that a Label holds, got ", label, " for sample ", sample));
            }
        }
        return static_cast<Label>(label);
    }

    const Data& data_;
    Buffer<Label> labels_{memory::Kind::staging};   // of the batch
    Buffer<Scalar> inputs_{memory::Kind::staging};  // of the micro-batch, samples x features
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

}  // namespace gacc
