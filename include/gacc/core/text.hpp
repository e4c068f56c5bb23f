#pragma once

#include <gacc/core/abi.hpp>

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// The text of errors and tables. Streams are not used: each call would cost a user's compiler some milliseconds, and
// a program may set another locale for them.

namespace gacc::inline GACC_ABI::detail {

/// A number as C's printf("%.*g") prints it: at most `digits` significant digits, an exponent where that is shorter.
inline std::string rounded(double number, int digits) {
    std::array<char, 32> out;
    const auto end = std::to_chars(out.data(), out.data() + out.size(), number, std::chars_format::general, digits);
    return {out.data(), end.ptr};
}

inline void append(std::string& out, std::string_view part) { out += part; }
inline void append(std::string& out, const char* part) { out += part; }
inline void append(std::string& out, char part) { out += part; }
inline void append(std::string& out, std::floating_point auto part) { out += rounded(static_cast<double>(part), 6); }
inline void append(std::string& out, std::integral auto part) { out += std::to_string(part); }

/// Its arguments, printed one after the other: text("expected ", 3, " rows").
template <class... Parts>
std::string text(const Parts&... parts) {
    std::string out;
    (append(out, parts), ...);
    return out;
}

/// The text with spaces before it, or after it, so that it fills a column of a table.
inline std::string right(std::string text, std::size_t width) {
    if (text.size() < width) { text.insert(0, width - text.size(), ' '); }
    return text;
}
inline std::string left(std::string text, std::size_t width) {
    if (text.size() < width) { text.append(width - text.size(), ' '); }
    return text;
}

/// A number with commas between its thousands: 47,040,016.
inline std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t end = digits.size(); end > 3; end -= 3) { digits.insert(end - 3, 1, ','); }
    return digits;
}

}  // namespace gacc::detail
