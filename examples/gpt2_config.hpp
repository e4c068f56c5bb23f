#pragma once

// The config.json that transformers writes beside a GPT-2.

#include <gacc/gacc.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "gpt2.hpp"

/// Throws     DataError if the file cannot be read, is of another model, or asks for what gpt2() is not
inline Gpt2Options gpt2_config(const std::filesystem::path& file) {
    const std::string where = "gpt2_config";
    std::ifstream stream(file);
    const auto json = nlohmann::json::parse(stream, nullptr, false);
    if (!json.is_object()) { throw gacc::DataError(where, "expected a config.json of transformers, got none"); }
    const auto expect = [&](const char* key, const nlohmann::json& value) {  // or left out
        const auto found = json.find(key);
        if (found == json.end() || *found == value) { return; }
        throw gacc::DataError(where, std::string("expected ") + key + " " + value.dump() + ", got " +
                                         gacc::escaped(found->dump()));
    };
    expect("model_type", "gpt2");
    expect("activation_function", "gelu_new");
    expect("tie_word_embeddings", true);
    expect("scale_attn_weights", true);
    expect("scale_attn_by_inverse_layer_idx", false);
    if (json.contains("n_inner") && !json["n_inner"].is_null()) { expect("n_inner", 4 * json.value("n_embd", 768)); }

    Gpt2Options options;
    const auto size = [&](const char* key, gacc::Index& value) {
        const auto found = json.find(key);
        if (found == json.end()) { return; }
        if (!found->is_number_unsigned() || *found < 1 || *found > 1'000'000) {
            throw gacc::DataError(where, std::string("expected ") + key + " from 1 to 1000000, got " +
                                             gacc::escaped(found->dump()));
        }
        value = found->get<gacc::Index>();
    };
    size("vocab_size", options.vocabulary);
    size("n_positions", options.positions);
    size("n_layer", options.layers);
    size("n_head", options.heads);
    size("n_embd", options.width);
    if (json.contains("layer_norm_epsilon") && json["layer_norm_epsilon"].is_number()) {
        options.epsilon = json["layer_norm_epsilon"].get<double>();
    }
    return options;
}
