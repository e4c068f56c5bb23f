#pragma once

// The terminal, if there is one, and words for a shell to read.

#include <gacc/core/printable.hpp>

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
        const std::size_t size = gacc::printable_size(text);
        if (size == 0) { return false; }
        text.remove_prefix(size);
    }
    return true;
}

/// The word, quoted for a shell.
inline std::string shell_word(const std::string& word) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        "0123456789-_=+,./:@%";
    if (!word.empty() && word.find_first_not_of(plain) == word.npos) { return word; }
    const bool commands = !is_printable(word);
    std::string quoted = commands ? "$'" : "'";
    for (std::size_t i = 0; i < word.size();) {
        const std::size_t size = std::max<std::size_t>(gacc::printable_size(std::string_view(word).substr(i)), 1);
        const std::string character = word.substr(i, size);
        if (commands) {  // octal numbers end after three digits
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
