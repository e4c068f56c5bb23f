#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/data/text.hpp>

#include <limits>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

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
