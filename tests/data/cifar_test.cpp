#include <gacc/data/cifar.hpp>

#include <gacc/core/memory.hpp>
#include <gacc/data/batches.hpp>

#include "support/sparse_file.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace cifar_test {

using gacc::DataError;
using gacc::Index;

namespace {

/// The value of a pixel in the records below: different for each channel, row and column around it.
std::uint8_t value(int number, std::size_t channel, std::size_t row, std::size_t column) {
    return static_cast<std::uint8_t>(static_cast<std::size_t>(number) + 80 * channel + 2 * row + column);
}

/// A record of the format, written as its description says: the label, then the planes of red, green and blue.
void add_record(Bytes& file, int number, std::uint8_t label) {
    file.push_back(label);
    for (std::size_t channel = 0; channel < 3; ++channel) {
        for (std::size_t row = 0; row < 32; ++row) {
            for (std::size_t column = 0; column < 32; ++column) { file.push_back(value(number, channel, row, column)); }
        }
    }
}

Bytes records(const std::vector<std::uint8_t>& labels, int first = 0) {
    Bytes file;
    for (std::size_t i = 0; i < labels.size(); ++i) { add_record(file, first + static_cast<int>(i), labels[i]); }
    return file;
}

template <class Scalar>
std::vector<Scalar> inputs(const gacc::ImageDataset<Scalar>& data, Index sample) {
    std::vector<Scalar> row(static_cast<std::size_t>(data.features()));
    data.copy_inputs(sample, row);
    return row;
}

}  // namespace

TEST_CASE("load_cifar10: gives the channels of a pixel side by side, from 0 to 1, and labels") {
    const TemporaryFolder folder;
    const auto data = gacc::load_cifar10({folder.write("a.bin", records({3, 9}))});
    CHECK(data.size() == 2);
    CHECK(data.features() == 3072);
    CHECK(data.pixels().shape() == gacc::Shape{2, 32, 32, 3});
    CHECK(data.label(0) == 3);
    CHECK(data.label(1) == 9);
    for (const int sample : {0, 1}) {
        const auto row = inputs(data, sample);
        std::size_t i = 0;
        for (std::size_t y = 0; y < 32; ++y) {
            for (std::size_t x = 0; x < 32; ++x) {
                for (std::size_t channel = 0; channel < 3; ++channel) {
                    REQUIRE(row[i++] == static_cast<float>(value(sample, channel, y, x)) / 255.0F);
                }
            }
        }
    }
}

TEST_CASE("load_cifar10: several files are one dataset, in their order") {
    const TemporaryFolder folder;
    const std::vector<std::filesystem::path> files{folder.write("b.bin", records({1, 2})),
                                                   folder.write("a.bin", records({3}, 2)),
                                                   folder.write("c.bin", records({4, 5, 6}, 3))};
    const auto data = gacc::load_cifar10<double>(files);
    REQUIRE(data.size() == 6);
    for (Index i = 0; i < 6; ++i) {
        CHECK(data.label(i) == i + 1);
        CHECK(inputs(data, i)[0] == static_cast<double>(value(static_cast<int>(i), 0, 0, 0)) / 255);
    }
    const auto reversed = gacc::load_cifar10({files[2], files[0]}, {.mean = 0.5, .deviation = 0.25});
    CHECK(reversed.label(0) == 4);
    CHECK(reversed.label(3) == 1);
    CHECK(inputs(reversed, 3)[0] == -2);
}

TEST_CASE("load_cifar10: takes 3,073 bytes a sample, and a micro-batch only its own numbers") {
    const TemporaryFolder folder;
    const auto file = folder.write("a.bin", records(std::vector<std::uint8_t>(20, 7)));
    const auto kind = [](gacc::memory::Kind of) { return gacc::memory::live()[of]; };
    const auto before = kind(gacc::memory::Kind::data), staging = kind(gacc::memory::Kind::staging);
    gacc::memory::forget_peak();
    const auto data = gacc::load_cifar10({file});
    CHECK(kind(gacc::memory::Kind::data) - before == 20 * 3073);
    CHECK(gacc::memory::peak()[gacc::memory::Kind::data] == kind(gacc::memory::Kind::data));

    const auto batches = gacc::ordered_batches(data, {.batch_size = 10});
    for (const auto& micro : batches[0].micro_batches(5)) { CHECK(micro.inputs.view().rows() == 5); }
    CHECK(kind(gacc::memory::Kind::staging) - staging ==
          20 * sizeof(Index) + 10 * sizeof(gacc::Label) + 5 * 3072 * sizeof(float));
}

TEST_CASE("load_cifar10: a file that is no whole number of records is refused") {
    const TemporaryFolder folder;
    auto bytes = records({1, 2});
    bytes.push_back(0);
    CHECK_THROWS_WITH_AS(
        gacc::load_cifar10({folder.write("long.bin", bytes)}),
        "gacc: load_cifar10 \"long.bin\": expected one or more records of 3,073 bytes, got 6,147 bytes: "
        "record 2 begins at byte 6,146 and has 1",
        DataError);
    bytes.resize(3072);
    CHECK_THROWS_WITH_AS(
        gacc::load_cifar10({folder.write("short.bin", bytes)}),
        "gacc: load_cifar10 \"short.bin\": expected one or more records of 3,073 bytes, got 3,072 bytes: "
        "record 0 begins at byte 0 and has 3,072",
        DataError);
    CHECK_THROWS_WITH_AS(
        gacc::load_cifar10({folder.write("empty.bin", {})}),
        "gacc: load_cifar10 \"empty.bin\": expected one or more records of 3,073 bytes, got an empty file", DataError);
}

TEST_CASE("load_cifar10: a label above 9 is refused, with its file, record and byte") {
    const TemporaryFolder folder;
    const auto good = folder.write("good.bin", records({9})), bad = folder.write("bad.bin", records({1, 2, 10}));
    CHECK_THROWS_WITH_AS(
        gacc::load_cifar10({good, bad}),
        "gacc: load_cifar10 \"bad.bin\": expected labels from 0 to 9, got 10 at byte 6,146, the label of record 2",
        DataError);
}

TEST_CASE("load_cifar10: a missing file is named, and no file is an error") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "none.bin";
    CHECK_THROWS_WITH_AS(
        gacc::load_cifar10({path}),
        ("gacc: load_cifar10 \"none.bin\": expected a readable file, got none at " + path.string()).c_str(), DataError);
    CHECK_THROWS_AS(gacc::load_cifar10({folder.path()}), DataError);
    CHECK_THROWS_WITH_AS(gacc::load_cifar10({}), "gacc: load_cifar10: expected one file or more, got none",
                         gacc::UsageError);
}

TEST_CASE("load_cifar10: files larger than memory are refused") {
    const TemporaryFolder folder;
    const auto path = folder.write("large.bin", {});
    lengthen(path, std::uintmax_t{3073} << 31);
    CHECK_THROWS_WITH_AS(gacc::load_cifar10(std::vector<std::filesystem::path>(1000, path)),
                         "gacc: load_cifar10: expected files that fit into memory, got 6,599,217,250,304,000 bytes",
                         DataError);
}

TEST_CASE("load_cifar10: the files that GACC_CIFAR10 names have as many images of each class") {
    const char* folder = std::getenv("GACC_CIFAR10");
    if (folder == nullptr) {
        MESSAGE("skipped: GACC_CIFAR10, a folder with data_batch_1.bin, is not set");
        return;
    }
    const auto data = gacc::load_cifar10({std::filesystem::path(folder) / "data_batch_1.bin"});
    CHECK(data.size() == 10'000);
    std::array<int, 10> of_class{};
    double brightness = 0;
    for (Index i = 0; i < data.size(); ++i) {
        ++of_class[static_cast<std::size_t>(data.label(i))];
        for (const float number : inputs(data, i)) { brightness += static_cast<double>(number); }
    }
    for (const int images : of_class) {
        CHECK(images > 900);
        CHECK(images < 1100);
    }
    brightness /= 3072.0 * 10'000;
    CHECK(brightness > 0.45);  // 0.473 in all of CIFAR-10
    CHECK(brightness < 0.5);
}

}  // namespace cifar_test
