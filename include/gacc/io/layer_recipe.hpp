#pragma once

#include <gacc/core/shape.hpp>
#include <gacc/core/types.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/layers/initialization.hpp>
#include <gacc/layers/size2d.hpp>
#include <gacc/model/block.hpp>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// How to make a layer that a file describes. The layer is made only if the file has its parameters in these shapes. So
/// a description alone takes no memory.
template <class Scalar>
struct LayerRecipe {
    std::vector<std::pair<std::string, Shape>> parameters{};  ///< names within the layer: {"weight", {128, 784}}
    std::function<Block<Scalar>()> make{};
    /// Parameters of the model whose values the layer uses: {"0.weight", {65, 128}}.
    std::vector<std::pair<std::string, Shape>> shared{};
};

namespace detail {

/// By type: reads all options of a layer, and does not make the layer yet.
template <class Scalar>
using LayerRecipes = std::map<std::string, std::function<LayerRecipe<Scalar>(ConfigReader&)>, std::less<>>;

/// For a layer without options and parameters.
template <class L>
auto plain() {
    return [](ConfigReader&) -> LayerRecipe<typename L::scalar_type> { return {.make = [] { return L(); }}; };
}

inline std::vector<std::pair<std::string, Shape>> weight_and_bias(Shape weight, Index features, bool bias) {
    std::vector<std::pair<std::string, Shape>> all{{"weight", std::move(weight)}};
    if (bias) { all.push_back({"bias", {features}}); }
    return all;
}

inline Size2d size2d(ConfigReader& options, const std::string& name) {
    const Index height = options.size(name + "_height");
    return {height, options.size(name + "_width")};
}
inline Size2d padding2d(ConfigReader& options, const std::string& name = "padding") {
    const Index height = options.count(name + "_height");
    return {height, options.count(name + "_width")};
}
inline Initialization initialization(ConfigReader& options) {
    return static_cast<Initialization>(options.one_of("initialization", {"he_normal", "uniform_fan_in", "gpt2"}));
}

}  // namespace detail
}  // namespace gacc
