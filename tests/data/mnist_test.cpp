#include <gacc/data/mnist.hpp>

#include <doctest/doctest.h>

#include "support/temporary_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace mnist_test {

using gacc::DataError;
using gacc::Index;
using gacc::Split;

namespace {

Bytes two_images() { return idx_bytes({2, 1, 3}, {0, 255, 0, 255, 255, 0}); }
Bytes labels(const Bytes& bytes) { return idx_bytes({static_cast<std::uint32_t>(bytes.size())}, bytes); }

/// Loads the training set of these two files.
gacc::ImageDataset<float> load(const Bytes& images_file, const Bytes& labels_file, gacc::PixelScaling scaling = {}) {
    const TemporaryFolder folder;
    folder.write("train-images-idx3-ubyte", images_file);
    folder.write("train-labels-idx1-ubyte", labels_file);
    return gacc::load_mnist(folder.path(), Split::train, gacc::read_idx, scaling);
}

std::vector<float> inputs(const gacc::ImageDataset<float>& data, Index sample) {
    std::vector<float> row(static_cast<std::size_t>(data.features()));
    data.copy_inputs(sample, row);
    return row;
}

}  // namespace

TEST_CASE("load_mnist: gives images, from -1 to 1, and labels") {
    const auto data = load(two_images(), labels({3, 9}));
    CHECK(data.size() == 2);
    CHECK(data.features() == 3);
    CHECK(inputs(data, 0) == std::vector<float>{-1, 1, -1});
    CHECK(inputs(data, 1) == std::vector<float>{1, 1, -1});
    CHECK(data.label(0) == 3);
    CHECK(data.label(1) == 9);
}

TEST_CASE("load_mnist: scales the pixels as asked") {
    CHECK(inputs(load(two_images(), labels({3, 9}), {.mean = 0, .deviation = 0.25}), 0) == std::vector<float>{0, 4, 0});
}

TEST_CASE("load_mnist: knows both usual names of each file") {
    for (const std::string images : {"train-images-idx3-ubyte", "train-images.idx3-ubyte"}) {
        for (const std::string labels_name : {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"}) {
            CAPTURE(images);
            CAPTURE(labels_name);
            const TemporaryFolder folder;
            folder.write(images, two_images());
            folder.write(labels_name, labels({3, 9}));
            CHECK(gacc::load_mnist(folder.path(), Split::train).size() == 2);
        }
    }
}

TEST_CASE("load_mnist: keeps training and test set apart") {
    const TemporaryFolder folder;
    folder.write("train-images-idx3-ubyte", two_images());
    folder.write("train-labels-idx1-ubyte", labels({3, 9}));
    folder.write("t10k-images-idx3-ubyte", idx_bytes({1, 1, 1}, {7}));
    folder.write("t10k-labels-idx1-ubyte", labels({5}));
    CHECK(gacc::load_mnist(folder.path(), Split::train).size() == 2);
    CHECK(gacc::load_mnist(folder.path(), Split::test).size() == 1);
    CHECK(gacc::load_mnist(folder.path(), Split::test).label(0) == 5);
}

TEST_CASE("load_mnist: names a file that is missing and where it was looked for") {
    const TemporaryFolder folder;
    const std::string place = folder.path().string();
    const std::string no_images =
        "gacc: load_mnist: expected t10k-images-idx3-ubyte (or t10k-images.idx3-ubyte, or either with .gz) in \"" +
        place + "\", got no such file";
    CHECK_THROWS_WITH_AS(gacc::load_mnist(folder.path(), Split::test), no_images.c_str(), DataError);

    folder.write("train-images-idx3-ubyte", two_images());
    const std::string no_labels =
        "gacc: load_mnist: expected train-labels-idx1-ubyte (or train-labels.idx1-ubyte, or either with .gz) in \"" +
        place + "\", got no such file";
    CHECK_THROWS_WITH_AS(gacc::load_mnist(folder.path(), Split::train), no_labels.c_str(), DataError);
}

TEST_CASE("load_mnist: a folder that is not there, or is a file, holds no files") {
    const TemporaryFolder folder;
    CHECK_THROWS_AS(gacc::load_mnist(folder.path() / "none", Split::train), DataError);
    CHECK_THROWS_AS(gacc::load_mnist(folder.write("file", {}), Split::train), DataError);
}

TEST_CASE("load_mnist: a folder in place of a file is no file") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder.path() / "train-images-idx3-ubyte");
    folder.write("train-labels-idx1-ubyte", labels({3, 9}));
    CHECK_THROWS_AS(gacc::load_mnist(folder.path(), Split::train), DataError);
}

TEST_CASE("load_mnist: gzipped files need the other reader") {
    const TemporaryFolder folder;
    folder.write("train-images-idx3-ubyte.gz", {0x1f, 0x8b, 8, 0});
    folder.write("train-labels-idx1-ubyte.gz", {0x1f, 0x8b, 8, 0});
    CHECK_THROWS_WITH_AS(gacc::load_mnist(folder.path(), Split::train),
                         "gacc: read_idx \"train-labels-idx1-ubyte.gz\": expected a raw IDX file, got a gzipped one; "
                         "gunzip it, or include <gacc/data/gzip.hpp> and use read_idx_gz",
                         DataError);
}

TEST_CASE("load_mnist: passes on what read_idx refuses") {
    Bytes cut = two_images();
    cut.pop_back();
    CHECK_THROWS_WITH_AS(load(cut, labels({3, 9})),
                         "gacc: read_idx \"train-images-idx3-ubyte\": expected 22 bytes for 2 x 1 x 3, got 21",
                         DataError);
}

TEST_CASE("load_mnist: a label above 9 is refused") {
    CHECK_THROWS_WITH_AS(load(two_images(), labels({9, 10})),
                         "gacc: read_idx \"train-labels-idx1-ubyte\": expected labels from 0 to 9, got 10 for sample 1",
                         DataError);
    CHECK_THROWS_WITH_AS(
        load(two_images(), labels({255, 0})),
        "gacc: read_idx \"train-labels-idx1-ubyte\": expected labels from 0 to 9, got 255 for sample 0", DataError);
}

TEST_CASE("load_mnist: as many labels as images are needed") {
    CHECK_THROWS_WITH_AS(
        load(two_images(), labels({1, 2, 3})),
        "gacc: load_mnist: expected as many images as labels, got 2 in \"train-images-idx3-ubyte\" and "
        "3 in \"train-labels-idx1-ubyte\"",
        DataError);
    CHECK_THROWS_WITH_AS(
        load(two_images(), labels({1})),
        "gacc: load_mnist: expected as many images as labels, got 2 in \"train-images-idx3-ubyte\" and "
        "1 in \"train-labels-idx1-ubyte\"",
        DataError);
}

TEST_CASE("load_mnist: images and labels exchanged are refused") {
    CHECK_THROWS_WITH_AS(load(labels({3, 9}), two_images()),
                         "gacc: read_idx \"train-labels-idx1-ubyte\": expected labels in 1 dimension(s), got 2 x 1 x 3",
                         DataError);
}

TEST_CASE("load_mnist: images that are not images are refused") {
    CHECK_THROWS_WITH_AS(load(labels({3, 9}), labels({3, 9})),
                         "gacc: read_idx \"train-images-idx3-ubyte\": expected images in 3 dimension(s), got 2",
                         DataError);
}

TEST_CASE("load_mnist: a deviation of 0 is refused") {
    CHECK_THROWS_WITH_AS(load(two_images(), labels({3, 9}), {.mean = 0, .deviation = 0}),
                         "gacc: ImageDataset: expected a finite mean and a deviation other than 0, got 0 and 0",
                         gacc::UsageError);
}

}  // namespace mnist_test
