#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/data/dataset.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

namespace detail {

/// A record of CIFAR-10: a label, then the red, the green and the blue values of 32 x 32 pixels, row by row.
struct Cifar10 {
    static constexpr std::size_t pixels = 32 * 32, channels = 3, record = 1 + channels * pixels;

    /// "load_cifar10 "data_batch_1.bin""
    static std::string place(const std::filesystem::path& path) {
        return "load_cifar10 \"" + shown_path(path.filename()) + "\"";
    }

    /// The records in a file of so many bytes.
    static std::uint64_t records(std::uint64_t bytes, const std::string& place) {
        if (bytes == 0) { throw DataError(place, "expected one or more records of 3,073 bytes, got an empty file"); }
        if (bytes % record != 0) {
            throw DataError(place, text("expected one or more records of 3,073 bytes, got ", grouped(bytes),
                                        " bytes: record ", bytes / record, " begins at byte ",
                                        grouped(bytes - bytes % record), " and has ", grouped(bytes % record)));
        }
        return bytes / record;
    }

    /// Reads records from the present position of the file. Writes their labels, and their pixels with the three
    /// channels of a pixel side by side.
    template <class File>
    static void read(File& file, std::uint64_t records, const std::string& place, std::uint8_t* labels,
                     std::uint8_t* images) {
        std::array<std::uint8_t, record> bytes{};
        for (std::uint64_t i = 0; i < records; ++i) {
            if (file.read(bytes) != record) {
                throw DataError(place, text("expected ", grouped(records * record), " bytes, got fewer while reading"));
            }
            if (bytes[0] > 9) {
                throw DataError(place, text("expected labels from 0 to 9, got ", int{bytes[0]}, " at byte ",
                                            grouped(i * record), ", the label of record ", i));
            }
            *labels++ = bytes[0];
            for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
                for (std::size_t channel = 0; channel < channels; ++channel) {
                    *images++ = bytes[1 + channel * pixels + pixel];
                }
            }
        }
    }
};

}  // namespace detail

/// Reads files of CIFAR-10's binary format, one after the other, as one dataset. The format has records of 3,073 bytes:
/// a label from 0 to 9, then 1,024 red, 1,024 green and 1,024 blue values.
///
/// In memory an image is 3,072 bytes in the order height, width, channel. Numbers are made only in the micro-batch that
/// uses them, from 0 (black) to 1, or as `scaling` says.
///
/// Shapes     inputs samples x (32 x 32 x 3);  labels samples
/// Memory     3,073 bytes a sample
/// Throws     DataError naming the file if it is missing, empty, not a whole number of records, larger than memory, or
///            has a label above 9; UsageError if no file is given
/// Source     Krizhevsky 2009, "Learning multiple layers of features from tiny images";
/// www.cs.toronto.edu/~kriz/cifar.html Example    const auto train = gacc::load_cifar10({"data_batch_1.bin",
/// "data_batch_2.bin"});
///            gacc::Sequential model(gacc::Input(32, 32, 3), ...);
template <class Scalar = float>
ImageDataset<Scalar> load_cifar10(const std::vector<std::filesystem::path>& files,
                                  PixelScaling scaling = {.mean = 0, .deviation = 1}) {
    using detail::Cifar10;
    if (files.empty()) { throw UsageError("load_cifar10", "expected one file or more, got none"); }
    std::uint64_t all = 0;
    std::vector<std::uint64_t> records;
    for (const auto& path : files) {
        const std::string place = Cifar10::place(path);
        records.push_back(
            Cifar10::records(detail::InputFile(path, place, " at " + detail::shown_path(path)).size(), place));
        all += records.back();
        if (all > static_cast<std::uint64_t>(std::numeric_limits<Index>::max()) / Cifar10::record) {
            throw DataError(place, "expected files that fit into memory together, got larger ones");
        }
    }

    const auto samples = static_cast<Index>(all);
    try {
        Tensor<std::uint8_t> images({samples, 32, 32, 3}), labels({samples});
        std::uint64_t done = 0;
        for (std::size_t i = 0; i < files.size(); ++i) {
            const std::string place = Cifar10::place(files[i]);
            detail::InputFile file(files[i], place, " at " + detail::shown_path(files[i]));
            Cifar10::read(file, records[i], place, labels.data() + done,
                          images.data() + done * Cifar10::channels * Cifar10::pixels);
            done += records[i];
        }
        return {std::move(images), std::move(labels), scaling};
    } catch (const std::bad_alloc&) {
        throw DataError("load_cifar10", detail::text("expected files that fit into memory, got ",
                                                     detail::grouped(all * Cifar10::record), " bytes"));
    }
}

}  // namespace gacc
