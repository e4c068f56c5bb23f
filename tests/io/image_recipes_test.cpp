#include <gacc/io/image_recipes.hpp>

#include <gacc/io/layer_registry.hpp>

#include <doctest/doctest.h>

namespace image_recipes_test {

using gacc::ConfigReader;
using gacc::Index;
using gacc::LayerRegistry;

TEST_CASE("image recipes: a Conv2d whose groups are more than its channels is refused, with the shape it would have") {
    const LayerRegistry<float> layers;
    auto config = gacc::Conv2d(4, 8, {.groups = 4}).config();
    for (auto& [name, option] : config.options) {
        if (name == "groups") { option = Index{8}; }
    }
    ConfigReader options(config, "file", "layer 0");
    const auto recipe = (*layers.find("Conv2d"))(options);
    CHECK(recipe.parameters[0].second == gacc::Shape{8, 1, 3, 3});
    CHECK_THROWS_WITH_AS(recipe.make(),
                         "gacc: Conv2d: expected groups that divide the channels, got 8 groups for 4 -> 8",
                         gacc::ShapeError);
}

}  // namespace image_recipes_test
