#pragma once

#include <gacc/core/types.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/io/layer_recipe.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/position_embedding.hpp>

namespace gacc::inline GACC_ABI::detail {

/// Adds the recipes of Linear and of the embeddings, whose values a Linear may share.
template <class Scalar>
void add_linear_layers(LayerRecipes<Scalar>& all) {
    using Recipe = LayerRecipe<Scalar>;
    all["Embedding"] = [](ConfigReader& options) -> Recipe {
        const Index vocabulary = options.size("vocabulary"), features = options.size("features");
        const EmbeddingOptions given{.deviation = options.has("deviation") ? options.number("deviation") : 1};
        return {.parameters = weight_and_bias({vocabulary, features}, features, false),
                .make = [=] { return Embedding<Scalar>(vocabulary, features, given); }};
    };
    all["PositionEmbedding"] = [](ConfigReader& options) -> Recipe {
        const Index tokens = options.size("tokens"), features = options.size("features");
        return {.parameters = weight_and_bias({tokens, features}, features, false),
                .make = [=] { return PositionEmbedding<Scalar>(tokens, features); }};
    };
    all["Linear"] = [](ConfigReader& options) -> Recipe {
        const Index in = options.size("in_features"), out = options.size("out_features");
        const bool bias = options.flag("bias");
        const LinearOptions given{.initialization = initialization(options),
                                  .bias = bias,
                                  .shares = options.has("shares") ? options.word("shares") : "",
                                  .initial_scale =
                                      options.has("initial_scale") ? options.number("initial_scale") : 1};
        Recipe recipe{.parameters = weight_and_bias({out, in}, out, bias),
                      .make = [=] { return Linear<Scalar>(in, out, given); }};
        if (!given.shares.empty()) {
            recipe.parameters.erase(recipe.parameters.begin());
            recipe.shared.push_back({given.shares, {out, in}});
        }
        return recipe;
    };
}

}  // namespace gacc::detail
