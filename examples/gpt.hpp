#pragma once

// The network of gacc-text.

#include <gacc/gacc.hpp>

#include <string>
#include <utility>
#include <vector>

struct GptOptions {
    gacc::Index tokens = 64;  ///< of a sample, and positions
    gacc::Index layers = 4, heads = 4, width = 128;
    double dropout = 0;  ///< in the blocks
};

/// A GPT without biases, whose head has the weights of the embedding: 0.80 million parameters with these options and 65
/// characters. First values are GPT-2's.
///
/// Shapes     samples {tokens} -> {tokens, vocabulary}
/// Source     github.com/karpathy/nanoGPT, model.py, with bias=False (there the sum of the embeddings has dropout too)
inline gacc::Sequential<float> gpt(gacc::Index vocabulary, const GptOptions& options) {
    gacc::Sequential model(gacc::Input(options.tokens),
                           gacc::Embedding(vocabulary, options.width, {.deviation = 0.02}),
                           gacc::PositionEmbedding(options.tokens, options.width));
    for (gacc::Index i = 0; i < options.layers; ++i) {
        model.add(gacc::TransformerBlock(options.width, {.heads = options.heads,
                                                         .bias = false,
                                                         .dropout = options.dropout,
                                                         .gpt2_blocks = options.layers}));
    }
    model.add(gacc::LayerNorm(options.width, {.bias = false}));
    model.add(gacc::Linear(options.width, vocabulary, {.bias = false, .shares = "0.weight"}));
    return model;
}

/// The names and shapes of its parameters, without their memory.
inline std::vector<std::pair<std::string, gacc::Shape>> gpt_parameters(gacc::Index vocabulary,
                                                                       const GptOptions& options) {
    const gacc::Index width = options.width;
    std::vector<std::pair<std::string, gacc::Shape>> all{{"0.weight", {vocabulary, width}},
                                                         {"1.weight", {options.tokens, width}}};
    for (gacc::Index i = 0; i < options.layers; ++i) {
        const std::string block = std::to_string(2 + i);
        all.push_back({block + ".0.branch.0.weight", {width}});
        all.push_back({block + ".0.branch.1.c_attn.weight", {3 * width, width}});
        all.push_back({block + ".0.branch.1.c_proj.weight", {width, width}});
        all.push_back({block + ".1.branch.0.weight", {width}});
        all.push_back({block + ".1.branch.1.weight", {4 * width, width}});
        all.push_back({block + ".1.branch.3.weight", {width, 4 * width}});
    }
    all.push_back({std::to_string(2 + options.layers) + ".weight", {width}});
    return all;
}
