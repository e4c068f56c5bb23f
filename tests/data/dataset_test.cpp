#include <gacc/data/dataset.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace dataset_test {

using gacc::DataError;
using gacc::ImageDataset;
using gacc::Index;
using gacc::Label;
using gacc::Tensor;
using gacc::TensorDataset;

namespace {

template <class Scalar>
Tensor<Scalar> tensor(gacc::Shape shape, const std::vector<Scalar>& numbers) {
    Tensor<Scalar> out(std::move(shape));
    std::ranges::copy(numbers, out.data());
    return out;
}

template <class Data>
auto inputs(const Data& data, Index sample) {
    std::vector<typename Data::scalar_type> row(static_cast<std::size_t>(data.features()));
    data.copy_inputs(sample, row);
    return row;
}

/// One sample of all 256 pixel values.
template <class Scalar = float>
ImageDataset<Scalar> all_pixel_values(gacc::PixelScaling scaling = {}) {
    std::vector<std::uint8_t> pixels(256);
    std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
    return {tensor<std::uint8_t>({1, 16, 16}, pixels), tensor<std::uint8_t>({1}, {0}), scaling};
}

/// Sample i has the label i and the inputs i and 10 i.
struct OwnType {
    using scalar_type = double;
    Index size() const { return 5; }
    Index features() const { return 2; }
    Label label(Index sample) const { return static_cast<Label>(sample); }
    void copy_inputs(Index sample, std::span<double> row) const {
        row[0] = static_cast<double>(sample);
        row[1] = static_cast<double>(10 * sample);
    }
};

struct WithoutLabels {
    using scalar_type = double;
    Index size() const { return 5; }
    Index features() const { return 2; }
    void copy_inputs(Index, std::span<double>) const {}
};

/// A regression target used as a label by mistake.
struct RealLabels : OwnType {
    float label(Index) const { return 0.5F; }
};

struct ByteLabels : OwnType {
    std::uint8_t label(Index) const { return 1; }
};

}  // namespace

TEST_CASE("Dataset: a label is an integer, since a real number would be cut off") {
    CHECK(gacc::Dataset<ByteLabels>);
    CHECK_FALSE(gacc::Dataset<RealLabels>);
}

TEST_CASE("Dataset: is any type with the four calls, and none without") {
    CHECK(gacc::Dataset<TensorDataset<float>>);
    CHECK(gacc::Dataset<ImageDataset<double>>);
    CHECK(gacc::Dataset<OwnType>);
    CHECK_FALSE(gacc::Dataset<WithoutLabels>);
    CHECK_FALSE(gacc::Dataset<Tensor<float>>);
}

TEST_CASE("TensorDataset: gives the samples as they are") {
    const TensorDataset data(tensor<float>({2, 3}, {1, 2, 3, 4, 5, 6}), {7, -1});
    CHECK(data.size() == 2);
    CHECK(data.features() == 3);
    CHECK(data.label(0) == 7);
    CHECK(data.label(1) == -1);
    CHECK(inputs(data, 0) == std::vector<float>{1, 2, 3});
    CHECK(inputs(data, 1) == std::vector<float>{4, 5, 6});
}

TEST_CASE("TensorDataset: more than one size after the samples is one row of features") {
    const TensorDataset data(tensor<double>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), {0, 1});
    CHECK(data.features() == 4);
    CHECK(inputs(data, 1) == std::vector<double>{5, 6, 7, 8});
}

TEST_CASE("TensorDataset: may be empty") {
    const TensorDataset data(Tensor<float>({0, 3}), {});
    CHECK(data.size() == 0);
    CHECK(data.features() == 3);
}

TEST_CASE("TensorDataset: needs a label for each sample") {
    CHECK_THROWS_WITH_AS(TensorDataset(Tensor<float>({3, 2}), {0, 1}),
                         "gacc: TensorDataset: expected a label for each of 3 samples, got 2", DataError);
}

TEST_CASE("ImageDataset: gives the pixels from -1 to 1 and the labels") {
    const ImageDataset<float> data(tensor<std::uint8_t>({2, 1, 3}, {0, 51, 255, 255, 255, 0}),
                                   tensor<std::uint8_t>({2}, {9, 200}));
    CHECK(data.size() == 2);
    CHECK(data.features() == 3);
    CHECK(data.label(0) == 9);
    CHECK(data.label(1) == 200);
    CHECK(inputs(data, 0)[0] == -1);
    CHECK(inputs(data, 0)[1] == doctest::Approx(-0.6).epsilon(1e-6));  // a pixel step is 0.008
    CHECK(inputs(data, 0)[2] == 1);
    CHECK(inputs(data, 1) == std::vector<float>{1, 1, -1});
}

TEST_CASE("ImageDataset: keeps the pixels as they are") {
    const ImageDataset<float> data = all_pixel_values();
    CHECK(data.pixels().shape() == gacc::Shape{1, 16, 16});
    CHECK(int{data.pixels().data()[255]} == 255);
}

TEST_CASE("ImageDataset: each pixel value p becomes (p / 255 - mean) / deviation") {
    const std::vector<double> row = inputs(all_pixel_values<double>({.mean = 0.1307, .deviation = 0.3081}), 0);
    for (std::size_t p = 0; p < 256; ++p) {
        const double expected = (static_cast<double>(p) / 255 - 0.1307) / 0.3081;
        CHECK(std::abs(row[p] - expected) < 1e-14);  // some units in the last place of 2.8; a pixel step is 0.013
    }
}

TEST_CASE("ImageDataset: mean 0 and deviation 1 keep p / 255") {
    const std::vector<float> row = inputs(all_pixel_values({.mean = 0, .deviation = 1}), 0);
    for (std::size_t p = 0; p < 256; ++p) { CHECK(row[p] == static_cast<float>(p) / 255.0F); }
}

TEST_CASE("ImageDataset: needs a label for each image") {
    CHECK_THROWS_WITH_AS(ImageDataset<float>(Tensor<std::uint8_t>({2, 4, 4}), Tensor<std::uint8_t>({3})),
                         "gacc: ImageDataset: expected a label for each of 2 samples, got 3", DataError);
}

TEST_CASE("ImageDataset: a deviation of 0 is refused") {
    CHECK_THROWS_WITH_AS(all_pixel_values({.mean = 0.5, .deviation = 0}),
                         "gacc: ImageDataset: expected a finite mean and a deviation other than 0, got 0.5 and 0",
                         gacc::UsageError);
}

TEST_CASE("ImageDataset: a mean or deviation that is no number, or too small for a float, is refused") {
    const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    for (const double wrong : {nan, infinity, -infinity}) {
        CHECK_THROWS_AS(all_pixel_values({.mean = wrong, .deviation = 0.5}), gacc::UsageError);
        CHECK_THROWS_AS(all_pixel_values({.mean = 0.5, .deviation = wrong}), gacc::UsageError);
    }
    CHECK_THROWS_AS(all_pixel_values({.mean = 0.5, .deviation = 1e-40}), gacc::UsageError);
}

}  // namespace dataset_test
