#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/random.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/data/same_targets.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct AugmentationOptions {
    Index crop_padding = 4;           ///< the most pixels by which an image is moved, in each of the four directions
    bool flip = true;                 ///< exchange left and right in half of the images
    std::vector<double> mean{};       ///< of each channel, subtracted from its numbers
    std::vector<double> deviation{};  ///< of each channel; the difference is divided by it
    std::uint64_t seed = 0;           ///< of the random numbers
};

/// What an augmented image shows: pixel (row, column) is pixel (row + down, column + right) of the original, or black
/// outside of it. A flipped image is the mirror image of that.
struct ImageMove {
    Index down = 0, right = 0;
    bool flipped = false;
};

/// Images of another dataset, each moved and flipped at random in every epoch, then normalised by channel. To move an
/// image is to pad it with zeros on all sides and to cut an image of the same size out of the result.
///
/// The moves are drawn from a counter: the seed, the epoch and the sample of the dataset. So an image is the same for
/// every cut of the batch, any order and number of threads, and after a resume in the middle of an epoch.
///
/// The epoch comes from the DataPosition that you give to shuffled_batches() or ordered_batches(). ordered_batches()
/// without a position gives the images as they are, normalised, for validation; so does copy_inputs(sample, row), and
/// fingerprint() is of these. shuffled_batches() without a position does not compile, since every epoch would be the
/// same.
///
/// It copies no image and takes no memory: it refers to the dataset, which must outlive it. Labels and targets stay as
/// they are.
///
/// Shapes     samples of {height, width, channels}, channels last
/// Throws     ShapeError if the samples of the data are no such images; UsageError if an option is out of its range
/// Source     He et al. 2015, arXiv:1512.03385, section 4.2 (padding 4, crop, flip)
/// Example    const gacc::AugmentedImages train(images, {32, 32, 3}, {.mean = {0.49, 0.48, 0.45},
///                                                                    .deviation = {0.25, 0.24, 0.26}});
///            for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 128}, rng, position)) { ... }
template <Dataset Data>
class AugmentedImages : public detail::SameTargets<Data> {
    using Base = detail::SameTargets<Data>;
    using Base::data_;

public:
    using scalar_type = typename Data::scalar_type;

    AugmentedImages(const Data& data, const Shape& image, AugmentationOptions options = {})
        : Base(data), options_(std::move(options)) {
        check_image(image);
        height_ = image[0];
        width_ = image[1];
        channels_ = image[2];
        check_options();
        for (const double mean : options_.mean) { mean_.push_back(static_cast<scalar_type>(mean)); }
        for (const double deviation : options_.deviation) { deviation_.push_back(static_cast<scalar_type>(deviation)); }
    }
    AugmentedImages(const Data&& data, const Shape& image, AugmentationOptions options = {}) = delete;

    /// The image as it is, normalised.
    void copy_inputs(Index sample, std::span<scalar_type> row) const {
        data_->copy_inputs(sample, row);
        normalize(row);
    }
    /// The image as it is in this epoch.
    void copy_inputs(Index sample, std::span<scalar_type> row, Index epoch) const {
        data_->copy_inputs(sample, row);
        move(row, drawn(sample, epoch));
        normalize(row);
    }

    /// How the image is moved in this epoch.
    ImageMove drawn(Index sample, Index epoch) const {
        const auto low = [](std::uint64_t number) { return static_cast<std::uint32_t>(number); };
        const auto image = static_cast<std::uint64_t>(sample), time = static_cast<std::uint64_t>(epoch);
        // The last counter is 0 in Rng, and has its highest bit set in Dropout. So the words differ from theirs.
        const auto words = philox4x32({low(image), low(image >> 32), low(time), 0x4000'0000U ^ low(time >> 32)},
                                      {low(options_.seed), low(options_.seed >> 32)});
        return {offset(words[0]), offset(words[1]), options_.flip && words[2] >> 31 == 1};
    }

private:
    void check_image(const Shape& image) const {
        if (image.size() != 3 || *std::min_element(image.begin(), image.end()) < 1 ||
            elements(image) != data_->features()) {
            throw ShapeError("AugmentedImages",
                             detail::text("expected the {height, width, channels} of the ", data_->features(),
                                          " numbers of a sample, got ", to_string(image)));
        }
    }
    void check_options() const {
        const auto& [crop_padding, flip, mean, deviation, seed] = options_;
        const auto channels = static_cast<std::size_t>(channels_);
        const Index most = std::min(height_, width_) - 1;
        if (crop_padding < 0 || crop_padding > most) {
            throw UsageError("AugmentedImages", detail::text("expected a crop_padding from 0 to ", most,
                                                             " for these images, got ", crop_padding));
        }
        if (mean.size() != deviation.size() || (!mean.empty() && mean.size() != channels)) {
            throw UsageError("AugmentedImages",
                             detail::text("expected a mean and a deviation for each of the ", channels,
                                          " channels, or none, got ", mean.size(), " and ", deviation.size()));
        }
        for (std::size_t i = 0; i < mean.size(); ++i) {
            if (!std::isfinite(static_cast<scalar_type>(mean[i])) ||
                !std::isnormal(static_cast<scalar_type>(deviation[i]))) {
                throw UsageError("AugmentedImages",
                                 detail::text("expected a finite mean and a deviation other than 0, got ", mean[i],
                                              " and ", deviation[i], " for channel ", i));
            }
        }
    }

    /// From -crop_padding to crop_padding, each equally likely but for 2^-32.
    Index offset(std::uint32_t word) const {
        const std::uint64_t choices = 2 * static_cast<std::uint64_t>(options_.crop_padding) + 1;
        return static_cast<Index>(choices * word >> 32) - options_.crop_padding;
    }

    void move(std::span<scalar_type> image, const ImageMove& by) const {
        const auto width = static_cast<std::size_t>(width_ * channels_);
        shift(image, by.down * width_ * channels_);
        for (std::size_t first = 0; first < image.size(); first += width) {
            const auto row = image.subspan(first, width);
            shift(row, by.right * channels_);
            if (by.flipped) { flip(row); }
        }
    }

    /// numbers[i] = numbers[i + by], or 0 if there is no such number.
    static void shift(std::span<scalar_type> numbers, Index by) {
        if (by >= 0) {
            const auto end = std::copy(numbers.begin() + by, numbers.end(), numbers.begin());
            std::fill(end, numbers.end(), scalar_type(0));
        } else {
            const auto begin = std::copy_backward(numbers.begin(), numbers.end() + by, numbers.end());
            std::fill(numbers.begin(), begin, scalar_type(0));
        }
    }

    /// Exchanges left and right in a row of pixels.
    void flip(std::span<scalar_type> row) const {
        Index left = 0, right = (width_ - 1) * channels_;
        for (; left < right; left += channels_, right -= channels_) {
            std::swap_ranges(row.begin() + left, row.begin() + left + channels_, row.begin() + right);
        }
    }

    void normalize(std::span<scalar_type> image) const {
        if (mean_.empty()) { return; }
        for (std::size_t first = 0; first < image.size(); first += mean_.size()) {
            for (std::size_t i = 0; i < mean_.size(); ++i) {
                image[first + i] = (image[first + i] - mean_[i]) / deviation_[i];
            }
        }
    }

    Index height_ = 0, width_ = 0, channels_ = 0;
    AugmentationOptions options_;
    std::vector<scalar_type> mean_, deviation_;  // of each channel, or empty
};

}  // namespace gacc
