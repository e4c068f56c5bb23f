#pragma once

#include <gacc/core/error.hpp>
#include <gacc/io/activation_recipes.hpp>
#include <gacc/io/attention_recipes.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/io/image_recipes.hpp>
#include <gacc/io/layer_recipe.hpp>
#include <gacc/io/linear_recipes.hpp>
#include <gacc/io/norm_recipes.hpp>
#include <gacc/layers/layer_config.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace gacc::inline GACC_ABI {

/// Makes layers from their LayerConfig, by type. It knows gacc's own layers and those that you add.
///
/// Example    gacc::LayerRegistry<float> layers;
///            layers.add("Scale", [](gacc::ConfigReader& options) -> gacc::LayerRecipe<float> {
///                const gacc::Index features = options.size("features");
///                return {.parameters = {{"weight", {features}}}, .make = [=] { return Scale(features); }};
///            });
///            auto model = gacc::load_model("model.safetensors", layers);
template <class Scalar>
class LayerRegistry {
public:
    /// Reads all options. It does not make the layer yet.
    using Reader = std::function<LayerRecipe<Scalar>(ConfigReader&)>;

    LayerRegistry() {
        detail::add_activations(readers_);
        detail::add_norms(readers_);
        detail::add_pools(readers_);
        detail::add_convolutions(readers_);
        detail::add_linear_layers(readers_);
        detail::add_attention(readers_);
    }

    /// Throws     UsageError if the type is there already, or is the name of a block
    void add(const std::string& type, Reader reader) {
        if (type.empty() || detail::is_block_type(type) || !readers_.emplace(type, std::move(reader)).second) {
            throw UsageError("LayerRegistry::add",
                             "expected a type that is not there yet, got \"" + type + "\"; give it another name");
        }
    }

    /// Null if the type is unknown.
    const Reader* find(std::string_view type) const {
        const auto found = readers_.find(type);
        return found == readers_.end() ? nullptr : &found->second;
    }

private:
    detail::LayerRecipes<Scalar> readers_;
};

}  // namespace gacc
