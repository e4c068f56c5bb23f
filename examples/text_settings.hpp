#pragma once

// What the command line of gacc-text says.

#include <gacc/gacc.hpp>

#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdint>
#include <string>

#include "gpt.hpp"
#include "trainer_settings.hpp"

/// How text is drawn from a model.
struct SampleOptions {
    Index characters = 500;  // 0: none
    double temperature = 0.8;
    Index top_k = 0;  // 0: all characters
    std::string prompt;
    std::uint64_t seed = 1;
};

struct TextSettings : TrainerSettings {
    TextSettings() {
        data = "data/tiny-shakespeare/input.txt";
        batch_size = 12;
    }

    Index steps = 2000;
    GptOptions network;
    Index stride = 0;  // 0: an eighth of the tokens
    bool bytes = false;
    std::string schedule = "cosine";
    Index warm_up = 100;
    double clip_norm = 1;  // 0: none
    double weight_decay = 0.1;
    Index validate_every = 250;
    SampleOptions sample;
};

inline Index stride(const TextSettings& settings) {
    return settings.stride > 0 ? settings.stride : (settings.network.tokens + 7) / 8;
}

inline void add_sample_options(CLI::App& app, SampleOptions& sample) {
    app.add_option("--sample", sample.characters, "Characters to write in the style of the text; 0: none")
        ->check(CLI::Range(Index{0}, Index{100'000'000}))
        ->capture_default_str();
    app.add_option("--temperature", sample.temperature, "Of the sample: less is less daring; 0: the likeliest character")
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
    app.add_option("--top-k", sample.top_k, "Draw from the so many likeliest characters; 0: from all")
        ->check(CLI::Range(Index{0}, Index{1'000'000'000}))
        ->capture_default_str();
    app.add_option("--prompt", sample.prompt, "What the sample begins with")->default_str("a new line");
}

inline void check(const SampleOptions& sample) {
    if (std::isfinite(sample.temperature)) { return; }
    throw CLI::ValidationError("--temperature", "expected a finite number, got " + std::to_string(sample.temperature));
}

/// The options that decide which network it is, and what its tokens are.
inline void add_network_options(CLI::App& app, TextSettings& settings) {
    const auto size = [&](const char* name, Index& value, Index most, const char* text) {
        app.add_option(name, value, text)->check(CLI::Range(Index{1}, most))->capture_default_str();
    };
    size("--layers", settings.network.layers, 1000, "Blocks of the transformer");
    size("--heads", settings.network.heads, 10'000, "Of the attention; they divide the width");
    size("--width", settings.network.width, 100'000, "Numbers of each token within the network");
    size("--tokens", settings.network.tokens, 100'000, "Of a sequence: characters that the network sees at once");
    app.add_flag("--bytes", settings.bytes, "Tokens are bytes, so any file will do; else they are UTF-8's characters");
}

inline void add_text_options(CLI::App& app, TextSettings& settings) {
    add_network_options(app, settings);
    add_trainer_options(app, settings,
                        {.data = "A text", .learning_rate = "Of AdamW, at its largest", .samples = "Sequences"});
    app.add_option("--steps", settings.steps, "Of the optimizer")->check(positive())->capture_default_str();
    app.add_option("--stride", settings.stride, "Characters from the start of a sequence to that of the next")
        ->check(positive())
        ->default_str("an eighth of --tokens");
    app.add_option("--schedule", settings.schedule,
                   "Of the learning rate after warm-up: cosine (falls to a tenth), linear (falls to 0) or constant")
        ->check(CLI::IsMember({"cosine", "linear", "constant"}))
        ->capture_default_str();
    app.add_option("--warm-up", settings.warm_up, "Steps in which the learning rate rises at the start; 0: none")
        ->check(CLI::Range(Index{0}, Index{1'000'000'000}))
        ->capture_default_str();
    app.add_option("--clip-norm", settings.clip_norm, "The largest norm of the gradient; 0: any")
        ->check(CLI::Range(0.0, 1e30))
        ->capture_default_str();
    app.add_option("--weight-decay", settings.weight_decay, "Of matrices; vectors do not decay")
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
    app.add_option("--dropout", settings.network.dropout, "The probability with which a number is dropped")
        ->check(CLI::Range(0.0, 0.999))
        ->capture_default_str();
    app.add_option("--validate-every", settings.validate_every, "Steps from one validation to the next")
        ->check(positive())
        ->capture_default_str();
    add_sample_options(app, settings.sample);
}

/// Those of these options on which the result depends.
inline gacc::Settings recorded_text(const TextSettings& settings) {
    gacc::Settings all = recorded_trainer(settings);
    all.emplace("bytes", settings.bytes ? "true" : "false");
    all.emplace("clip-norm", exact(settings.clip_norm));
    all.emplace("dropout", exact(settings.network.dropout));
    all.emplace("heads", std::to_string(settings.network.heads));
    all.emplace("layers", std::to_string(settings.network.layers));
    all.emplace("schedule", settings.schedule);
    all.emplace("steps", std::to_string(settings.steps));
    all.emplace("stride", std::to_string(stride(settings)));
    all.emplace("tokens", std::to_string(settings.network.tokens));
    all.emplace("validate-every", std::to_string(settings.validate_every));
    all.emplace("warm-up", std::to_string(settings.warm_up));
    all.emplace("weight-decay", exact(settings.weight_decay));
    all.emplace("width", std::to_string(settings.network.width));
    return all;
}
