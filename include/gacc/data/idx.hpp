#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/tensor.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

namespace gacc::inline GACC_ABI {

namespace detail {

/// A plain file, read from front to back.
class RawFile {
public:
    RawFile(const std::filesystem::path& path, const std::string& where) : stream_(path, std::ios::binary) {
        std::error_code error;
        size_ = std::filesystem::file_size(path, error);
        if (!stream_ || error) { throw DataError(where, "expected a readable file, got none at " + path.string()); }
    }

    /// Bytes in the file; looking no further than `at_most` is allowed.
    std::uint64_t size(std::uint64_t) { return size_; }

    /// How many bytes could be read from the place reached.
    std::size_t read(std::span<std::uint8_t> bytes) {
        stream_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return static_cast<std::size_t>(stream_.gcount());
    }

private:
    std::ifstream stream_;
    std::uint64_t size_ = 0;
};

/// "read_idx "train-images-idx3-ubyte""
inline std::string idx_place(const std::filesystem::path& path) {
    return "read_idx \"" + path.filename().string() + "\"";
}

/// The bytes of an IDX file. Memory is taken only when the file is known to be as long as its header says.
template <class File>
Tensor<std::uint8_t> parse_idx(File& file, const std::string& where) {
    constexpr std::uint64_t largest = std::uint64_t{1} << 62;

    std::array<std::uint8_t, 4> magic{};  // 0, 0, the type of the numbers, how many sizes follow
    if (file.read(magic) != magic.size()) {
        throw DataError(where, text("expected a header of 4 bytes or more, got ", file.size(largest)));
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

    Shape shape;
    std::uint64_t length = 1;
    for (int i = 0; i < magic[3]; ++i) {
        std::array<std::uint8_t, 4> size{};  // big-endian
        if (file.read(size) != size.size()) {
            throw DataError(
                where, text("expected a header of ", 4 + 4 * magic[3], " bytes, got a file of ", file.size(largest)));
        }
        shape.push_back(Index{size[0]} << 24 | Index{size[1]} << 16 | Index{size[2]} << 8 | Index{size[3]});
        const auto factor = static_cast<std::uint64_t>(shape.back());
        if (factor == 0 || length > largest / factor) {
            throw DataError(where, "expected sizes from 1 up to what memory can hold, got " + to_string(shape));
        }
        length *= factor;
    }

    const std::uint64_t header = 4 + 4 * std::uint64_t{magic[3]};
    const std::uint64_t expected = header + length;
    if (const std::uint64_t got = file.size(expected); got != expected) {
        throw DataError(where, text("expected ", grouped(expected), " bytes for ", to_string(shape), ", got ",
                                    got > expected ? "more" : grouped(got)));
    }
    Tensor<std::uint8_t> bytes(shape);
    if (file.read({bytes.data(), length}) != length) {
        throw DataError(where, text("expected ", grouped(expected), " bytes, got fewer while reading"));
    }
    return bytes;
}

}  // namespace detail

/// A file of unsigned bytes in the IDX format: magic number, sizes, bytes.
///
/// Shapes     as the file says: images samples x height x width, labels samples
/// Throws     DataError if the file is missing, gzipped, not IDX, or shorter or longer than its sizes say
/// Source     yann.lecun.com/exdb/mnist, "the IDX file format"
inline Tensor<std::uint8_t> read_idx(const std::filesystem::path& path) {
    const std::string where = detail::idx_place(path);
    detail::RawFile file(path, where);
    return detail::parse_idx(file, where);
}

}  // namespace gacc
