#include <gacc/data/augmentation.hpp>

#include <gacc/data/batches.hpp>
#include <gacc/data/fingerprint.hpp>
#include <gacc/data/regression_dataset.hpp>
#include <gacc/data/subset.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/sgd.hpp>

#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace augmentation_test {

using gacc::AugmentationOptions;
using gacc::AugmentedImages;
using gacc::DataPosition;
using gacc::Index;
using gacc::Rng;
using gacc::Shape;
using gacc::ShapeError;
using gacc::TensorDataset;
using gacc::UsageError;

namespace {

/// Images of this shape with numbers that are all different, and labels 0, 1, 2, 0, 1, ...
TensorDataset<float> images(Index samples, const Shape& shape) {
    gacc::Tensor<float> inputs({samples, shape[0], shape[1], shape[2]});
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(i + 1); }
    std::vector<gacc::Label> labels;
    for (Index i = 0; i < samples; ++i) { labels.push_back(static_cast<gacc::Label>(i % 3)); }
    return {std::move(inputs), std::move(labels)};
}

template <class Data, class... Epoch>
std::vector<float> inputs(const Data& data, Index sample, Epoch... epoch) {
    std::vector<float> row(static_cast<std::size_t>(data.features()));
    data.copy_inputs(sample, row, epoch...);
    return row;
}

/// The image moved as it is described: padded with zeros, cut out, flipped.
std::vector<float> moved(const std::vector<float>& image, const Shape& shape, Index padding, Index top, Index left,
                         bool flipped) {
    const Index height = shape[0], width = shape[1], channels = shape[2], wide = width + 2 * padding;
    std::vector<float> padded(static_cast<std::size_t>((height + 2 * padding) * wide * channels)), out;
    for (Index row = 0; row < height; ++row) {
        for (Index i = 0; i < width * channels; ++i) {
            padded[static_cast<std::size_t>(((row + padding) * wide + padding) * channels + i)] =
                image[static_cast<std::size_t>(row * width * channels + i)];
        }
    }
    for (Index row = 0; row < height; ++row) {
        for (Index column = 0; column < width; ++column) {
            const Index from = flipped ? width - 1 - column : column;
            for (Index channel = 0; channel < channels; ++channel) {
                out.push_back(
                    padded[static_cast<std::size_t>(((row + top) * wide + left + from) * channels + channel)]);
            }
        }
    }
    return out;
}

/// The inputs of every sample in one epoch, by sample, as batches of this cut give them.
std::vector<std::vector<float>> by_batches(const AugmentedImages<TensorDataset<float>>& data, DataPosition& position,
                                           std::uint64_t order, Index batch_size, Index micro_batch) {
    Rng rng(order);
    std::vector<std::vector<float>> all(static_cast<std::size_t>(data.size()));
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = batch_size}, rng, position)) {
        for (const auto& micro : batch.micro_batches(micro_batch)) {
            const auto view = micro.inputs.view();
            for (Index i = 0; i < micro.size(); ++i) {
                all[static_cast<std::size_t>(micro.samples[static_cast<std::size_t>(i)])] = {
                    view.data() + i * view.cols(), view.data() + (i + 1) * view.cols()};
            }
        }
    }
    return all;
}

}  // namespace

TEST_CASE("AugmentedImages: an image of one row by hand") {
    const auto data = images(400, {1, 3, 2});  // sample 0: 1 2, 3 4, 5 6
    const AugmentedImages flipped(data, {1, 3, 2}, {.crop_padding = 0});
    std::set<std::vector<float>> seen;
    for (Index epoch = 0; epoch < 20; ++epoch) { seen.insert(inputs(flipped, 0, epoch)); }
    CHECK(seen == std::set<std::vector<float>>{{1, 2, 3, 4, 5, 6}, {5, 6, 3, 4, 1, 2}});
}

TEST_CASE("AugmentedImages: an image of one column, moved by hand") {
    const auto data = images(1, {2, 2, 1});
    const AugmentedImages moving(data, {2, 2, 1}, {.crop_padding = 1, .flip = false});
    std::set<std::vector<float>> seen;
    for (Index epoch = 0; epoch < 200; ++epoch) { seen.insert(inputs(moving, 0, epoch)); }
    CHECK(seen == std::set<std::vector<float>>{{1, 2, 3, 4},
                                               {0, 1, 0, 3},
                                               {2, 0, 4, 0},
                                               {0, 0, 1, 2},
                                               {3, 4, 0, 0},
                                               {0, 0, 0, 1},
                                               {0, 0, 2, 0},
                                               {0, 3, 0, 0},
                                               {4, 0, 0, 0}});
}

TEST_CASE("AugmentedImages: padded, cut out and flipped, in any shape") {
    Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        const Shape shape{1 + static_cast<Index>(rng.below(8)), 1 + static_cast<Index>(rng.below(8)),
                          1 + static_cast<Index>(rng.below(4))};
        const auto padding = static_cast<Index>(rng.below(static_cast<std::uint64_t>(std::min(shape[0], shape[1]))));
        const auto data = images(10, shape);
        const AugmentedImages augmented(data, shape, {.crop_padding = padding, .seed = rng.below(9)});
        for (Index sample = 0; sample < 10; ++sample) {
            const auto by = augmented.drawn(sample, trial);
            CHECK(inputs(augmented, sample, Index{trial}) ==
                  moved(inputs(data, sample), shape, padding, by.down + padding, by.right + padding, by.flipped));
        }
    }
}

TEST_CASE("AugmentedImages: normalises each channel, the black border too, with and without an epoch") {
    const auto data = images(1, {2, 2, 2});  // 1 2, 3 4; 5 6, 7 8
    const AugmentedImages plain(data, {2, 2, 2}, {.crop_padding = 0, .mean = {1, 2}, .deviation = {2, -0.5}});
    CHECK(inputs(plain, 0) == std::vector<float>{0, 0, 1, -4, 2, -8, 3, -12});
    const AugmentedImages moving(data, {2, 2, 2}, {.crop_padding = 1, .mean = {1, 2}, .deviation = {2, -0.5}});
    std::set<std::vector<float>> seen;
    for (Index epoch = 0; epoch < 500; ++epoch) { seen.insert(inputs(moving, 0, epoch)); }
    CHECK(seen.size() == 18);
    CHECK(seen.contains({-0.5, 4, -0.5, 4, -0.5, 4, 0, 0}));  // down and to the right by 1
}

TEST_CASE("AugmentedImages: in 1e5 draws all offsets and flips are equally likely and independent") {
    const auto data = images(1, {8, 8, 1});
    const AugmentedImages augmented(data, {8, 8, 1}, {.seed = 7});
    constexpr int draws = 100'000;
    std::array<std::array<std::array<int, 2>, 9>, 9> counts{};
    int like_the_sample_before = 0, like_the_epoch_before = 0;
    gacc::ImageMove before;
    const auto same = [](const gacc::ImageMove& a, const gacc::ImageMove& b) {
        return a.down == b.down && a.right == b.right && a.flipped == b.flipped;
    };
    for (int i = 0; i < draws; ++i) {
        const Index sample = i % 1000, epoch = i / 1000;
        const auto by = augmented.drawn(sample, epoch);
        ++counts[static_cast<std::size_t>(by.down + 4)][static_cast<std::size_t>(by.right + 4)][by.flipped ? 1 : 0];
        like_the_sample_before += same(by, before) ? 1 : 0;
        like_the_epoch_before += same(by, augmented.drawn(sample, epoch + 1)) ? 1 : 0;
        before = by;
    }
    // 162 cells: chi-square has mean 161 and deviation 18.
    const double expected = draws / 162.0;
    double chi_square = 0;
    for (const auto& down : counts) {
        for (const auto& right : down) {
            for (const int count : right) { chi_square += (count - expected) * (count - expected) / expected; }
        }
    }
    CHECK(chi_square < 161 + 5 * 18);
    CHECK(std::abs(like_the_sample_before - expected) < 5 * std::sqrt(expected));
    CHECK(std::abs(like_the_epoch_before - expected) < 5 * std::sqrt(expected));
}

TEST_CASE("AugmentedImages: another seed, epoch or sample, also of more than 32 bits, moves images otherwise") {
    const auto data = images(1, {8, 8, 1});
    const auto moves = [&](std::uint64_t seed, Index first_sample, Index epoch) {
        const AugmentedImages augmented(data, {8, 8, 1}, {.seed = seed});
        std::vector<Index> all;
        for (Index i = 0; i < 50; ++i) {
            const auto by = augmented.drawn(first_sample + i, epoch);
            all.insert(all.end(), {by.down, by.right, by.flipped ? 1 : 0});
        }
        return all;
    };
    const Index large = sizeof(Index) == 8 ? Index(std::int64_t{1} << 33) : Index{1} << 20;
    const auto one = moves(1, 0, 0);
    CHECK(moves(1, 0, 0) == one);
    for (const auto& other : {moves(2, 0, 0), moves(1 | std::uint64_t{1} << 40, 0, 0), moves(1, 100, 0),
                              moves(1, large, 0), moves(1, 0, 1), moves(1, 0, large)}) {
        CHECK(other != one);
    }
    // Not the words of an Rng of this seed.
    std::vector<Index> of_rng;
    Rng rng(1);
    for (Index i = 0; i < 50; ++i) {
        const std::array<std::uint64_t, 4> words{rng(), rng(), rng(), rng()};
        of_rng.insert(of_rng.end(), {static_cast<Index>(9 * words[0] >> 32) - 4,
                                     static_cast<Index>(9 * words[1] >> 32) - 4, static_cast<Index>(words[2] >> 31)});
    }
    CHECK(of_rng != one);
}

TEST_CASE("AugmentedImages: the same bytes for every cut and order; others in the next epoch") {
    const Shape shape{5, 6, 3};
    const auto data = images(60, shape);
    const AugmentedImages augmented(data, shape, {.crop_padding = 2, .mean = {1, 2, 3}, .deviation = {4, 5, 6}});
    DataPosition position;
    const auto whole = by_batches(augmented, position, 1, 60, 60);
    for (Index sample = 0; sample < 60; ++sample) {
        CHECK(whole[static_cast<std::size_t>(sample)] == inputs(augmented, sample, Index{0}));
    }
    for (const std::uint64_t order : {1U, 2U}) {
        for (const Index batch : {60, 17}) {
            for (const Index micro_batch : {1, 4, 17}) {
                DataPosition again;
                CHECK(by_batches(augmented, again, order, batch, micro_batch) == whole);
            }
        }
    }
    position.end_epoch();
    const auto next = by_batches(augmented, position, 1, 60, 7);
    CHECK(next != whole);
    CHECK(next[59] == inputs(augmented, 59, Index{1}));

    DataPosition ordered;
    ordered.epoch = 1;
    const auto batches = gacc::ordered_batches(augmented, {.batch_size = 60}, ordered);
    const auto view = batches[0].inputs.view();
    CHECK(std::vector<float>(view.data() + 59 * view.cols(), view.data() + 60 * view.cols()) == next[59]);
}

TEST_CASE("AugmentedImages: batches without a position have the images as they are") {
    const Shape shape{5, 6, 3};
    const auto data = images(4, shape);
    const AugmentedImages augmented(data, shape, {.crop_padding = 2});
    const auto batches = gacc::ordered_batches(augmented, {.batch_size = 4});
    const auto view = batches[0].inputs.view();
    for (Index i = 0; i < view.size(); ++i) { CHECK(view.data()[i] == static_cast<float>(i + 1)); }
}

TEST_CASE("AugmentedImages: the fingerprint is that of the images, the same in every epoch") {
    const Shape shape{5, 6, 3};
    const auto data = images(4, shape), more = images(5, shape);
    const AugmentedImages augmented(data, shape, {.crop_padding = 2}),
        other(data, shape, {.crop_padding = 1, .seed = 5});
    CHECK(gacc::fingerprint(augmented) == gacc::fingerprint(data));
    CHECK(gacc::fingerprint(augmented) == gacc::fingerprint(other));
    CHECK(gacc::fingerprint(augmented) != gacc::fingerprint(AugmentedImages(more, shape, {.crop_padding = 2})));
    CHECK(gacc::fingerprint(augmented) !=
          gacc::fingerprint(
              AugmentedImages(data, shape, {.crop_padding = 2, .mean = {1, 2, 3}, .deviation = {1, 1, 1}})));
}

TEST_CASE("AugmentedImages: keeps labels and targets; a Subset of it keeps its moves") {
    const Shape shape{2, 2, 1};
    const auto data = images(6, shape);
    const AugmentedImages augmented(data, shape, {.crop_padding = 1});
    CHECK(augmented.label(4) == 1);
    CHECK(augmented.size() == 6);
    const gacc::Subset subset(augmented, std::vector<Index>{5, 2});
    CHECK(gacc::EpochDataset<gacc::Subset<AugmentedImages<TensorDataset<float>>>>);
    CHECK_FALSE(gacc::EpochDataset<gacc::Subset<TensorDataset<float>>>);
    CHECK_FALSE(gacc::EpochDataset<TensorDataset<float>>);
    for (const Index epoch : {0, 1, 2, 3, 4}) {
        CHECK(inputs(subset, 0, epoch) == inputs(augmented, 5, epoch));
        CHECK(inputs(subset, 1, epoch) == inputs(augmented, 2, epoch));
    }
    CHECK(inputs(subset, 1) == inputs(data, 2));

    gacc::Tensor<float> pixels({2, 2, 2, 1}), targets({2, 3});
    for (Index i = 0; i < 6; ++i) { targets.data()[i] = static_cast<float>(i); }
    const gacc::RegressionDataset<float> with_targets(pixels, targets);
    const AugmentedImages also(with_targets, shape, {.crop_padding = 1});
    std::vector<float> row(3);
    also.copy_targets(1, row);
    CHECK(row == std::vector<float>{3, 4, 5});
    CHECK(also.target_features() == 3);
}

namespace {

/// What training takes, from images to a checkpoint.
struct Training {
    static inline const Shape shape{4, 4, 2};

    TensorDataset<float> data = images(23, shape);
    AugmentedImages<TensorDataset<float>> augmented{
        data, shape, {.crop_padding = 2, .mean = {300, 300}, .deviation = {400, 400}}};
    gacc::Sequential<float> model{gacc::Linear(32, 3)};
    gacc::SoftmaxCrossEntropy<float> loss;
    Rng rng{3};
    DataPosition position;
    gacc::SGD<float> sgd{first(model, rng), {.learning_rate = 0.1}};
    gacc::Checkpoint<float> checkpoint{sgd, rng, position};

    static gacc::Parameters<float> first(gacc::Sequential<float>& model, Rng& rng) {
        model.initialize(rng);
        return model.parameters();
    }

    /// Trains to the end, or for so many micro-batches.
    void run(int micro_batches = std::numeric_limits<int>::max(), Index micro_batch = 2) {
        for (; position.epoch < 3; position.end_epoch()) {
            for (const auto& batch : gacc::shuffled_batches(augmented, {.batch_size = 6}, rng, position)) {
                for (const auto& micro : batch.from(position.sample).micro_batches(micro_batch)) {
                    if (micro_batches-- == 0) { return; }
                    loss.forward(model.forward(micro.inputs), micro.labels);
                    model.backward(loss.backward());
                    position.end_micro_batch(micro.size());
                }
                sgd.step();
                sgd.zero_grad();
                position.end_batch();
            }
        }
    }
};

}  // namespace

TEST_CASE("AugmentedImages: a checkpoint in the middle of an epoch resumes to the same bytes") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    Training whole;
    whole.run();
    const auto bytes = gacc::test::values_of(whole.model.parameters());
    for (const int stop : {1, 5, 13, 20, 31}) {  // 12 micro-batches an epoch
        Training stopped;
        stopped.run(stop);
        stopped.checkpoint.save(path);
        Training resumed;
        resumed.checkpoint.load(path);
        resumed.run(std::numeric_limits<int>::max(), 3);
        CHECK(gacc::test::values_of(resumed.model.parameters()) == bytes);
    }
}

TEST_CASE("AugmentedImages: images or options that do not fit are errors") {
    const auto data = images(2, {4, 6, 3});
    const auto made = [&](const Shape& shape, AugmentationOptions options = {.crop_padding = 1}) {
        AugmentedImages(data, shape, std::move(options));
    };
    CHECK_NOTHROW(made({4, 6, 3}, {.crop_padding = 3}));
    CHECK_THROWS_WITH_AS(made({4, 6, 4}),
                         "gacc: AugmentedImages: expected the {height, width, channels} of the 72 numbers of a sample, "
                         "got 4 x 6 x 4",
                         ShapeError);
    CHECK_THROWS_AS(made({24, 3}), ShapeError);
    CHECK_THROWS_AS(made({}), ShapeError);
    CHECK_THROWS_AS(made({-4, -6, 3}), ShapeError);
    CHECK_THROWS_WITH_AS(made({4, 6, 3}, {.crop_padding = 4}),
                         "gacc: AugmentedImages: expected a crop_padding from 0 to 3 for these images, got 4",
                         UsageError);
    CHECK_THROWS_AS(made({4, 6, 3}, {.crop_padding = -1}), UsageError);
    CHECK_THROWS_WITH_AS(
        made({4, 6, 3}, {.crop_padding = 1, .mean = {1, 2, 3}}),
        "gacc: AugmentedImages: expected a mean and a deviation for each of the 3 channels, or none, got 3 and 0",
        UsageError);
    CHECK_THROWS_AS(made({4, 6, 3}, {.crop_padding = 1, .mean = {1, 2}, .deviation = {1, 2}}), UsageError);
    CHECK_THROWS_WITH_AS(
        made({4, 6, 3}, {.crop_padding = 1, .mean = {1, 2, 3}, .deviation = {1, 0, 1}}),
        "gacc: AugmentedImages: expected a finite mean and a deviation other than 0, got 2 and 0 for channel 1",
        UsageError);
    CHECK_THROWS_AS(made({4, 6, 3}, {.crop_padding = 1, .mean = {1, 1e39, 3}, .deviation = {1, 1, 1}}), UsageError);
}

}  // namespace augmentation_test
