#include <gacc/io/layer_registry.hpp>

#include <gacc/io/model_file.hpp>
#include <gacc/model/sequential.hpp>

#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace layer_registry_test {

using gacc::ConfigReader;
using gacc::Index;
using gacc::LayerRecipe;
using gacc::LayerRegistry;
using gacc::Matrix;
using gacc::Sequential;
using gacc::UsageError;

namespace {

/// y = factor weight x, a layer of the user's.
class Scale : public gacc::Layer<float> {
public:
    explicit Scale(Index features, double factor = 1) : factor_(factor), weight_("weight", {features}, "Scale") {}

    std::string description() const override { return "Scale"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override {
        for (Index i = 0; i < call.x.rows(); ++i) {
            for (Index j = 0; j < call.x.cols(); ++j) {
                call.y(i, j) =
                    static_cast<float>(factor_) * weight_.stored_values()[static_cast<std::size_t>(j)] * call.x(i, j);
            }
        }
    }
    void backward(gacc::Backward<float>) override {}
    std::vector<gacc::Parameter<float>*> parameters() override { return {&weight_}; }
    gacc::LayerConfig config() const override { return {"Scale", {{"features", weight_.cols()}, {"factor", factor_}}}; }

private:
    double factor_;
    gacc::Parameter<float> weight_;
};

LayerRecipe<float> scale(ConfigReader& options) {
    const Index features = options.size("features");
    return {.parameters = {{"weight", {features}}},
            .make = [features, factor = options.number("factor")] { return Scale(features, factor); }};
}

}  // namespace

TEST_CASE("LayerRegistry: a layer of the user's is saved, and loaded through it") {
    const TemporaryFolder folder;
    Sequential model(gacc::Input(3), gacc::Residual(Scale(3, 1.5)), gacc::ReLU());
    model.parameters()[0].set_value(Matrix<float>{{1, -2, 3}});
    gacc::save_model(folder.path() / "model", model);

    LayerRegistry<float> layers;
    layers.add("Scale", scale);
    auto loaded = gacc::load_model(folder.path() / "model", layers);
    const Matrix<float> x{{1, 2, 3}, {-4, 5, -6}};
    CHECK(gacc::test::bytes_of(loaded.predict(x)) == gacc::test::bytes_of(model.predict(x)));
    CHECK(loaded.predict(x)(0, 2) == 3 + 1.5F * 3 * 3);

    const std::string text =
        "gacc: load_model \"" + (folder.path() / "model").string() +
        "\": expected a type that the registry has for layer 0.branch.0, got \"Scale\"; give load_model "
        "a LayerRegistry to which it was added";
    CHECK_THROWS_WITH_AS(gacc::load_model(folder.path() / "model"), text.c_str(), gacc::DataError);
}

TEST_CASE("LayerRegistry: a recipe that does not say the parameters of its layer is refused") {
    const TemporaryFolder folder;
    Sequential model(gacc::Input(3), Scale(3));
    gacc::save_model(folder.path() / "model", model);
    for (const char* name : {"weight", "gain"}) {
        LayerRegistry<float> layers;
        layers.add("Scale", [&](ConfigReader& options) {
            auto recipe = scale(options);
            recipe.make = [name = std::string(name)]() -> gacc::Block<float> {
                if (name == "weight") { return Scale(4); }
                return gacc::ReLU();
            };
            return recipe;
        });
        CHECK_THROWS_WITH_AS(
            gacc::load_model(folder.path() / "model", layers),
            "gacc: LayerRegistry: expected a recipe that says the parameters of its layer, in their order, "
            "got another for \"Scale\"; give .parameters as the layer has them",
            UsageError);
    }
}

TEST_CASE("LayerRegistry: a type stands for one layer, and none for a block") {
    LayerRegistry<float> layers;
    layers.add("Scale", scale);
    for (const std::string type : {"Scale", "Linear", "Residual", "Concat", "Chain", ""}) {
        CHECK_THROWS_WITH_AS(layers.add(type, scale),
                             ("gacc: LayerRegistry::add: expected a type that is not there yet, got \"" + type +
                              "\"; give it another name")
                                 .c_str(),
                             UsageError);
    }
    CHECK(layers.find("Scale") != nullptr);
    CHECK(layers.find("scale") == nullptr);
}

TEST_CASE("LayerRegistry: it names the parameters of each of gacc's layers as the layer has them") {
    const LayerRegistry<float> layers;
    const auto check = [&](gacc::Layer<float>& layer) {
        const gacc::LayerConfig config = layer.config();
        CAPTURE(config.type);
        const auto* reader = layers.find(config.type);
        REQUIRE(reader != nullptr);
        ConfigReader options(config, "file", "layer 0");
        const auto recipe = (*reader)(options);
        options.finish();
        const auto parameters = layer.parameters();
        REQUIRE(recipe.parameters.size() == parameters.size());
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            CHECK(recipe.parameters[i].first == parameters[i]->name());
            CHECK(recipe.parameters[i].second == parameters[i]->shape());
        }
        gacc::Block<float> made = recipe.make();
        CHECK(made.description() == layer.description());
        CHECK(made.layer()->config().options == config.options);
    };
    std::vector<gacc::Block<float>> all{
        gacc::Linear(2, 3),
        gacc::Linear(2, 3, {.initialization = gacc::Initialization::uniform_fan_in, .bias = false}),
        gacc::Conv2d(4, 6, {.kernel = {3, 2}, .stride = {1, 2}, .padding = {0, 3}, .dilation = {2, 1}, .groups = 2}),
        gacc::Conv2d(4, 6, {.bias = false, .initialization = gacc::Initialization::uniform_fan_in}),
        gacc::ConvTranspose2d(4, 6, {.kernel = {3, 2},
                                     .stride = {2, 3},
                                     .padding = {0, 1},
                                     .output_padding = {1, 2},
                                     .dilation = {2, 1},
                                     .groups = 2}),
        gacc::ConvTranspose2d(4, 6, {.bias = false, .initialization = gacc::Initialization::uniform_fan_in}),
        gacc::Conv1d(4, 6, {.kernel = 4, .stride = 3, .padding = 1, .dilation = 2, .groups = 2}),
        gacc::Conv1d(4, 6, {.bias = false, .initialization = gacc::Initialization::uniform_fan_in}),
        gacc::LayerNorm(4),
        gacc::LayerNorm(4, {.bias = false}),
        gacc::RMSNorm(4, {.epsilon = 0.5}),
        gacc::GroupNorm(2, 6),
        gacc::Linear(2, 3, {.initialization = gacc::Initialization::gpt2, .initial_scale = 0.5}),
        gacc::Conv2d(4, 6, {.initialization = gacc::Initialization::gpt2}),
        gacc::DotProductAttention(8, {.heads = 2, .causal = true, .dropout = 0.25, .rotary_positions = 5}),
        gacc::DotProductAttention(3),
        gacc::DotProductAttention(3, {.padding_token = 5}),
        gacc::Embedding(5, 2),
        gacc::Embedding(5, 2, {.deviation = 0.02}),
        gacc::PositionEmbedding(5, 2),
        gacc::FrozenBatchNorm({1, -2}, {-0.0, -0.0}, {0, 0}, {1, 4}),
        gacc::Dropout(0.3),
        gacc::ELU({.alpha = 0.1}),
        gacc::GELU(),
        gacc::GELU({.approximation = gacc::Approximation::tanh}),
        gacc::LeakyReLU(),
        gacc::ReLU(),
        gacc::SiLU(),
        gacc::Sigmoid(),
        gacc::Softplus(),
        gacc::Tanh(),
        gacc::Flatten(),
        gacc::MaxPool2d(2),
        gacc::MaxPool2d({5, 3}, {.stride = {1, 4}, .padding = {2, 1}}),
        gacc::AveragePool2d(3, {.stride = 2, .padding = {0, 1}, .count_padding = false}),
        gacc::GlobalAveragePool(),
        gacc::Upsample({3, 2})};
    for (auto& block : all) { check(*block.layer()); }
}

}  // namespace layer_registry_test
