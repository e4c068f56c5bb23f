#pragma once

#include <gacc/core/abi.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace gacc::inline GACC_ABI {

/// What every error of the library is. Its text reads
/// `gacc: <where>: expected <what>, got <what>[; what to do]`. A call that throws has changed nothing.
class Error : public std::runtime_error {
public:
    Error(std::string_view where, std::string_view what)
        : std::runtime_error("gacc: " + std::string(where) + ": " + std::string(what)) {}
};

/// Rows and columns that do not fit.
class ShapeError : public Error {
    using Error::Error;
};

/// A call at the wrong moment, or an option out of its range.
class UsageError : public Error {
    using Error::Error;
};

/// Memory that is not there, or a budget of it that cannot be met.
class MemoryError : public UsageError {
    using UsageError::UsageError;
};

/// A file that is not what it should be.
class DataError : public Error {
    using Error::Error;
};

/// A checkpoint that is damaged, or of another model.
class CheckpointError : public DataError {
public:
    using DataError::DataError;
    /// The same text.
    explicit CheckpointError(const DataError& error) : DataError(error) {}
};

/// A loss, a gradient, or what a step would multiply by, that is infinite or not a number.
class NonFiniteError : public Error {
    using Error::Error;
};

/// A file that could not be written.
class OutputError : public Error {
    using Error::Error;
};

namespace detail {

/// Its arguments, printed one after the other: text("expected ", 3, " rows").
template <class... Parts>
std::string text(const Parts&... parts) {
    std::ostringstream out;
    out.imbue(std::locale::classic());  // whatever the program has set
    (out << ... << parts);
    return out.str();
}

/// The bytes of the character that `text` begins with, if it is one that a terminal only shows: printable, and UTF-8
/// in its shortest form. Otherwise 0.
inline std::size_t printable(std::string_view text) {
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

/// Text that came from a file, for a message: bytes that a terminal would obey, and all that is not UTF-8, as \x1b; cut
/// with "..." after `most` bytes.
inline std::string shown(std::string_view text, std::size_t most = 80) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    while (!text.empty()) {
        const std::size_t size = std::max<std::size_t>(printable(text), 1);
        if (most < size) { return out + "..."; }
        most -= size;
        if (printable(text) > 0) {
            out += text.substr(0, size);
        } else {
            const auto byte = static_cast<unsigned char>(text[0]);
            out += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
        }
        text.remove_prefix(size);
    }
    return out;
}

/// A number with commas between its thousands: 47,040,016.
inline std::string grouped(std::uint64_t number) {
    const std::string digits = std::to_string(number);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) { out += ','; }
        out += digits[i];
    }
    return out;
}

}  // namespace detail
}  // namespace gacc
