#pragma once

#include <gacc/core/abi.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Names and settings in a file can hold any bytes, also control characters that a terminal obeys. gacc's errors escape
// the text that they quote from a file. Programs that print such text, for example the names in a CheckpointInfo,
// escape it with escaped().

namespace gacc::inline GACC_ABI {

/// The number of bytes of the first character of `text`, if it is printable and UTF-8 in its shortest form. Else 0: for
/// an empty text, for a control character such as ESC, and for bytes that are not UTF-8.
inline std::size_t printable_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    const unsigned first = byte(0);
    if (first < 0x80) { return first >= 0x20 && first != 0x7f ? 1 : 0; }
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    std::uint32_t code = first & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) { return 0; }
        code = code << 6 | (byte(i) & 0x3f);
    }
    constexpr std::array<std::uint32_t, 5> shortest{0, 0, 0xa0, 0x800, 0x10000};  // 0x80 to 0x9f are controls
    const bool valid = first >= 0xc0 && code >= shortest[size] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return valid ? size : 0;
}

/// The text, with every byte that is not part of a printable character written like \x1b. So a terminal shows it and
/// obeys nothing in it. Bytes in `kept`, such as "\n", stay as they are.
///
/// Example    std::cerr << gacc::escaped(error.what()) << '\n';
inline std::string escaped(std::string_view text, std::string_view kept = "") {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    while (!text.empty()) {
        const std::size_t size = kept.find(text[0]) != kept.npos ? 1 : printable_size(text);
        if (size > 0) {
            out += text.substr(0, size);
        } else {
            const auto byte = static_cast<unsigned char>(text[0]);
            out += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

namespace detail {

/// Text from a file, for a message. It is escaped. After `most` bytes it is cut, not within a character, and ends in
/// "...".
inline std::string shown(std::string_view text, std::size_t most = 80) {
    std::size_t end = 0;
    while (end < text.size()) {
        const std::size_t size = std::max<std::size_t>(printable_size(text.substr(end)), 1);
        if (size > most - end) { return escaped(text.substr(0, end)) + "..."; }
        end += size;
    }
    return escaped(text);
}

}  // namespace detail
}  // namespace gacc
