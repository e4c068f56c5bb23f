#pragma once

// Text that a trained network writes.

#include <gacc/gacc.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "text_settings.hpp"

/// Draws a token from the softmax of its logits, divided by the temperature, among the likeliest top_k.
template <class Logits>
gacc::Label draw(const Logits& logits, const SampleOptions& options, gacc::Rng& rng) {
    std::vector<gacc::Label> tokens(static_cast<std::size_t>(logits.size()));
    std::iota(tokens.begin(), tokens.end(), 0);
    const Index most = options.temperature == 0 ? 1 : options.top_k > 0 ? options.top_k : logits.size();
    const auto kept = static_cast<std::ptrdiff_t>(std::min<Index>(most, logits.size()));
    std::partial_sort(tokens.begin(), tokens.begin() + kept, tokens.end(), [&](gacc::Label a, gacc::Label b) {
        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    tokens.resize(static_cast<std::size_t>(kept));
    if (kept == 1) { return tokens.front(); }
    std::vector<double> sums;  // of the weights up to each token
    for (const gacc::Label token : tokens) {
        const double below = static_cast<double>(logits[token]) - static_cast<double>(logits[tokens.front()]);
        sums.push_back((sums.empty() ? 0 : sums.back()) + std::exp(below / options.temperature));
    }
    const double place = rng.uniform() * sums.back();
    const auto found = std::upper_bound(sums.begin(), sums.end() - 1, place);
    return tokens[static_cast<std::size_t>(found - sums.begin())];
}

/// The prompt of a sample: a new line if none is given, or the first character that there is.
inline std::vector<gacc::Label> prompt(const gacc::Vocabulary& vocabulary, const std::string& given) {
    if (!given.empty()) { return vocabulary.encode(given); }
    const bool has_lines = vocabulary.characters().find('\n') != std::string::npos;
    return has_lines ? vocabulary.encode("\n") : std::vector<gacc::Label>{0};
}

/// Each character is drawn knowing the last ones before it, as many as the network sees at once.
///
/// Returns    the prompt, if one is given, and the characters drawn
/// Throws     DataError if a character of the prompt is not of the vocabulary; NonFiniteError if an output is infinite
///            or NaN
inline std::string sample_text(const gacc::Sequential<float>& model, const gacc::Vocabulary& vocabulary,
                               const SampleOptions& options) {
    gacc::Rng rng(options.seed);
    std::vector<gacc::Label> tokens = prompt(vocabulary, options.prompt);
    const std::size_t first = options.prompt.empty() ? tokens.size() : 0;
    gacc::Matrix<float> window = gacc::Matrix<float>::Zero(1, model.in_features());
    for (Index i = 0; i < options.characters; ++i) {
        const auto last = static_cast<Index>(tokens.size());
        const Index seen = std::min(last, window.cols());
        for (Index j = 0; j < seen; ++j) {
            window(0, j) = static_cast<float>(tokens[static_cast<std::size_t>(last - seen + j)]);
        }
        const gacc::Matrix<float> logits = model.predict(window);  // the rows after `seen` know nothing of use
        if (!logits.row(seen - 1).allFinite()) {
            throw gacc::NonFiniteError("gacc-text", "expected finite outputs of the model, got others");
        }
        tokens.push_back(draw(logits.row(seen - 1), options, rng));
    }
    return vocabulary.decode(std::span<const gacc::Label>(tokens).subspan(first));
}

/// The text for a terminal: what is no character is escaped.
inline std::string shown(const std::string& sample) { return gacc::escaped(sample, "\n\t"); }
