#pragma once

// The text that gacc-text trains on, and its vocabulary in a checkpoint.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <utility>

#include "text_sample.hpp"
#include "text_settings.hpp"
#include "trainer_results.hpp"
#include "trainer_resume.hpp"

inline constexpr auto vocabulary_key = "vocabulary";

/// The characters of a vocabulary for a checkpoint: their bytes in hexadecimal digits.
inline std::string written(const gacc::Vocabulary& vocabulary) {
    constexpr auto digits = "0123456789abcdef";
    std::string hex;
    for (const char c : vocabulary.characters()) {
        const auto byte = static_cast<unsigned char>(c);
        hex += {digits[byte / 16], digits[byte % 16]};
    }
    return hex;
}

/// Throws     CheckpointError if the notes of the checkpoint have none
inline gacc::Vocabulary noted_vocabulary(const gacc::Settings& notes, bool bytes, const std::string& where) {
    const auto found = notes.find(vocabulary_key);
    const std::string hex = found == notes.end() ? "" : found->second;
    const std::string digits = "0123456789abcdef";
    if (hex.empty() || hex.size() % 2 != 0 || hex.find_first_not_of(digits) != hex.npos) {
        throw gacc::CheckpointError(where, "expected the vocabulary of a text, got none; it is not of gacc-text");
    }
    std::string characters;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        characters += static_cast<char>(16 * digits.find(hex[i]) + digits.find(hex[i + 1]));
    }
    try {
        return gacc::Vocabulary(characters, bytes ? gacc::Characters::bytes : gacc::Characters::code_points);
    } catch (const gacc::DataError& error) {
        throw gacc::CheckpointError(where, std::string("expected a vocabulary, got an error: ") + error.what());
    }
}

/// The first nine tenths of a text, for training, and the rest, for validation. A resumed run has the vocabulary of its
/// checkpoint.
class TextData {
public:
    explicit TextData(const TextSettings& settings) : TextData(settings, read(settings).split(0.9)) {}

    const gacc::TextDataset<float>& training() const { return training_; }
    const gacc::TextDataset<float>& held_out() const { return held_out_; }
    const gacc::Vocabulary& vocabulary() const { return training_.text().vocabulary(); }

private:
    TextData(const TextSettings& settings, const std::pair<gacc::Text, gacc::Text>& parts)
        : training_(parts.first, {.tokens = settings.network.tokens, .stride = stride(settings)}),
          held_out_(parts.second, {.tokens = settings.network.tokens}) {
        prompt(vocabulary(), settings.sample.prompt);  // which it refuses before training
        if (settings.quiet) { return; }
        const auto count = [](Index number) { return grouped(static_cast<std::uint64_t>(number)); };
        std::clog << count(parts.first.size()) << " characters for training, " << count(parts.second.size())
                  << " for validation, " << count(vocabulary().size()) << " different ones\n";
    }

    static gacc::Text read(const TextSettings& settings) {
        gacc::Text text = loaded(settings);
        const Index tokens = settings.network.tokens, least = 10 * tokens + 1;  // a tenth has a window and a label
        if (text.size() < least) {
            throw gacc::DataError("gacc-text", "expected " + std::to_string(least) +
                                                   " characters or more, so that the last tenth holds a sequence of " +
                                                   std::to_string(tokens) + " tokens, got " +
                                                   std::to_string(text.size()) + "; try fewer --tokens");
        }
        return text;
    }
    static gacc::Text loaded(const TextSettings& settings) {
        if (settings.resume.empty()) {
            return gacc::load_text(settings.data,
                                   settings.bytes ? gacc::Characters::bytes : gacc::Characters::code_points);
        }
        return gacc::load_text(settings.data, noted_vocabulary(gacc::checkpoint_settings(settings.resume),
                                                               settings.bytes, resuming(settings.resume)));
    }

    gacc::TextDataset<float> training_, held_out_;
};
