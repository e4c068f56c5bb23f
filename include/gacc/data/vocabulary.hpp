#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The meaning of "character" for a text.
enum class Characters {
    code_points,  ///< of UTF-8, Unicode's characters
    bytes,        ///< of any file
};

namespace detail {

struct CodePoint {
    char32_t value = 0;
    std::size_t bytes = 0;  // 0: there is no code point
};

/// The first code point of `text`, in its shortest form (RFC 3629).
inline CodePoint first_code_point(std::string_view text) {
    const auto byte = [&](std::size_t i) -> char32_t {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const char32_t first = byte(0);
    if (first < 0x80) { return {first, text.empty() ? 0U : 1U}; }
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    char32_t value = first & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) { return {}; }
        value = value << 6 | (byte(i) & 0x3f);
    }
    const char32_t smallest = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;  // a smaller one has a shorter form
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    const bool valid = first >= 0xc0 && first < 0xf8 && value >= smallest && value <= 0x10ffff && !surrogate;
    return valid ? CodePoint{value, size} : CodePoint{};
}

inline std::string utf8(char32_t c) {
    const auto byte = [](char32_t bits) { return static_cast<char>(static_cast<unsigned char>(bits)); };
    const auto next = [&](int shift) { return byte(0x80 | ((c >> shift) & 0x3f)); };
    if (c < 0x80) { return {byte(c)}; }
    if (c < 0x800) { return {byte(0xc0 | c >> 6), next(0)}; }
    if (c < 0x10000) { return {byte(0xe0 | c >> 12), next(6), next(0)}; }
    return {byte(0xf0 | c >> 18), next(12), next(6), next(0)};
}

/// Calls f(character, bytes before it) for all characters of the text.
///
/// Throws     DataError if characters are code points and the text is not UTF-8
template <class F>
void for_each_character(std::string_view text, Characters characters, const std::string& where, const F& f) {
    for (std::size_t at = 0; at < text.size();) {
        CodePoint character{static_cast<unsigned char>(text[at]), 1};
        if (characters == Characters::code_points) {
            character = first_code_point(text.substr(at));
            if (character.bytes == 0) {
                throw DataError(where, detail::text("expected UTF-8, got ", shown(text.substr(at, 1)), " at byte ", at,
                                                    ", where no character begins; Characters::bytes takes any bytes"));
            }
        }
        f(character.value, at);
        at += character.bytes;
    }
}

/// The number of characters of valid UTF-8, or of bytes.
inline Index count_characters(std::string_view text, Characters characters) {
    if (characters == Characters::bytes) { return static_cast<Index>(text.size()); }
    return std::count_if(text.begin(), text.end(),
                         [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; });
}

}  // namespace detail

/// The characters that a model knows, in ascending order. The token of a character is its index, from 0.
///
/// Throws     DataError if a text is empty, or is not UTF-8 (unless Characters::bytes is given)
/// Example    const gacc::Vocabulary letters("hello");  letters.encode("hell");  // 1 0 2 2, since they are "ehlo"
class Vocabulary {
public:
    /// The distinct characters of a text, ascending. Errors begin with `where`.
    explicit Vocabulary(std::string_view text, Characters characters = Characters::code_points,
                        const std::string& where = "Vocabulary")
        : kind_(characters) {
        if (text.empty()) { throw DataError(where, "expected a text of 1 character or more, got an empty one"); }
        std::vector<bool> seen(characters == Characters::bytes ? 0x100 : 0x110000);
        detail::for_each_character(text, characters, where, [&](char32_t c, std::size_t) { seen[c] = true; });
        for (std::size_t c = 0; c < seen.size(); ++c) {
            if (seen[c]) { characters_.push_back(static_cast<char32_t>(c)); }
        }
    }

    Index size() const { return static_cast<Index>(characters_.size()); }
    Characters kind() const { return kind_; }
    /// All characters, one after the other. Keep this text in a file: it makes the same vocabulary again.
    std::string characters() const {
        std::string all;
        for (const char32_t c : characters_) { all += written(c); }
        return all;
    }

    /// Throws     DataError also if a character is not of this vocabulary
    std::vector<Label> encode(std::string_view text) const {
        std::vector<Label> tokens;
        for_each_token(text, "Vocabulary::encode", [&](Label token) { tokens.push_back(token); });
        return tokens;
    }
    /// Calls f(token) for all characters of a text. Errors begin with `where`.
    template <class F>
    void for_each_token(std::string_view text, const std::string& where, const F& f) const {
        detail::for_each_character(text, kind_, where, [&](char32_t c, std::size_t at) {
            const auto found = std::lower_bound(characters_.begin(), characters_.end(), c);
            if (found == characters_.end() || *found != c) {
                throw DataError(where, detail::text("expected characters of the vocabulary, got \"",
                                                    detail::shown(written(c)), "\" at byte ", at));
            }
            f(static_cast<Label>(found - characters_.begin()));
        });
    }

    /// Throws     DataError if a token is not of this vocabulary
    std::string decode(std::span<const Label> tokens) const {
        std::string text;
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (tokens[i] < 0 || tokens[i] >= size()) {
                throw DataError("Vocabulary::decode", detail::text("expected tokens from 0 to ", size() - 1, ", got ",
                                                                   tokens[i], " at position ", i));
            }
            text += written(characters_[static_cast<std::size_t>(tokens[i])]);
        }
        return text;
    }

    bool operator==(const Vocabulary&) const = default;

private:
    std::string written(char32_t c) const {
        return kind_ == Characters::bytes ? std::string(1, static_cast<char>(static_cast<unsigned char>(c)))
                                          : detail::utf8(c);
    }

    Characters kind_;
    std::vector<char32_t> characters_;  // ascending
};

}  // namespace gacc
