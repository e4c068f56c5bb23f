#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/layers/average_pool2d.hpp>
#include <gacc/layers/batch_norm.hpp>
#include <gacc/layers/conv1d.hpp>
#include <gacc/layers/conv2d.hpp>
#include <gacc/layers/conv_transpose2d.hpp>
#include <gacc/layers/dropout.hpp>
#include <gacc/layers/elu.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/flatten.hpp>
#include <gacc/layers/gelu.hpp>
#include <gacc/layers/global_average_pool.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/leaky_relu.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/max_pool2d.hpp>
#include <gacc/layers/position_embedding.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/layers/rms_norm.hpp>
#include <gacc/layers/sigmoid.hpp>
#include <gacc/layers/silu.hpp>
#include <gacc/layers/softplus.hpp>
#include <gacc/layers/size2d.hpp>
#include <gacc/layers/tanh.hpp>
#include <gacc/layers/upsample.hpp>
#include <gacc/model/block.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <string_view>
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
        add_activations();
        add_norms();
        add_pools();
        add_convolutions();
        add_weights();
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
    using Recipe = LayerRecipe<Scalar>;

    void add_activations() {
        add_plain<Flatten<Scalar>>("Flatten");
        add_plain<ReLU<Scalar>>("ReLU");
        add_plain<Sigmoid<Scalar>>("Sigmoid");
        add_plain<SiLU<Scalar>>("SiLU");
        add_plain<Softplus<Scalar>>("Softplus");
        add_plain<Tanh<Scalar>>("Tanh");
        add("Dropout", [](ConfigReader& options) -> Recipe {
            return {.make = [p = options.number("p")] { return Dropout<Scalar>(p); }};
        });
        add("ELU", [](ConfigReader& options) -> Recipe {
            return {.make = [alpha = options.number("alpha")] { return ELU<Scalar>({.alpha = alpha}); }};
        });
        add("GELU", [](ConfigReader& options) -> Recipe {
            const bool by_tanh = options.one_of("approximation", {"none", "tanh"}) == 1;
            return {.make = [by_tanh] {
                return GELU<Scalar>({.approximation = by_tanh ? Approximation::tanh : Approximation::none});
            }};
        });
        add("LeakyReLU", [](ConfigReader& options) -> Recipe {
            return {.make = [slope = options.number("negative_slope")] {
                return LeakyReLU<Scalar>({.negative_slope = slope});
            }};
        });
    }

    void add_norms() {
        add("LayerNorm", [](ConfigReader& options) -> Recipe {
            const Index features = options.size("features");
            const LayerNormOptions given{.epsilon = options.number("epsilon"), .bias = options.flag("bias")};
            return {.parameters = weight_and_bias({features}, features, given.bias),
                    .make = [=] { return LayerNorm<Scalar>(features, given); }};
        });
        add("RMSNorm", [](ConfigReader& options) -> Recipe {
            const Index features = options.size("features");
            const RMSNormOptions given{.epsilon = options.number("epsilon")};
            return {.parameters = weight_and_bias({features}, features, false),
                    .make = [=] { return RMSNorm<Scalar>(features, given); }};
        });
        add("GroupNorm", [](ConfigReader& options) -> Recipe {
            const Index groups = options.size("groups"), channels = options.size("channels");
            const GroupNormOptions given{.epsilon = options.number("epsilon")};
            return {.parameters = weight_and_bias({channels}, channels, true),
                    .make = [=] { return GroupNorm<Scalar>(groups, channels, given); }};
        });
        add("FrozenBatchNorm", [](ConfigReader& options) -> Recipe {
            return {.make = [weight = options.numbers("weight"), bias = options.numbers("bias")] {
                std::vector<double> mean = weight;
                for (double& number : mean) { number = std::copysign(0.0, number); }  // so that a bias of -0 stays -0
                return FrozenBatchNorm<Scalar>(weight, bias, mean, std::vector<double>(weight.size(), 1.0), 0);
            }};
        });
    }

    void add_pools() {
        add_plain<GlobalAveragePool<Scalar>>("GlobalAveragePool");
        add("MaxPool2d", [](ConfigReader& options) -> Recipe {
            const Size2d kernel = size2d(options, "kernel");
            const MaxPool2dOptions given{.stride = size2d(options, "stride"), .padding = padding(options)};
            return {.make = [=] { return MaxPool2d<Scalar>(kernel, given); }};
        });
        add("AveragePool2d", [](ConfigReader& options) -> Recipe {
            const Size2d kernel = size2d(options, "kernel");
            const AveragePool2dOptions given{.stride = size2d(options, "stride"),
                                             .padding = padding(options),
                                             .count_padding = options.flag("count_padding")};
            return {.make = [=] { return AveragePool2d<Scalar>(kernel, given); }};
        });
        add("Upsample", [](ConfigReader& options) -> Recipe {
            return {.make = [scale = size2d(options, "scale")] { return Upsample<Scalar>(scale); }};
        });
    }

    void add_convolutions() {
        add("Conv1d", [](ConfigReader& options) -> Recipe {
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
        });
        add("Conv2d", [](ConfigReader& options) -> Recipe {
            const Index in = options.size("in_channels"), out = options.size("out_channels");
            const Conv2dOptions given{.kernel = size2d(options, "kernel"),
                                      .stride = size2d(options, "stride"),
                                      .padding = padding(options),
                                      .dilation = size2d(options, "dilation"),
                                      .groups = options.size("groups"),
                                      .bias = options.flag("bias"),
                                      .initialization = initialization(options)};
            const Index of_group = std::max<Index>(in / given.groups, 1);
            return {.parameters = weight_and_bias({out, of_group, given.kernel.height, given.kernel.width}, out,
                                                  given.bias),
                    .make = [=] { return Conv2d<Scalar>(in, out, given); }};
        });
        add("ConvTranspose2d", [](ConfigReader& options) -> Recipe {
            const Index in = options.size("in_channels"), out = options.size("out_channels");
            const ConvTranspose2dOptions given{.kernel = size2d(options, "kernel"),
                                               .stride = size2d(options, "stride"),
                                               .padding = padding(options),
                                               .output_padding = padding(options, "output_padding"),
                                               .dilation = size2d(options, "dilation"),
                                               .groups = options.size("groups"),
                                               .bias = options.flag("bias"),
                                               .initialization = initialization(options)};
            const Index of_group = std::max<Index>(out / given.groups, 1);
            return {.parameters = weight_and_bias({in, of_group, given.kernel.height, given.kernel.width}, out,
                                                  given.bias),
                    .make = [=] { return ConvTranspose2d<Scalar>(in, out, given); }};
        });
    }

    void add_weights() {
        add("Embedding", [](ConfigReader& options) -> Recipe {
            const Index vocabulary = options.size("vocabulary"), features = options.size("features");
            return {.parameters = weight_and_bias({vocabulary, features}, features, false),
                    .make = [=] { return Embedding<Scalar>(vocabulary, features); }};
        });
        add("PositionEmbedding", [](ConfigReader& options) -> Recipe {
            const Index tokens = options.size("tokens"), features = options.size("features");
            return {.parameters = weight_and_bias({tokens, features}, features, false),
                    .make = [=] { return PositionEmbedding<Scalar>(tokens, features); }};
        });
        add("Linear", [](ConfigReader& options) -> Recipe {
            const Index in = options.size("in_features"), out = options.size("out_features");
            const bool bias = options.flag("bias");
            const LinearOptions given{.initialization = initialization(options),
                                      .bias = bias,
                                      .shares = options.has("shares") ? options.word("shares") : ""};
            Recipe recipe{.parameters = weight_and_bias({out, in}, out, bias),
                          .make = [=] { return Linear<Scalar>(in, out, given); }};
            if (!given.shares.empty()) {
                recipe.parameters.erase(recipe.parameters.begin());
                recipe.shared.push_back({given.shares, {out, in}});
            }
            return recipe;
        });
    }

    template <class L>
    void add_plain(const char* type) {
        add(type, [](ConfigReader&) -> Recipe { return {.make = [] { return L(); }}; });
    }

    static Size2d size2d(ConfigReader& options, const std::string& name) {
        const Index height = options.size(name + "_height");
        return {height, options.size(name + "_width")};
    }
    static Size2d padding(ConfigReader& options, const std::string& name = "padding") {
        const Index height = options.count(name + "_height");
        return {height, options.count(name + "_width")};
    }
    static Initialization initialization(ConfigReader& options) {
        const bool he = options.one_of("initialization", {"he_normal", "uniform_fan_in"}) == 0;
        return he ? Initialization::he_normal : Initialization::uniform_fan_in;
    }

    static std::vector<std::pair<std::string, Shape>> weight_and_bias(Shape weight, Index features, bool bias) {
        std::vector<std::pair<std::string, Shape>> all{{"weight", std::move(weight)}};
        if (bias) { all.push_back({"bias", {features}}); }
        return all;
    }

    std::map<std::string, Reader, std::less<>> readers_;
};

}  // namespace gacc
