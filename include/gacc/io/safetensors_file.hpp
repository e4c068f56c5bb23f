#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/io/safetensors_header.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

static_assert(std::endian::native == std::endian::little, "gacc: the safetensors format is little-endian");

namespace detail {

template <class T>
constexpr DType dtype_of() {
    if constexpr (std::is_same_v<T, double>) { return DType::f64; }
    if constexpr (std::is_same_v<T, float>) { return DType::f32; }
    if constexpr (std::is_same_v<T, std::int64_t>) { return DType::i64; }
    if constexpr (std::is_same_v<T, std::uint8_t>) { return DType::u8; }
    static_assert(std::is_same_v<T, double> || std::is_same_v<T, float> || std::is_same_v<T, std::int64_t> ||
                      std::is_same_v<T, std::uint8_t>,
                  "gacc: only double, float, int64 and uint8");
}
inline bool is_real(DType dtype) { return dtype != DType::i64 && dtype != DType::u8; }

/// The next tensor of a file that is going to be written.
inline void append_tensor(SafetensorsHeader& header, std::string name, DType dtype, Shape shape) {
    const std::uint64_t first = header.tensors.empty() ? 0 : header.tensors.back().last;
    const std::uint64_t bytes = static_cast<std::uint64_t>(elements(shape)) * named(dtype).bytes;
    header.tensors.push_back({std::move(name), dtype, std::move(shape), first, first + bytes});
}

/// What a file begins with: the length of the header, 8 bytes, and the header.
inline std::vector<std::uint8_t> safetensors_start(const SafetensorsHeader& header) {
    const std::string text = safetensors_header(header);
    try {  // what is written can be read
        parse_safetensors_header(text, header.tensors.empty() ? 0 : header.tensors.back().last, "safetensors");
    } catch (const DataError& error) {
        throw UsageError("safetensors",
                         std::string("expected a file that can be read again, got \"") + error.what() + '"');
    }
    const std::uint64_t length = text.size();
    std::vector<std::uint8_t> bytes(8 + text.size());
    std::memcpy(bytes.data(), &length, 8);
    std::memcpy(bytes.data() + 8, text.data(), text.size());
    return bytes;
}

/// The bytes of a whole file, and no more memory than it has bytes.
inline Buffer<std::uint8_t> read_file(const std::filesystem::path& path, const std::string& where) {
    std::error_code error;
    std::ifstream stream;
    if (std::filesystem::is_regular_file(path, error)) { stream.open(path, std::ios::binary); }
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (!stream.is_open() || error) { throw DataError(where, "expected a readable file, got none"); }
    Buffer<std::uint8_t> bytes;
    try {
        bytes = Buffer<std::uint8_t>(static_cast<Index>(size), memory::Kind::staging);
    } catch (const std::bad_alloc&) {
        throw DataError(where, text("expected a file that fits into memory, got ", grouped(size), " bytes"));
    }
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
    if (static_cast<std::uintmax_t>(stream.gcount()) != size) {
        throw DataError(where, text("expected ", grouped(size), " bytes, got fewer while reading"));
    }
    return bytes;
}

}  // namespace detail

/// A file in the safetensors format, in memory: names, types, shapes and numbers of its tensors. Only what the format
/// allows gets in, byte for byte, so that all that is read from it afterwards is there.
///
/// Limits     no more memory than the file has bytes and 1 MiB: some 3,000 tensors, and names, texts and gaps of 16,384
///            bytes at most
/// Throws     DataError if the file is missing or is not what the format allows
/// Source     huggingface.co/docs/safetensors, "Format"
/// Example    const gacc::SafetensorsFile file("mnist.safetensors");
///            const gacc::Tensor<float> weight = file.tensor<float>("0.weight");
class SafetensorsFile {
public:
    explicit SafetensorsFile(const std::filesystem::path& path)
        : SafetensorsFile(path, "SafetensorsFile \"" + path.string() + "\"") {}
    SafetensorsFile(const std::filesystem::path& path, const std::string& where)
        : SafetensorsFile(detail::read_file(path, where), where) {}
    /// From the bytes of a file.
    SafetensorsFile(Buffer<std::uint8_t> bytes, std::string where)
        : bytes_(std::move(bytes)), where_(std::move(where)) {
        constexpr std::uint64_t longest_header = 100'000'000;
        const auto size = static_cast<std::uint64_t>(bytes_.size());
        if (size < 8) { throw DataError(where_, detail::text("expected 8 bytes or more, got ", size)); }
        std::uint64_t length = 0;
        std::memcpy(&length, bytes_.data(), 8);
        if (length > longest_header || length > size - 8) {
            throw DataError(where_, detail::text("expected a header of at most ",
                                                 detail::grouped(std::min(longest_header, size - 8)), " bytes, got ",
                                                 detail::grouped(length),
                                                 "; this is no safetensors file, or it was cut short"));
        }
        data_ = bytes_.data() + 8 + length;
        header_ = detail::parse_safetensors_header({reinterpret_cast<const char*>(bytes_.data()) + 8, length},
                                                   size - 8 - length, where_);
    }

    /// As their numbers lie in the file.
    const std::vector<TensorInfo>& tensors() const& { return header_.tensors; }
    void tensors() const&& = delete;  // they would outlive the file
    const std::map<std::string, std::string, std::less<>>& metadata() const { return header_.metadata; }

    SafetensorsFile(const SafetensorsFile&) = delete;
    SafetensorsFile& operator=(const SafetensorsFile&) = delete;

    /// Null if there is none of that name.
    const TensorInfo* find(std::string_view name) const {
        const auto found = std::ranges::find(header_.tensors, name, &TensorInfo::name);
        return found == header_.tensors.end() ? nullptr : &*found;
    }

    /// A copy of a tensor, of which float and double are converted from any type, and integers are read as they are.
    /// A single number is a tensor of shape {1}.
    ///
    /// Throws     DataError if there is none of that name, or it holds no such numbers
    template <class T>
    Tensor<T> tensor(std::string_view name) const {
        const TensorInfo* info = find(name);
        if (info == nullptr) { throw DataError(where_, detail::text("expected a tensor \"", name, "\", got none")); }
        if (std::is_integral_v<T> && info->dtype != detail::dtype_of<T>()) {
            throw DataError(where_, detail::text("expected ", detail::named(detail::dtype_of<T>()).name, " in \"", name,
                                                 "\", got ", detail::named(info->dtype).name));
        }
        Tensor<T> tensor(info->shape.empty() ? Shape{1} : info->shape);
        visit<T>(*info, [&](auto next) { std::generate_n(tensor.data(), tensor.size(), next); });
        return tensor;
    }

    std::span<const std::uint8_t> bytes(const TensorInfo& tensor) const {
        return {data_ + tensor.first, tensor.bytes()};
    }
    /// The whole file.
    std::span<const std::uint8_t> bytes() const { return bytes_.span(); }
    /// What errors about it begin with.
    const std::string& where() const { return where_; }

    /// Calls f(next) once, where next() gives the numbers of the tensor one after the other.
    template <class T, class F>
    void visit(const TensorInfo& tensor, const F& f) const {
        const auto as = [&]<class Stored>(Stored, const auto& convert) {
            f([at = data_ + tensor.first, &convert]() mutable {
                Stored stored;
                std::memcpy(&stored, at, sizeof stored);
                at += sizeof stored;
                return static_cast<T>(convert(stored));
            });
        };
        const auto same = [](auto number) { return number; };
        using Eigen::half_impl::raw_uint16_to_half;
        switch (tensor.dtype) {
            case DType::f64:
                return as(double{}, same);
            case DType::f32:
                return as(float{}, same);
            case DType::f16:
                return as(std::uint16_t{}, [](auto bits) { return float(Eigen::half(raw_uint16_to_half(bits))); });
            case DType::bf16:
                return as(std::uint16_t{}, [](auto bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); });
            case DType::i64:
                return as(std::int64_t{}, same);
            case DType::u8:
                return as(std::uint8_t{}, same);
        }
    }

private:
    Buffer<std::uint8_t> bytes_;
    std::string where_;
    const std::uint8_t* data_ = nullptr;  // behind the header
    SafetensorsHeader header_;
};

}  // namespace gacc
