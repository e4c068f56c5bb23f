#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/tensor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Samples that can be copied, one at a time, into a row of a micro-batch.
template <class D>
concept Samples = requires(const D& data, Index sample, std::span<typename D::scalar_type> row) {
    { data.size() } -> std::convertible_to<Index>;
    { data.features() } -> std::convertible_to<Index>;
    data.copy_inputs(sample, row);  // writes features() numbers
};

/// Samples of classes. Their batches have `labels`.
template <class D>
concept LabelledDataset = Samples<D> && requires(const D& data, Index sample) {
    { data.label(sample) } -> std::integral;  // a class, from 0; a float would be truncated
};

/// Samples with several rows, each with its own class, like the tokens of a text. Their batches have `labels` too.
template <class D>
concept RowLabelledDataset =
    Samples<D> && !LabelledDataset<D> && requires(const D& data, Index sample, std::span<Label> labels) {
    { data.labels_per_sample() } -> std::convertible_to<Index>;
    data.copy_labels(sample, labels);  // writes labels_per_sample() classes
};

/// Samples with rows of numbers as targets. Their batches have `targets`.
template <class D>
concept TargetDataset = Samples<D> && requires(const D& data, Index sample, std::span<typename D::scalar_type> row) {
    { data.target_features() } -> std::convertible_to<Index>;
    data.copy_targets(sample, row);  // writes target_features() numbers
};

/// Your own type is a dataset if it has the calls of one of these three concepts, or labels and targets.
template <class D>
concept Dataset = LabelledDataset<D> || RowLabelledDataset<D> || TargetDataset<D>;

/// Samples that differ from epoch to epoch, such as images that are moved at random. Batches that know their
/// DataPosition ask for those of its epoch. Other batches ask for copy_inputs(sample, row).
template <class D>
concept EpochDataset =
    Samples<D> && requires(const D& data, Index sample, std::span<typename D::scalar_type> row, Index epoch) {
    data.copy_inputs(sample, row, epoch);  // writes features() numbers
};

namespace detail {

inline void check_label_count(const char* where, Index samples, Index labels) {
    if (samples != labels) {
        throw DataError(where, text("expected a label for each of ", samples, " samples, got ", labels));
    }
}

}  // namespace detail

/// Numbers in memory, used as they are, with labels.
///
/// Shapes     inputs samples x features;  labels samples
/// Throws     DataError if there are not as many labels as samples
template <class Scalar = float>
class TensorDataset {
public:
    using scalar_type = Scalar;

    TensorDataset(Tensor<Scalar> inputs, std::vector<Label> labels)
        : inputs_(std::move(inputs)), labels_(std::move(labels)) {
        detail::check_label_count("TensorDataset", inputs_.samples(), static_cast<Index>(labels_.size()));
    }

    Index size() const { return inputs_.samples(); }
    Index features() const { return inputs_.features(); }
    Label label(Index sample) const { return labels_[static_cast<std::size_t>(sample)]; }
    void copy_inputs(Index sample, std::span<Scalar> row) const {
        std::copy_n(inputs_.data() + sample * features(), features(), row.data());
    }

private:
    Tensor<Scalar> inputs_;
    std::vector<Label> labels_;
};

/// Maps a pixel p of 0 to 255 to (p / 255 - mean) / deviation. The default gives -1 to 1.
struct PixelScaling {
    double mean = 0.5;
    double deviation = 0.5;
};

/// Images that stay bytes in memory. They become numbers only in the micro-batch that uses them.
///
/// Shapes     pixels samples x height x width (or any other sizes);  labels samples
/// Throws     DataError if there are not as many labels as images; UsageError if mean or deviation is out of range
template <class Scalar = float>
class ImageDataset {
public:
    using scalar_type = Scalar;

    ImageDataset(Tensor<std::uint8_t> pixels, Tensor<std::uint8_t> labels, PixelScaling scaling = {})
        : pixels_(std::move(pixels)), labels_(std::move(labels)) {
        detail::check_label_count("ImageDataset", pixels_.samples(), labels_.samples());
        const auto mean = static_cast<Scalar>(scaling.mean), deviation = static_cast<Scalar>(scaling.deviation);
        if (!std::isfinite(mean) || !std::isnormal(deviation)) {
            throw UsageError("ImageDataset", detail::text("expected a finite mean and a deviation other than 0, got ",
                                                          scaling.mean, " and ", scaling.deviation));
        }
        for (std::size_t pixel = 0; pixel < scaled_.size(); ++pixel) {
            scaled_[pixel] = (static_cast<Scalar>(pixel) / Scalar(255) - mean) / deviation;
        }
    }

    Index size() const { return pixels_.samples(); }
    Index features() const { return pixels_.features(); }
    Label label(Index sample) const { return labels_.data()[sample]; }
    void copy_inputs(Index sample, std::span<Scalar> row) const {
        const std::uint8_t* pixel = pixels_.data() + sample * features();
        for (Scalar& number : row) { number = scaled_[*pixel++]; }
    }

    const Tensor<std::uint8_t>& pixels() const { return pixels_; }

private:
    Tensor<std::uint8_t> pixels_;
    Tensor<std::uint8_t> labels_;
    std::array<Scalar, 256> scaled_{};  // the number of each pixel value
};

}  // namespace gacc
