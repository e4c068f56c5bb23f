#pragma once

#include <gacc/layers/dot_product_attention.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/model/block.hpp>

#include <vector>

namespace gacc::inline GACC_ABI {

struct SelfAttentionOptions {
    Index heads = 1;             ///< parts of the width; each has its own softmax
    bool bias = true;            ///< of both projections
    double dropout = 0;          ///< the probability with which a weight of the mean is dropped in training
    Index rotary_positions = 0;  ///< turn q and k by their positions, for at most so many tokens; 0: do not
    Index padding_token = -1;    ///< where the model's input has this token, the key does not count; -1: all count
    Initialization initialization = Initialization::he_normal;  ///< of both projections
    double projection_scale = 1;                                ///< multiplies the first weights of c_proj
};

namespace detail {

template <class Scalar>
Block<Scalar> self_attention(Index width, const SelfAttentionOptions& options, bool causal) {
    DotProductAttention<Scalar> attention(width, {.heads = options.heads,
                                                  .causal = causal,
                                                  .dropout = options.dropout,
                                                  .rotary_positions = options.rotary_positions,
                                                  .padding_token = options.padding_token});
    Linear<Scalar> in(width, product_of(3, width), {.initialization = options.initialization, .bias = options.bias});
    Linear<Scalar> out(
        width, width,
        {.initialization = options.initialization, .bias = options.bias, .initial_scale = options.projection_scale});
    using Part = typename Block<Scalar>::Part;
    std::vector<Part> parts;
    parts.push_back({"c_attn", {std::move(in)}});
    parts.push_back({"attention", {std::move(attention)}});
    parts.push_back({"c_proj", {std::move(out)}});
    return {Block<Scalar>::Kind::chain, std::move(parts)};
}

}  // namespace detail

/// Self-attention: y = c_proj(attention(c_attn(x))) with all tokens of a sample, as in BERT or a vision transformer.
/// Its three parts are layers of the model: Linear, DotProductAttention, Linear.
///
/// Shapes     samples {tokens, width} -> {tokens, width};  c_attn 3 width x width: rows of queries, keys, then values;
///            c_proj width x width
/// Names      parameters of block 3 of a model: "3.c_attn.weight", "3.c_attn.bias", "3.c_proj.weight", ... as nanoGPT's
/// Throws     ShapeError if the heads do not divide the width, and what DotProductAttention throws
/// Source     Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2
/// Example    gacc::Residual(gacc::LayerNorm(128), gacc::SelfAttention(128, {.heads = 4}))
template <class Scalar = float>
Block<Scalar> SelfAttention(Index width, SelfAttentionOptions options = {}) {
    return detail::self_attention<Scalar>(width, options, false);
}

/// The same, but a token sees only itself and the tokens before it, as in GPT.
///
/// Example    gacc::Residual(gacc::LayerNorm(128), gacc::CausalSelfAttention(128, {.heads = 4, .bias = false}))
template <class Scalar = float>
Block<Scalar> CausalSelfAttention(Index width, SelfAttentionOptions options = {}) {
    return detail::self_attention<Scalar>(width, options, true);
}

}  // namespace gacc
