#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/tensor.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <new>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI {

namespace detail {

/// A plain file, read from front to back.
class RawFile {
public:
    RawFile(const std::filesystem::path& path, const std::string& where)
        : file_(path, where, " at " + shown_path(path)) {}

    /// The number of bytes in the file. (The argument matters only for gzipped files, where the count stops above it.)
    std::uint64_t size(std::uint64_t) const { return file_.size(); }
    /// Reads from the present position. Returns the number of bytes read.
    std::size_t read(std::span<std::uint8_t> bytes) { return file_.read(bytes); }

private:
    InputFile file_;
};

/// "read_idx "train-images-idx3-ubyte""
inline std::string idx_place(const std::filesystem::path& path) {
    return "read_idx \"" + shown_path(path.filename()) + "\"";
}

/// Reads the bytes of an IDX file. It allocates memory only after it has checked that the file is as long as its header
/// says.
template <class File>
Tensor<std::uint8_t> parse_idx(File& file, const std::string& where) {
    constexpr std::uint64_t largest = std::uint64_t{1} << 62;

    std::array<std::uint8_t, 4> magic{};  // 0, 0, the type of the numbers, the number of sizes
    if (file.read(magic) != magic.size()) {
        throw DataError(where, text("expected a header of 4 bytes or more, got ", file.size(magic.size())));
    }
    if (magic[0] == 0x1f && magic[1] == 0x8b) {
        throw DataError(where,
                        "expected a raw IDX file, got a gzipped one; gunzip it, or include <gacc/data/gzip.hpp> "
                        "and use read_idx_gz");
    }
    if (magic[0] != 0 || magic[1] != 0 || magic[2] != 0x08 || magic[3] < 1 || magic[3] > 4) {
        throw DataError(where, text("expected the magic number 0 0 8 n (bytes in 1 to 4 dimensions), got ",
                                    int{magic[0]}, " ", int{magic[1]}, " ", int{magic[2]}, " ", int{magic[3]}));
    }

    const std::uint64_t header = 4 + 4 * std::uint64_t{magic[3]};
    Shape shape;
    std::uint64_t length = 1;
    std::string sizes;
    for (int i = 0; i < magic[3]; ++i) {
        std::array<std::uint8_t, 4> size{};  // big-endian
        if (file.read(size) != size.size()) {
            throw DataError(where, text("expected a header of ", header, " bytes, got a file of ", file.size(header)));
        }
        std::uint64_t factor = 0;
        for (const std::uint8_t byte : size) { factor = factor << 8 | byte; }
        sizes += (i == 0 ? "" : " x ") + std::to_string(factor);
        if (factor == 0 || length > largest / factor) {
            throw DataError(where, "expected sizes from 1 up to what memory can hold, got " + sizes);
        }
        length *= factor;
        shape.push_back(static_cast<Index>(factor));
    }

    const std::uint64_t expected = header + length;
    if (const std::uint64_t got = file.size(expected); got != expected) {
        throw DataError(where, text("expected ", grouped(expected), " bytes for ", sizes, ", got ",
                                    got > expected ? "more" : grouped(got)));
    }
    try {
        if (length > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) { throw std::bad_alloc(); }
        Tensor<std::uint8_t> bytes(shape);
        if (file.read({bytes.data(), static_cast<std::size_t>(length)}) != length) {
            throw DataError(where, text("expected ", grouped(expected), " bytes, got fewer while reading"));
        }
        return bytes;
    } catch (const std::bad_alloc&) {
        throw DataError(where, text("expected a file that fits into memory, got ", grouped(expected), " bytes"));
    }
}

}  // namespace detail

/// Reads a file of unsigned bytes in the IDX format: magic number, sizes, bytes.
///
/// Shapes     as the file says: images samples x height x width, labels samples
/// Throws     DataError if the file is missing, gzipped, not IDX, shorter or longer than its sizes say, or larger than
///            memory
/// Source     yann.lecun.com/exdb/mnist, "the IDX file format"
inline Tensor<std::uint8_t> read_idx(const std::filesystem::path& path) {
    const std::string where = detail::idx_place(path);
    detail::RawFile file(path, where);
    return detail::parse_idx(file, where);
}

}  // namespace gacc
