#pragma once

// What is shown: whether there is a terminal, and text of others that must not command it.

#include <gacc/core/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

inline bool stderr_is_terminal() {
#ifdef _WIN32
    return _isatty(_fileno(stderr)) != 0;
#else
    return isatty(STDERR_FILENO) == 1;
#endif
}

inline bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const std::size_t size = gacc::detail::printable(text);
        if (size == 0) { return false; }
        text.remove_prefix(size);
    }
    return true;
}

/// The text with every byte that could command a terminal as \x1b. Of `kept` it keeps every one.
inline std::string escaped(std::string_view text, std::string_view kept = "") {
    std::string out;
    while (!text.empty()) {
        std::size_t size = kept.find(text[0]) != kept.npos ? 1 : gacc::detail::printable(text);
        if (size == 0) {
            std::array<char, 5> code{};
            std::snprintf(code.data(), code.size(), "\\x%02x", static_cast<unsigned char>(text[0]));
            out += code.data();
            size = 1;
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size);
    }
    return out;
}

/// The word as a shell reads it.
inline std::string shell_word(const std::string& word) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        "0123456789-_=+,./:@%";
    if (!word.empty() && word.find_first_not_of(plain) == word.npos) { return word; }
    const bool commands = !is_printable(word);
    std::string quoted = commands ? "$'" : "'";
    for (std::size_t i = 0; i < word.size();) {
        const std::size_t size = std::max<std::size_t>(gacc::detail::printable(std::string_view(word).substr(i)), 1);
        const std::string character = word.substr(i, size);
        if (commands) {  // octal, which ends after three digits
            std::array<char, 5> code{};
            std::snprintf(code.data(), code.size(), "\\%03o", static_cast<unsigned char>(character[0]));
            const bool as_it_is = is_printable(character) && character != "'" && character != "\\";
            quoted += as_it_is ? character : std::string(code.data());
        } else {
            quoted += character == "'" ? "'\\''" : character;
        }
        i += size;
    }
    return quoted + "'";
}
