#pragma once

#include <gacc/data/dataset.hpp>
#include <gacc/data/idx.hpp>

#include <filesystem>
#include <string>

namespace gacc::inline GACC_ABI {

enum class Split { train, test };

/// Reads one IDX file: read_idx, or read_idx_gz of <gacc/data/gzip.hpp>.
using IdxReader = Tensor<std::uint8_t> (*)(const std::filesystem::path&);

namespace detail {

/// Finds a file under its usual names: "train-images-idx3-ubyte" or "train-images.idx3-ubyte", plain or with ".gz".
inline std::filesystem::path find_mnist_file(const std::filesystem::path& folder, const std::string& name,
                                             const std::string& kind) {
    for (const char* ending : {"", ".gz"}) {
        for (const char* joint : {"-", "."}) {
            std::filesystem::path path = folder / text(name, joint, kind, ending);
            std::error_code unreadable;
            if (std::filesystem::is_regular_file(path, unreadable)) { return path; }
        }
    }
    throw DataError("load_mnist", text("expected ", name, "-", kind, " (or ", name, ".", kind,
                                       ", or either with .gz) in \"", shown_path(folder), "\", got no such file"));
}

inline void check_mnist(const std::filesystem::path& path, const Shape& shape, std::size_t dimensions) {
    if (shape.size() != dimensions) {
        throw DataError(idx_place(path), text("expected ", dimensions == 1 ? "labels" : "images", " in ", dimensions,
                                              " dimension(s), got ", to_string(shape)));
    }
}

}  // namespace detail

/// Reads the images and labels of MNIST, or of any dataset in its format (ten classes, bytes).
///
/// Throws     DataError if a file is missing or read_idx refuses it, a label is above 9, or the counts differ
/// Example    const auto train = gacc::load_mnist("data/mnist", gacc::Split::train, gacc::read_idx_gz);
/// Source     LeCun, Cortes and Burges, "The MNIST database of handwritten digits"
template <class Scalar = float>
ImageDataset<Scalar> load_mnist(const std::filesystem::path& folder, Split split, IdxReader read = read_idx,
                                PixelScaling scaling = {}) {
    const std::string name = split == Split::train ? "train" : "t10k";
    const auto images_path = detail::find_mnist_file(folder, name + "-images", "idx3-ubyte");
    const auto labels_path = detail::find_mnist_file(folder, name + "-labels", "idx1-ubyte");

    Tensor<std::uint8_t> labels = read(labels_path);
    detail::check_mnist(labels_path, labels.shape(), 1);
    for (Index i = 0; i < labels.size(); ++i) {
        if (labels.data()[i] > 9) {
            throw DataError(detail::idx_place(labels_path), detail::text("expected labels from 0 to 9, got ",
                                                                         int{labels.data()[i]}, " for sample ", i));
        }
    }
    Tensor<std::uint8_t> images = read(images_path);
    detail::check_mnist(images_path, images.shape(), 3);
    if (images.samples() != labels.samples()) {
        throw DataError("load_mnist",
                        detail::text("expected as many images as labels, got ", images.samples(), " in \"",
                                     detail::shown_path(images_path.filename()), "\" and ", labels.samples(), " in \"",
                                     detail::shown_path(labels_path.filename()), "\""));
    }
    return {std::move(images), std::move(labels), scaling};
}

}  // namespace gacc
