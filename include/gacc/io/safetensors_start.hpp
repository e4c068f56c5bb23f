#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/io/byte_order.hpp>
#include <gacc/io/safetensors_header.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// The number of bytes before the numbers of a file of `size` bytes that begins with `first`: 8 and the header.
///
/// Throws     DataError if the file is too short for them
inline std::size_t safetensors_start_bytes(std::span<const std::uint8_t> first, std::uint64_t size,
                                           const std::string& where) {
    constexpr std::uint64_t longest = 100'000'000;
    if (size < 8) { throw DataError(where, text("expected 8 bytes or more, got ", size)); }
    const auto length = from_little_endian<std::uint64_t>(first.data());
    if (length > longest || length > size - 8) {
        throw DataError(where,
                        text("expected a header of at most ", grouped(std::min(longest, size - 8)), " bytes, got ",
                             grouped(length), "; this is no safetensors file, or it was cut short"));
    }
    return static_cast<std::size_t>(8 + length);
}

/// A file whose header has been read and checked, but whose numbers have not been read. So gigabytes of another format
/// are refused after their first bytes.
///
/// Throws     DataError if the file is missing or breaks the format
class SafetensorsStart {
public:
    SafetensorsStart(const std::filesystem::path& path, std::string where)
        : where_(std::move(where)), file_(path, where_) {
        std::array<std::uint8_t, 8> first{};
        file_.read(first);
        const std::size_t count = safetensors_start_bytes(first, file_.size(), where_);
        data_bytes_ = file_.size() - count;
        bytes_ = room(count);
        std::ranges::copy(first, bytes_.data());
        const auto header = bytes_.span().subspan(8);
        read(header);
        try {
            header_ = parse_safetensors_header({reinterpret_cast<const char*>(header.data()), header.size()},
                                               data_bytes_, where_);
        } catch (const std::bad_alloc&) { refuse_size(count); }
    }

    const SafetensorsHeader& header() const& { return header_; }
    SafetensorsHeader header() && { return std::move(header_); }
    const TensorInfo* find(std::string_view name) const { return header_.find(name); }
    /// The beginning of errors about it.
    const std::string& where() const { return where_; }
    /// All bytes before the numbers.
    const Buffer<std::uint8_t>& bytes() const& { return bytes_; }
    Buffer<std::uint8_t> bytes() && { return std::move(bytes_); }
    std::uint64_t data_bytes() const { return data_bytes_; }

    /// Reads the next bytes behind the header.
    void read(std::span<std::uint8_t> bytes) {
        if (file_.read(bytes) != bytes.size()) {
            throw DataError(where_, text("expected ", grouped(file_.size()), " bytes, got fewer while reading"));
        }
    }
    /// Reads all bytes behind the header.
    Buffer<std::uint8_t> read_data() {
        Buffer<std::uint8_t> data = room(data_bytes_);
        read(data.span());
        return data;
    }

private:
    Buffer<std::uint8_t> room(std::uint64_t count) const {
        if (count > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) { refuse_size(count); }
        try {
            return Buffer<std::uint8_t>(static_cast<Index>(count), memory::Kind::staging);
        } catch (const std::bad_alloc&) { refuse_size(count); }
    }
    [[noreturn]] void refuse_size(std::uint64_t count) const {
        throw DataError(where_, text("expected a file that fits into memory, got ", grouped(count), " bytes"));
    }

    std::string where_;
    InputFile file_;
    std::uint64_t data_bytes_ = 0;
    Buffer<std::uint8_t> bytes_;
    SafetensorsHeader header_;
};

}  // namespace gacc::detail
