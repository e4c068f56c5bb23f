#pragma once

#include <gacc/core/types.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/io/layer_recipe.hpp>
#include <gacc/layers/batch_norm.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/rms_norm.hpp>

#include <cmath>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Adds the recipes of the norms.
template <class Scalar>
void add_norms(LayerRecipes<Scalar>& all) {
    using Recipe = LayerRecipe<Scalar>;
    all["LayerNorm"] = [](ConfigReader& options) -> Recipe {
        const Index features = options.size("features");
        const LayerNormOptions given{.epsilon = options.number("epsilon"), .bias = options.flag("bias")};
        return {.parameters = weight_and_bias({features}, features, given.bias),
                .make = [=] { return LayerNorm<Scalar>(features, given); }};
    };
    all["RMSNorm"] = [](ConfigReader& options) -> Recipe {
        const Index features = options.size("features");
        const RMSNormOptions given{.epsilon = options.number("epsilon")};
        return {.parameters = weight_and_bias({features}, features, false),
                .make = [=] { return RMSNorm<Scalar>(features, given); }};
    };
    all["GroupNorm"] = [](ConfigReader& options) -> Recipe {
        const Index groups = options.size("groups"), channels = options.size("channels");
        const GroupNormOptions given{.epsilon = options.number("epsilon")};
        return {.parameters = weight_and_bias({channels}, channels, true),
                .make = [=] { return GroupNorm<Scalar>(groups, channels, given); }};
    };
    all["FrozenBatchNorm"] = [](ConfigReader& options) -> Recipe {
        return {.make = [weight = options.numbers("weight"), bias = options.numbers("bias")] {
            std::vector<double> mean = weight;
            for (double& number : mean) { number = std::copysign(0.0, number); }  // so that a bias of -0 stays -0
            return FrozenBatchNorm<Scalar>(weight, bias, mean, std::vector<double>(weight.size(), 1.0), 0);
        }};
    };
}

}  // namespace gacc::detail
