#pragma once

#include <gacc/core/tensor.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gacc::inline GACC_ABI {

/// What the numbers of a tensor in a file are.
enum class DType { f64, f32, f16, bf16, i64, u8 };

/// A tensor in a safetensors file: its bytes are first to last - 1 of those behind the header.
struct TensorInfo {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;  ///< empty: a single number
    std::uint64_t first = 0, last = 0;

    std::uint64_t bytes() const { return last - first; }
};

/// What the header of a safetensors file says.
struct SafetensorsHeader {
    std::vector<TensorInfo> tensors;  ///< as their bytes lie
    std::map<std::string, std::string, std::less<>> metadata;
};

namespace detail {

struct DTypeName {
    DType dtype;
    std::string_view name;
    std::uint64_t bytes;
};
inline constexpr std::array<DTypeName, 6> dtype_names{{{DType::f64, "F64", 8},
                                                       {DType::f32, "F32", 4},
                                                       {DType::f16, "F16", 2},
                                                       {DType::bf16, "BF16", 2},
                                                       {DType::i64, "I64", 8},
                                                       {DType::u8, "U8", 1}}};
inline const DTypeName& named(DType dtype) { return dtype_names[static_cast<std::size_t>(dtype)]; }

}  // namespace detail
}  // namespace gacc
