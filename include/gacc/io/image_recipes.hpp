#pragma once

#include <gacc/core/types.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/io/layer_recipe.hpp>
#include <gacc/layers/average_pool2d.hpp>
#include <gacc/layers/conv1d.hpp>
#include <gacc/layers/conv2d.hpp>
#include <gacc/layers/conv_transpose2d.hpp>
#include <gacc/layers/global_average_pool.hpp>
#include <gacc/layers/max_pool2d.hpp>
#include <gacc/layers/size2d.hpp>
#include <gacc/layers/upsample.hpp>

#include <algorithm>

namespace gacc::inline GACC_ABI::detail {

/// Adds the recipes of pooling and Upsample.
template <class Scalar>
void add_pools(LayerRecipes<Scalar>& all) {
    using Recipe = LayerRecipe<Scalar>;
    all["GlobalAveragePool"] = plain<GlobalAveragePool<Scalar>>();
    all["MaxPool2d"] = [](ConfigReader& options) -> Recipe {
        const Size2d kernel = size2d(options, "kernel");
        const MaxPool2dOptions given{.stride = size2d(options, "stride"), .padding = padding2d(options)};
        return {.make = [=] { return MaxPool2d<Scalar>(kernel, given); }};
    };
    all["AveragePool2d"] = [](ConfigReader& options) -> Recipe {
        const Size2d kernel = size2d(options, "kernel");
        const AveragePool2dOptions given{.stride = size2d(options, "stride"),
                                         .padding = padding2d(options),
                                         .count_padding = options.flag("count_padding")};
        return {.make = [=] { return AveragePool2d<Scalar>(kernel, given); }};
    };
    all["Upsample"] = [](ConfigReader& options) -> Recipe {
        return {.make = [scale = size2d(options, "scale")] { return Upsample<Scalar>(scale); }};
    };
}

/// Adds the recipes of the convolutions.
template <class Scalar>
void add_convolutions(LayerRecipes<Scalar>& all) {
    using Recipe = LayerRecipe<Scalar>;
    all["Conv1d"] = [](ConfigReader& options) -> Recipe {
        const Index in = options.size("in_channels"), out = options.size("out_channels");
        const Conv1dOptions given{.kernel = options.size("kernel"),
                                  .stride = options.size("stride"),
                                  .padding = options.count("padding"),
                                  .dilation = options.size("dilation"),
                                  .groups = options.size("groups"),
                                  .bias = options.flag("bias"),
                                  .initialization = initialization(options)};
        const Index of_group = std::max<Index>(in / given.groups, 1);
        return {.parameters = weight_and_bias({out, of_group, given.kernel}, out, given.bias),
                .make = [=] { return Conv1d<Scalar>(in, out, given); }};
    };
    all["Conv2d"] = [](ConfigReader& options) -> Recipe {
        const Index in = options.size("in_channels"), out = options.size("out_channels");
        const Conv2dOptions given{.kernel = size2d(options, "kernel"),
                                  .stride = size2d(options, "stride"),
                                  .padding = padding2d(options),
                                  .dilation = size2d(options, "dilation"),
                                  .groups = options.size("groups"),
                                  .bias = options.flag("bias"),
                                  .initialization = initialization(options)};
        const Index of_group = std::max<Index>(in / given.groups, 1);
        return {.parameters = weight_and_bias({out, of_group, given.kernel.height, given.kernel.width}, out,
                                              given.bias),
                .make = [=] { return Conv2d<Scalar>(in, out, given); }};
    };
    all["ConvTranspose2d"] = [](ConfigReader& options) -> Recipe {
        const Index in = options.size("in_channels"), out = options.size("out_channels");
        const ConvTranspose2dOptions given{.kernel = size2d(options, "kernel"),
                                           .stride = size2d(options, "stride"),
                                           .padding = padding2d(options),
                                           .output_padding = padding2d(options, "output_padding"),
                                           .dilation = size2d(options, "dilation"),
                                           .groups = options.size("groups"),
                                           .bias = options.flag("bias"),
                                           .initialization = initialization(options)};
        const Index of_group = std::max<Index>(out / given.groups, 1);
        return {.parameters = weight_and_bias({in, of_group, given.kernel.height, given.kernel.width}, out,
                                              given.bias),
                .make = [=] { return ConvTranspose2d<Scalar>(in, out, given); }};
    };
}

}  // namespace gacc::detail
