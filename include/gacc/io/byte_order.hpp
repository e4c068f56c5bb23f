#pragma once

#include <gacc/core/abi.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// The bytes of a number as files hold them: the lowest first, on every machine.
template <class T>
std::array<std::uint8_t, sizeof(T)> little_endian(T number) {
    auto bytes = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(number);
    if constexpr (std::endian::native == std::endian::big) { std::ranges::reverse(bytes); }
    return bytes;
}

/// The number whose bytes begin at `at`, the lowest first.
template <class T>
T from_little_endian(const std::uint8_t* at) {
    std::array<std::uint8_t, sizeof(T)> bytes;
    std::memcpy(bytes.data(), at, sizeof(T));
    if constexpr (std::endian::native == std::endian::big) { std::ranges::reverse(bytes); }
    return std::bit_cast<T>(bytes);
}

}  // namespace gacc::detail
