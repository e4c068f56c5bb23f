#pragma once

#include <gacc/core/bfloat16.hpp>
#include <gacc/core/tensor.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The type of a tensor's numbers in a file: all types of the format.
enum class DType {
    f64,
    f32,
    f16,
    bf16,
    i64,
    i32,
    i16,
    i8,
    u64,
    u32,
    u16,
    u8,
    boolean,      ///< a byte, 0 or 1
    c64,          ///< complex: two f32
    f8_e4m3,      ///< 8 bits: Micikevicius et al. 2022, arXiv:2209.05433
    f8_e5m2,      ///< likewise
    f8_e8m0,      ///< OCP Microscaling Formats 1.0
    f8_e4m3fnuz,  ///< Noune et al. 2022, arXiv:2206.02915
    f8_e5m2fnuz,  ///< likewise
    f6_e2m3,      ///< 6 bits, OCP Microscaling Formats 1.0
    f6_e3m2,      ///< likewise
    f4,           ///< 4 bits, likewise
};

/// A tensor in a safetensors file. Its bytes are first to last - 1, counted from the end of the header.
struct TensorInfo {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;  ///< empty: a single number
    std::uint64_t first = 0, last = 0;

    std::uint64_t bytes() const { return last - first; }
};

/// The content of the header of a safetensors file.
struct SafetensorsHeader {
    std::vector<TensorInfo> tensors;  ///< in the order of their bytes
    std::map<std::string, std::string, std::less<>> metadata;

    /// Null if there is no tensor of that name.
    const TensorInfo* find(std::string_view name) const {
        const auto found = std::ranges::find(tensors, name, &TensorInfo::name);
        return found == tensors.end() ? nullptr : &*found;
    }
};

namespace detail {

/// The most numbers of a tensor: their bits must fit 64 bits, and their count an Index.
inline constexpr std::uint64_t most_in_tensor = std::uint64_t{1} << std::min<std::size_t>(57, 8 * sizeof(Index) - 2);

struct DTypeName {
    DType dtype;
    std::string_view name;
    std::uint64_t bits;
};
/// In the order of the enumerators.
inline constexpr std::array<DTypeName, 22> dtype_names{{{DType::f64, "F64", 64},
                                                        {DType::f32, "F32", 32},
                                                        {DType::f16, "F16", 16},
                                                        {DType::bf16, "BF16", 16},
                                                        {DType::i64, "I64", 64},
                                                        {DType::i32, "I32", 32},
                                                        {DType::i16, "I16", 16},
                                                        {DType::i8, "I8", 8},
                                                        {DType::u64, "U64", 64},
                                                        {DType::u32, "U32", 32},
                                                        {DType::u16, "U16", 16},
                                                        {DType::u8, "U8", 8},
                                                        {DType::boolean, "BOOL", 8},
                                                        {DType::c64, "C64", 64},
                                                        {DType::f8_e4m3, "F8_E4M3", 8},
                                                        {DType::f8_e5m2, "F8_E5M2", 8},
                                                        {DType::f8_e8m0, "F8_E8M0", 8},
                                                        {DType::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
                                                        {DType::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
                                                        {DType::f6_e2m3, "F6_E2M3", 6},
                                                        {DType::f6_e3m2, "F6_E3M2", 6},
                                                        {DType::f4, "F4", 4}}};
inline const DTypeName& named(DType dtype) { return dtype_names[static_cast<std::size_t>(dtype)]; }

template <class T>
constexpr DType dtype_of() {
    if constexpr (std::is_same_v<T, double>) { return DType::f64; }
    if constexpr (std::is_same_v<T, float>) { return DType::f32; }
    if constexpr (std::is_same_v<T, BFloat16>) { return DType::bf16; }
    if constexpr (std::is_same_v<T, std::int64_t>) { return DType::i64; }
    if constexpr (std::is_same_v<T, std::uint8_t>) { return DType::u8; }
    static_assert(std::is_same_v<T, double> || std::is_same_v<T, float> || std::is_same_v<T, BFloat16> ||
                      std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint8_t>,
                  "gacc: only double, float, bfloat16, int64 and uint8");
}

/// A floating-point type from which weights can be read.
inline bool is_real(DType dtype) { return dtype <= DType::bf16; }
/// A type whose numbers can be read as floating point.
inline bool is_number(DType dtype) { return dtype <= DType::boolean; }

}  // namespace detail
}  // namespace gacc
