#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/types.hpp>
#include <gacc/data/vocabulary.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

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
        if (vocabulary_->size() <= 1 << 8) {
            encode<std::uint8_t>(text, where);
        } else if (vocabulary_->size() <= 1 << 16) {
            encode<std::uint16_t>(text, where);
        } else {
            encode<std::uint32_t>(text, where);
        }
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
        std::visit(
            [&](const auto& tokens) {
                const auto* from = tokens.data() + first_ + first;
                for (T& token : out) { token = static_cast<T>(*from++); }
            },
            *tokens_);
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

    using Tokens = std::variant<Buffer<std::uint8_t>, Buffer<std::uint16_t>, Buffer<std::uint32_t>>;

    template <class Token>
    void encode(std::string_view text, const std::string& where) {
        Buffer<Token> tokens(size_);
        Token* to = tokens.data();
        vocabulary_->for_each_token(text, where, [&](Label token) { *to++ = static_cast<Token>(token); });
        tokens_ = std::make_shared<const Tokens>(std::move(tokens));
    }

    std::shared_ptr<const Vocabulary> vocabulary_;
    std::shared_ptr<const Tokens> tokens_;  // of the whole text
    Index first_ = 0;                       // of this part
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

struct TextOptions {
    /// Tokens of a window.
    Index tokens = 0;
    /// Characters from the start of a window to the start of the next. 0: the same as `tokens`, so windows do not
    /// overlap.
    Index stride = 0;
};

/// Windows of a text, for a model that predicts the next character at every place. A sample is `tokens` characters. Its
/// labels are the window one character later: one label for each row of the outputs. Characters after the last whole
/// window are left out.
///
/// Shapes     inputs samples x tokens;  labels samples * tokens
/// Throws     UsageError if tokens is less than 1 or stride is negative; DataError if the text is shorter than a window
///            and its last label
/// Example    const gacc::TextDataset train(training, {.tokens = 64});
///            loss.forward(model.forward(micro.inputs), micro.labels);
template <class Scalar = float>
class TextDataset {
public:
    using scalar_type = Scalar;
    static_assert(std::numeric_limits<Scalar>::digits >= 21, "gacc: every code point must be a Scalar");

    TextDataset(Text text, TextOptions options)
        : text_(std::move(text)), tokens_(options.tokens), stride_(options.stride > 0 ? options.stride : tokens_) {
        if (options.tokens < 1) {
            throw UsageError("TextDataset", detail::text("expected 1 token or more, got ", options.tokens));
        }
        if (options.stride < 0) {
            throw UsageError("TextDataset", detail::text("expected a stride of 0 or more, got ", options.stride));
        }
        if (text_.size() <= tokens_) {
            throw DataError("TextDataset", detail::text("expected more characters than the ", tokens_,
                                                        " tokens of a window, got ", text_.size()));
        }
        size_ = (text_.size() - 1 - tokens_) / stride_ + 1;
    }

    Index size() const { return size_; }
    Index features() const { return tokens_; }
    Index labels_per_sample() const { return tokens_; }
    void copy_inputs(Index sample, std::span<Scalar> row) const { text_.copy(sample * stride_, row); }
    void copy_labels(Index sample, std::span<Label> labels) const { text_.copy(sample * stride_ + 1, labels); }

    const Text& text() const { return text_; }

private:
    Text text_;
    Index tokens_;  // of a window
    Index stride_;
    Index size_ = 0;  // windows
};

}  // namespace gacc
