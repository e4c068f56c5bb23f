#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/types.hpp>
#include <gacc/data/token_array.hpp>
#include <gacc/data/vocabulary.hpp>

#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace gacc::inline GACC_ABI {

/// A text as tokens of a vocabulary. A token takes 1 byte if the vocabulary has up to 256 characters, else 2 or 4.
/// Copies and parts share the tokens.
///
/// Throws     DataError if the text is empty, is not UTF-8 (unless Characters::bytes is given), or has a character that
///            is not in a given vocabulary
class Text {
public:
    /// Errors begin with `where`.
    explicit Text(std::string_view text, Characters characters = Characters::code_points,
                  const std::string& where = "Text")
        : Text(text, Vocabulary(text, characters, where), where) {}
    Text(std::string_view text, Vocabulary vocabulary, const std::string& where = "Text")
        : vocabulary_(std::make_shared<const Vocabulary>(std::move(vocabulary))) {
        if (text.empty()) { throw DataError(where, "expected a text of 1 character or more, got an empty one"); }
        size_ = detail::count_characters(text, vocabulary_->kind());
        detail::TokenArray tokens(size_, vocabulary_->size());
        Index at = 0;
        vocabulary_->for_each_token(text, where, [&](Label token) { tokens.set(at++, token); });
        tokens_ = std::make_shared<const detail::TokenArray>(std::move(tokens));
    }

    /// The number of characters. Each is a token.
    Index size() const { return size_; }
    const Vocabulary& vocabulary() const { return *vocabulary_; }

    /// Writes the tokens from `first` on, until `out` is full.
    ///
    /// Throws     UsageError if it has not so many
    template <class T>
    void copy(Index first, std::span<T> out) const {
        check("Text::copy", first, static_cast<Index>(out.size()));
        Index from = first_ + first;
        for (T& token : out) { token = static_cast<T>((*tokens_)[from++]); }
    }

    /// The tokens from `first` to first + count - 1.
    ///
    /// Throws     UsageError if it has fewer tokens
    Text part(Index first, Index count) const {
        check("Text::part", first, count);
        Text part = *this;
        part.first_ += first;
        part.size_ = count;
        return part;
    }

    /// Splits the text into its first `share`, rounded down, for training and the rest for validation. Both have the
    /// vocabulary of the whole text.
    ///
    /// Throws     UsageError if share is not from 0 to 1
    /// Example    const auto [training, validation] = text.split(0.9);
    std::pair<Text, Text> split(double share) const {
        if (!(share >= 0 && share <= 1)) {
            throw UsageError("Text::split", detail::text("expected a share from 0 to 1, got ", share));
        }
        const auto training = static_cast<Index>(share * static_cast<double>(size_));
        return {part(0, training), part(training, size_ - training)};
    }

private:
    void check(const char* where, Index first, Index count) const {
        if (first < 0 || count < 0 || first > size_ - count) {
            throw UsageError(where, detail::text("expected characters within the ", size_, " of the text, got ",
                                                        count, " from ", first, " on"));
        }
    }

    std::shared_ptr<const Vocabulary> vocabulary_;
    std::shared_ptr<const detail::TokenArray> tokens_;  // of the whole text
    Index first_ = 0;                                   // of this part
    Index size_ = 0;
};

namespace detail {

template <class How>
Text load_text(const std::filesystem::path& path, const How& characters_or_vocabulary) {
    const std::string where = "load_text \"" + shown_path(path.filename()) + '"';
    InputFile file(path, where, " at " + shown_path(path));
    try {
        return Text(read_text(file, where), characters_or_vocabulary, where);
    } catch (const std::bad_alloc&) {
        throw DataError(where, text("expected a file that fits into memory, got ", grouped(file.size()), " bytes"));
    }
}

}  // namespace detail

/// Reads a file as tokens. All its bytes count, with line ends and a byte order mark.
///
/// Throws     DataError as Text, naming the file; also if it cannot be read or is larger than memory
/// Example    const gacc::Text text = gacc::load_text("input.txt");
inline Text load_text(const std::filesystem::path& path, Characters characters = Characters::code_points) {
    return detail::load_text(path, characters);
}
/// The same with the vocabulary of another text.
inline Text load_text(const std::filesystem::path& path, const Vocabulary& vocabulary) {
    return detail::load_text(path, vocabulary);
}

}  // namespace gacc
