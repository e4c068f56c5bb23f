#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/io/byte_order.hpp>
#include <gacc/io/safetensors_start.hpp>
#include <gacc/io/tensor_info.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A file in the safetensors format, in memory: names, types, shapes and numbers of its tensors. The header is
/// validated before anything else is read, so later reads stay in bounds.
///
/// Limits     memory: the bytes of the file and 1 MiB. So there are at most some 3,000 tensors, and names, texts and
///            gaps have at most 16,384 bytes
/// Throws     DataError if the file is missing or breaks the format
/// Source     huggingface.co/docs/safetensors, "Format"
/// Example    const gacc::SafetensorsFile file("mnist.safetensors");
///            const gacc::Tensor<float> weight = file.tensor<float>("0.weight");
class SafetensorsFile {
public:
    explicit SafetensorsFile(const std::filesystem::path& path)
        : SafetensorsFile(detail::SafetensorsStart(path, "SafetensorsFile \"" + detail::shown_path(path) + '"')) {}
    /// Continues behind the header.
    explicit SafetensorsFile(detail::SafetensorsStart start)
        : data_(start.read_data()), start_(std::move(start).bytes()), where_(start.where()),
          header_(std::move(start).header()), numbers_(data_.data()) {}
    /// From the bytes of a file.
    SafetensorsFile(Buffer<std::uint8_t> bytes, std::string where) : data_(std::move(bytes)), where_(std::move(where)) {
        const std::span<const std::uint8_t> all = data_.span();
        const std::size_t start = detail::safetensors_start_bytes(all, all.size(), where_);
        header_ = detail::parse_safetensors_header({reinterpret_cast<const char*>(all.data()) + 8, start - 8},
                                                   all.size() - start, where_);
        numbers_ = all.data() + start;
    }

    /// In the order of their numbers in the file.
    const std::vector<TensorInfo>& tensors() const& { return header_.tensors; }
    void tensors() const&& = delete;  // they would outlive the file
    const std::map<std::string, std::string, std::less<>>& metadata() const { return header_.metadata; }

    SafetensorsFile(const SafetensorsFile&) = delete;
    SafetensorsFile& operator=(const SafetensorsFile&) = delete;

    /// Null if there is no tensor of that name.
    const TensorInfo* find(std::string_view name) const { return header_.find(name); }

    /// A copy of a tensor. Float and double are converted from any type; integers are read as they are. A single number
    /// becomes a tensor of shape {1}.
    ///
    /// Throws     DataError if there is no tensor of that name, or its type cannot be read as T
    template <class T>
    Tensor<T> tensor(std::string_view name) const {
        const TensorInfo* info = find(name);
        if (info == nullptr) {
            throw DataError(where_, detail::text("expected a tensor \"", detail::shown(name), "\", got none"));
        }
        if (std::is_integral_v<T> && info->dtype != detail::dtype_of<T>()) {
            throw DataError(where_, detail::text("expected ", detail::named(detail::dtype_of<T>()).name, " in \"",
                                                 detail::shown(name), "\", got ", detail::named(info->dtype).name));
        }
        if (!detail::is_number(info->dtype)) {
            throw DataError(where_, detail::text("expected numbers that can be converted in \"", detail::shown(name),
                                                 "\", got ", detail::named(info->dtype).name));
        }
        Tensor<T> tensor(info->shape.empty() ? Shape{1} : info->shape);
        visit<T>(*info, [&](auto next) { std::generate_n(tensor.data(), tensor.size(), next); });
        return tensor;
    }

    std::span<const std::uint8_t> bytes(const TensorInfo& tensor) const {
        return {numbers_ + tensor.first, static_cast<std::size_t>(tensor.bytes())};
    }
    /// The whole file: the part before the numbers, and the numbers. (The first part is empty if the file came in one
    /// piece.)
    std::array<std::span<const std::uint8_t>, 2> bytes() const { return {start_.span(), data_.span()}; }
    /// The beginning of errors about it.
    const std::string& where() const { return where_; }

    /// Calls f(next) once; next() returns the numbers of the tensor one after the other. Not for types that cannot be
    /// converted: tensor() refuses them.
    template <class T, class F>
    void visit(const TensorInfo& tensor, const F& f) const {
        const auto as = [&]<class Stored>(Stored, const auto& convert) {
            f([at = numbers_ + tensor.first, &convert]() mutable {
                const auto stored = detail::from_little_endian<Stored>(at);
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
            case DType::i32:
                return as(std::int32_t{}, same);
            case DType::i16:
                return as(std::int16_t{}, same);
            case DType::i8:
                return as(std::int8_t{}, same);
            case DType::u64:
                return as(std::uint64_t{}, same);
            case DType::u32:
                return as(std::uint32_t{}, same);
            case DType::u16:
                return as(std::uint16_t{}, same);
            case DType::u8:
            case DType::boolean:
                return as(std::uint8_t{}, same);
            default:
                return;  // its numbers do not fit T
        }
    }

private:
    Buffer<std::uint8_t> data_, start_;  // data_ is the whole file if it came in one piece
    std::string where_;
    SafetensorsHeader header_;
    const std::uint8_t* numbers_ = nullptr;
};

}  // namespace gacc
