#pragma once

#include <gacc/layers/dropout.hpp>
#include <gacc/layers/gelu.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/self_attention.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

struct TransformerBlockOptions {
    Index heads = 1;             ///< of the attention
    bool causal = true;          ///< a token sees itself and those before it, as in GPT; without it all, as in BERT
    bool bias = true;            ///< of all layers
    double dropout = 0;          ///< of the attention's weights, and at the end of both branches
    Index rotary_positions = 0;  ///< turn q and k by their positions, for at most so many tokens; 0: do not
    Index padding_token = -1;    ///< where the model's input has this token, the key does not count; -1: all count
    Index gpt2_blocks = 0;       ///< first values as in a GPT-2 of so many blocks; 0: as Linear's defaults
};

/// A block of a transformer, with its norms first: x + attention(norm(x)), and to that + mlp(norm(...)), where mlp is
/// Linear(width, 4 width), GELU, Linear(4 width, width). It is made of Residual and layers alone.
///
/// Names      of block 3 of a model: "3.0.branch.0.weight" (norm), "3.0.branch.1.c_attn.weight",
///            "3.0.branch.1.c_proj.weight", "3.1.branch.0.weight" (norm), "3.1.branch.1.weight", "3.1.branch.3.weight"
/// Throws     ShapeError if gpt2_blocks is negative, and what its layers throw
/// Source     Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.3: weights normal
///            with deviation 0.02; those that end a branch are divided by sqrt(2 gpt2_blocks)
/// Example    for (int i = 0; i < 4; ++i) { gpt.add(gacc::TransformerBlock(128, {.heads = 4, .gpt2_blocks = 4})); }
template <class Scalar = float>
Block<Scalar> TransformerBlock(Index width, TransformerBlockOptions options = {}) {
    if (options.gpt2_blocks < 0) {
        throw ShapeError("TransformerBlock", detail::text("expected 0 or more blocks, got ", options.gpt2_blocks));
    }
    const bool gpt2 = options.gpt2_blocks > 0;
    const auto initialization = gpt2 ? Initialization::gpt2 : Initialization::he_normal;
    const double scale = gpt2 ? 1 / std::sqrt(2 * static_cast<double>(options.gpt2_blocks)) : 1;
    const SelfAttentionOptions attention{.heads = options.heads,
                                         .bias = options.bias,
                                         .dropout = options.dropout,
                                         .rotary_positions = options.rotary_positions,
                                         .padding_token = options.padding_token,
                                         .initialization = initialization,
                                         .projection_scale = scale};
    const LayerNormOptions norm{.bias = options.bias};
    const LinearOptions wide{.initialization = initialization, .bias = options.bias};
    LinearOptions last = wide;
    last.initial_scale = scale;

    const auto residual = [&](std::vector<Block<Scalar>> branch) {
        if (options.dropout > 0) { branch.push_back(Dropout<Scalar>(options.dropout)); }
        return Block<Scalar>(Block<Scalar>::Kind::sum, {{"branch", std::move(branch)}});
    };
    std::vector<Block<Scalar>> both;
    both.push_back(
        residual({LayerNorm<Scalar>(width, norm), options.causal ? CausalSelfAttention<Scalar>(width, attention)
                                                                 : SelfAttention<Scalar>(width, attention)}));
    both.push_back(residual({LayerNorm<Scalar>(width, norm), Linear<Scalar>(width, detail::product_of(4, width), wide),
                             GELU<Scalar>(), Linear<Scalar>(detail::product_of(4, width), width, last)}));
    return {Block<Scalar>::Kind::chain, {{"", std::move(both)}}};
}

}  // namespace gacc
