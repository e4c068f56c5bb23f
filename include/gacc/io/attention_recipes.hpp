#pragma once

#include <gacc/core/types.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/io/layer_recipe.hpp>
#include <gacc/layers/dot_product_attention.hpp>

namespace gacc::inline GACC_ABI::detail {

/// Adds the recipe of DotProductAttention. The projections around it are layers of their own.
template <class Scalar>
void add_attention(LayerRecipes<Scalar>& all) {
    all["DotProductAttention"] = [](ConfigReader& options) -> LayerRecipe<Scalar> {
        const Index width = options.size("width");
        DotProductAttentionOptions given{.heads = options.size("heads"),
                                               .causal = options.flag("causal"),
                                               .dropout = options.number("dropout"),
                                               .rotary_positions = options.count("rotary_positions")};
        if (options.has("padding_token")) { given.padding_token = options.count("padding_token"); }
        return {.make = [=] { return DotProductAttention<Scalar>(width, given); }};
    };
}

}  // namespace gacc::detail
