#include <gacc/io/norm_recipes.hpp>

#include <gacc/io/layer_registry.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>

namespace norm_recipes_test {

using gacc::ConfigReader;
using gacc::LayerRegistry;

TEST_CASE("norm recipes: a FrozenBatchNorm keeps the signs of zeros") {
    const LayerRegistry<float> layers;
    const gacc::FrozenBatchNorm layer({1, -2, -1}, {-0.0, -0.0, 0}, {0, -0.0, 0}, {1, 4, 1});
    ConfigReader options(layer.config(), "file", "layer 0");
    const auto again = (*layers.find("FrozenBatchNorm"))(options).make().layer()->config();
    const auto before = *layer.config().options[1].value.numbers();
    const auto after = *again.options[1].value.numbers();
    REQUIRE(after == before);
    CHECK(std::signbit(before[1]));
    for (std::size_t i = 0; i < before.size(); ++i) { CHECK(std::signbit(after[i]) == std::signbit(before[i])); }
}

}  // namespace norm_recipes_test
