#pragma once

#include <gacc/io/config_reader.hpp>
#include <gacc/io/layer_recipe.hpp>
#include <gacc/layers/dropout.hpp>
#include <gacc/layers/elu.hpp>
#include <gacc/layers/flatten.hpp>
#include <gacc/layers/gelu.hpp>
#include <gacc/layers/leaky_relu.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/layers/sigmoid.hpp>
#include <gacc/layers/silu.hpp>
#include <gacc/layers/softplus.hpp>
#include <gacc/layers/tanh.hpp>

namespace gacc::inline GACC_ABI::detail {

/// Adds the recipes of the activations, Dropout and Flatten. They have no parameters.
template <class Scalar>
void add_activations(LayerRecipes<Scalar>& all) {
    using Recipe = LayerRecipe<Scalar>;
    all["Flatten"] = plain<Flatten<Scalar>>();
    all["ReLU"] = plain<ReLU<Scalar>>();
    all["Sigmoid"] = plain<Sigmoid<Scalar>>();
    all["SiLU"] = plain<SiLU<Scalar>>();
    all["Softplus"] = plain<Softplus<Scalar>>();
    all["Tanh"] = plain<Tanh<Scalar>>();
    all["Dropout"] = [](ConfigReader& options) -> Recipe {
        return {.make = [p = options.number("p")] { return Dropout<Scalar>(p); }};
    };
    all["ELU"] = [](ConfigReader& options) -> Recipe {
        return {.make = [alpha = options.number("alpha")] { return ELU<Scalar>({.alpha = alpha}); }};
    };
    all["GELU"] = [](ConfigReader& options) -> Recipe {
        const bool by_tanh = options.one_of("approximation", {"none", "tanh"}) == 1;
        return {.make = [by_tanh] {
            return GELU<Scalar>({.approximation = by_tanh ? Approximation::tanh : Approximation::none});
        }};
    };
    all["LeakyReLU"] = [](ConfigReader& options) -> Recipe {
        return {.make = [slope = options.number("negative_slope")] {
            return LeakyReLU<Scalar>({.negative_slope = slope});
        }};
    };
}

}  // namespace gacc::detail
