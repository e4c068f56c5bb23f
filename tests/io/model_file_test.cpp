#include <gacc/io/model_file.hpp>

#include <gacc/io/checkpoint.hpp>
#include <gacc/model/self_attention.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>

#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

namespace model_file_test {

using gacc::Block;
using gacc::DataError;
using gacc::Index;
using gacc::Matrix;
using gacc::Sequential;
using gacc::UsageError;
using Json = nlohmann::ordered_json;

namespace fs = std::filesystem;

namespace {

template <class Scalar>
gacc::FrozenBatchNorm<Scalar> statistics(Index features) {
    std::vector<double> weight, bias, mean, variance;
    for (Index i = 0; i < features; ++i) {
        const auto number = static_cast<double>(i);
        weight.push_back(i % 2 == 0 ? 1 + number / 3 : -1 - number / 7);
        bias.push_back(i == 1 ? -0.0 : number / 11);
        mean.push_back(i == 1 ? 0 : 0.1 * number);
        variance.push_back(0.5 + number);
    }
    return gacc::FrozenBatchNorm<Scalar>(weight, bias, mean, variance);
}

/// Every layer of gacc but those for images, with options other than the defaults, and blocks within blocks.
template <class Scalar>
Sequential<Scalar> every_layer() {
    using namespace gacc;
    Sequential<Scalar> model(
        Input(3), Embedding<Scalar>(5, 8), PositionEmbedding<Scalar>(4, 8),
        Conv1d<Scalar>(8, 8, {.kernel = 2, .stride = 2, .padding = 3, .dilation = 3, .groups = 4, .bias = false}),
        Residual(
            LayerNorm<Scalar>(8, {.epsilon = 1e-3, .bias = false}), Linear<Scalar>(8, 8), GELU<Scalar>(),
            Residual(RMSNorm<Scalar>(8, {.epsilon = 0.125}), SiLU<Scalar>(), Linear<Scalar>(8, 8, {.bias = false}))),
        Residual(Shortcut(Linear<Scalar>(8, 6, {.initialization = Initialization::uniform_fan_in})),
                 Concat(Chain(Linear<Scalar>(8, 2), Tanh<Scalar>()), Linear<Scalar>(8, 4)), Dropout<Scalar>(0.25)),
        Residual(Shortcut(Sigmoid<Scalar>(), LeakyReLU<Scalar>({.negative_slope = 0.3})),
                 GroupNorm<Scalar>(3, 6, {.epsilon = 0.0625}), ELU<Scalar>({.alpha = 0.75}), Softplus<Scalar>()),
        statistics<Scalar>(6), LayerNorm<Scalar>(6), GELU<Scalar>({.approximation = Approximation::tanh}),
        Residual(CausalSelfAttention<Scalar>(6, {.heads = 3, .dropout = 0.25, .rotary_positions = 3}),
                 SelfAttention<Scalar>(
                     6, {.bias = false,
                         .padding_token = 4,
                         .initialization = Initialization::gpt2,
                         .projection_scale = 0.5})),
        Flatten<Scalar>(), Chain(Linear<Scalar>(18, 3)), ReLU<Scalar>());
    Rng rng(1);
    model.initialize(rng);
    for (auto& parameter : model.parameters()) {  // no parameter keeps its first value
        Matrix<Scalar> value = parameter.value();
        for (Index i = 0; i < value.size(); ++i) { value.data()[i] += static_cast<Scalar>(rng.uniform(-0.1, 0.1)); }
        parameter.set_value(value);
    }
    return model;
}

Matrix<float> tokens(Index samples) {
    Matrix<float> x(samples, 3);
    for (Index i = 0; i < x.size(); ++i) { x.data()[i] = static_cast<float>(i * 7 % 5); }
    return x;
}

Sequential<float> small_model() {
    Sequential<float> model(gacc::Linear(2, 1), gacc::Dropout(0.5));
    model.parameters()[0].set_value(Matrix<float>{{1, -2}});
    model.parameters()[1].set_value(Matrix<float>{{0.15625F}});
    return model;
}

/// A file in parts that a test can change.
struct Parts {
    gacc::SafetensorsHeader header;
    std::vector<std::uint8_t> numbers;

    explicit Parts(const fs::path& path) {
        const gacc::SafetensorsFile file(path);
        header = {file.tensors(), file.metadata()};
        const auto bytes = file.bytes()[1];
        numbers.assign(bytes.begin(), bytes.end());
    }
    Json described(const std::string& key) const { return Json::parse(header.metadata.at(key)); }
    void write(const fs::path& path) const {
        auto bytes = gacc::detail::safetensors_start(header);
        bytes.insert(bytes.end(), numbers.begin(), numbers.end());
        std::ofstream file(path, std::ios::binary);
        file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
};

/// A saved model that can be loaded with other descriptions.
struct Saved {
    TemporaryFolder folder;
    fs::path path = folder.path() / "model.safetensors";

    explicit Saved(Sequential<float> model) { gacc::save_model(path, model); }
    explicit Saved() : Saved(small_model()) {}

    /// The error of load_model() for the file with changed descriptions. An empty one is removed.
    std::string error(const std::map<std::string, std::string>& changed) const {
        Parts parts(path);
        for (const auto& [key, text] : changed) {
            if (text.empty()) {
                parts.header.metadata.erase(key);
            } else {
                parts.header.metadata[key] = text;
            }
        }
        const fs::path other = folder.path() / "other";
        parts.write(other);
        try {
            gacc::load_model(other);
        } catch (const DataError& error) {
            const std::string text = error.what(), start = "gacc: load_model \"" + other.string() + "\": ";
            REQUIRE(text.starts_with(start));
            return text.substr(start.size());
        }
        return "loaded";
    }
    std::string error_of_layer(const std::string& layer) const { return error({{"gacc.model.1", layer}}); }
};

/// The places of all values within `json`, also within objects and lists.
std::vector<Json::json_pointer> places_in(const Json& json, const Json::json_pointer& here = Json::json_pointer("")) {
    std::vector<Json::json_pointer> places;
    if (!here.empty()) { places.push_back(here); }
    const auto add = [&](const Json& value, const auto& name) {
        for (const auto& place : places_in(value, here / name)) { places.push_back(place); }
    };
    for (std::size_t i = 0; json.is_array() && i < json.size(); ++i) { add(json[i], i); }
    if (json.is_object()) {
        for (const auto& [name, value] : json.items()) { add(value, name); }
    }
    return places;
}

/// A layer of 3 functions.
class Plain : public gacc::Layer<float> {
public:
    std::string description() const override { return "Plain"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x; }
    void backward(gacc::Backward<float> call) override { call.grad_x = call.grad_y; }
};

class Configured : public Plain {
public:
    explicit Configured(gacc::LayerConfig config) : config_(std::move(config)) {}
    gacc::LayerConfig config() const override { return config_; }

private:
    gacc::LayerConfig config_;
};

}  // namespace

TEST_CASE("save_model: the header of a small model's file") {
    const Saved saved;
    const Parts parts(saved.path);
    CHECK(parts.header.metadata ==
          std::map<std::string, std::string, std::less<>>{
              {"gacc.model", R"({"version":1,"input":[2],"blocks":2})"},
              {"gacc.model.0",
               R"({"type":"Linear","in_features":2,"out_features":1,"bias":true,"initialization":"he_normal"})"},
              {"gacc.model.1", R"({"type":"Dropout","p":0.5})"}});
    REQUIRE(parts.header.tensors.size() == 2);
    CHECK(parts.header.tensors[0].name == "0.weight");
    CHECK(parts.numbers.size() == 12);
}

TEST_CASE("load_model: every layer, in blocks within blocks, predicts the same bytes") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "model.safetensors", again = folder.path() / "again.safetensors";
    auto model = every_layer<float>();
    gacc::save_model(path, model);
    auto loaded = gacc::load_model(path);
    const Matrix<float> x = tokens(9);
    CHECK(gacc::test::bytes_of(loaded.predict(x)) == gacc::test::bytes_of(model.predict(x)));
    CHECK(gacc::test::values_of(loaded.parameters()) == gacc::test::values_of(model.parameters()));
    CHECK(loaded.summary() == model.summary());
    gacc::save_model(again, loaded);
    CHECK(Parts(again).header.metadata == Parts(path).header.metadata);
    CHECK(Parts(again).numbers == Parts(path).numbers);
}

TEST_CASE("load_model: every layer for images predicts the same bytes") {
    using namespace gacc;
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "model.safetensors";
    Sequential model(
        Input(Shape{5, 4, 2}), Conv2d(2, 6, {.kernel = {2, 3}, .stride = {1, 2}, .padding = 1, .groups = 2}),
        ConvTranspose2d(6, 4,
                        {.kernel = {2, 3}, .stride = {2, 1}, .padding = {0, 1}, .output_padding = {1, 0}, .groups = 2}),
        GroupNorm(2, 4), MaxPool2d({3, 2}, {.stride = {2, 1}, .padding = {1, 0}}), Upsample({2, 3}),
        AveragePool2d(2, {.stride = 1, .padding = 1, .count_padding = false}), GlobalAveragePool(), Linear(4, 3));
    Rng rng(2);
    model.initialize(rng);
    save_model(path, model);
    auto loaded = load_model(path);
    CHECK(loaded.summary() == model.summary());
    CHECK(test::values_of(loaded.parameters()) == test::values_of(model.parameters()));
    const auto x = test::random_matrix<float>(rng, 3, 40);
    CHECK(test::bytes_of(loaded.predict(x)) == test::bytes_of(model.predict(x)));
}

TEST_CASE("load_model: a loaded model trains as the one that was saved") {
    const TemporaryFolder folder;
    auto model = every_layer<float>();
    gacc::save_model(folder.path() / "model", model);
    auto loaded = gacc::load_model(folder.path() / "model");
    gacc::Rng one(3), two(3);
    model.initialize(one);
    loaded.initialize(two);
    CHECK(gacc::test::values_of(loaded.parameters()) == gacc::test::values_of(model.parameters()));
    const Matrix<float> x = tokens(9), y = model.forward(x), same = loaded.forward(x);  // with dropout
    CHECK(gacc::test::bytes_of(y) == gacc::test::bytes_of(same));
}

TEST_CASE("load_model: weights are converted as load_safetensors converts them") {
    const TemporaryFolder folder;
    auto model = every_layer<float>();
    gacc::save_model(folder.path() / "model", model);
    auto exact = gacc::load_model<double>(folder.path() / "model");
    auto other = every_layer<double>();
    gacc::load_safetensors(folder.path() / "model", other.parameters(), gacc::OtherTensors::ignore);
    CHECK(gacc::test::values_of(exact.parameters()) == gacc::test::values_of(other.parameters()));

    gacc::save_model(folder.path() / "exact", exact);
    auto back = gacc::load_model<float>(folder.path() / "exact");
    const Matrix<float> x = tokens(9);
    CHECK(gacc::test::bytes_of(back.predict(x)) == gacc::test::bytes_of(model.predict(x)));
}

TEST_CASE("load_model: weights that are not finite are loaded, as load_safetensors loads them") {
    const TemporaryFolder folder;
    auto model = small_model();
    model.parameters()[0].set_value(
        Matrix<float>{{std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}});
    gacc::save_model(folder.path() / "model", model);
    auto loaded = gacc::load_model(folder.path() / "model");
    CHECK(gacc::test::values_of(loaded.parameters()) == gacc::test::values_of(model.parameters()));
}

TEST_CASE("save_model: what cannot be saved is an error, and the file stays") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "model.safetensors";
    const std::string where = "gacc: save_model \"" + path.string() + "\": expected ";
    auto first = small_model();
    gacc::save_model(path, first);
    const auto refused = [&](Sequential<float> model, const std::string& expected) {
        CHECK_THROWS_WITH_AS(gacc::save_model(path, model), (where + expected).c_str(), UsageError);
    };
    refused(Sequential<float>(), "a model with layers, got none");
    refused(Sequential<float>(gacc::Linear(2, 2), gacc::Residual(gacc::Chain(gacc::ReLU(), Plain()))),
            "layers that describe themselves, got Plain as layer 1.branch.0.1; override its config() to return "
            "{\"Name\", {{\"option\", value}, ...}}");
    const auto with = [](gacc::LayerConfig config) {
        return Sequential<float>(gacc::Input(2), Configured(std::move(config)));
    };
    refused(with({"A", {{"type", Index{1}}}}),
            "finite options, each of its own name and not \"type\", got \"type\" of "
            "layer 0 (Plain)");
    refused(with({"A", {{"b", true}, {"b", true}}}),
            "finite options, each of its own name and not \"type\", got \"b\" of layer 0 (Plain)");
    refused(with({"A", {{"b", std::numeric_limits<double>::quiet_NaN()}}}),
            "finite options, each of its own name and not \"type\", got \"b\" of layer 0 (Plain)");
    refused(with({"Chain"}), "a type that is not that of a block, got \"Chain\" of layer 0");
    refused(with({"A", {{"b", "\xff"}}}), "types and options in UTF-8, got other bytes");
    using Part = Block<float>::Part;
    for (const auto& parts :
         {std::vector<Part>{{"0", {}}}, {{"1", {Plain()}}}, {{"0", {gacc::ReLU(), gacc::ReLU()}}}}) {
        if (parts[0].blocks.empty()) { continue; }  // no model can have it
        refused(Sequential<float>(gacc::Input(2), Block<float>(Block<float>::Kind::concat, parts)),
                "blocks as Residual, Concat and Chain make them, got another as block 0");
    }
    refused(Sequential<float>(gacc::Input(2), Block<float>(Block<float>::Kind::sum, {{"trunk", {gacc::ReLU()}}})),
            "blocks as Residual, Concat and Chain make them, got another as block 0");
    for (const auto& parts : {std::vector<Part>{{"a", {gacc::ReLU()}}, {"a", {gacc::ReLU()}}},
                              {{"a.b", {gacc::ReLU()}}},
                              {{"a", {gacc::ReLU(), gacc::ReLU()}}},
                              {{"", {gacc::ReLU()}}, {"a", {gacc::ReLU()}}}}) {
        refused(Sequential<float>(gacc::Input(2), Block<float>(Block<float>::Kind::chain, parts)),
                "blocks as Residual, Concat and Chain make them, got another as block 0");
    }
    Block<float> deep = gacc::Chain(gacc::ReLU());
    for (int i = 0; i < 31; ++i) { deep = gacc::Chain(std::move(deep)); }
    refused(Sequential<float>(gacc::Input(2), gacc::Chain(deep)), "at most 32 blocks within each other, got more");
    auto as_deep_as_may_be = Sequential<float>(gacc::Input(2), deep);
    gacc::save_model(folder.path() / "deep", as_deep_as_may_be);
    CHECK(gacc::load_model(folder.path() / "deep").summary() == as_deep_as_may_be.summary());
    CHECK(gacc::test::values_of(gacc::load_model(path).parameters()) == gacc::test::values_of(first.parameters()));
    CHECK_THROWS_AS(gacc::save_model(folder.path() / "none" / "model", first), gacc::OutputError);
}

TEST_CASE("load_model: files of another kind") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    const std::string where = "gacc: load_model \"" + path.string() + "\": expected a file of save_model, got ";
    auto model = small_model();
    gacc::save_safetensors(path, model.parameters());
    CHECK_THROWS_WITH_AS(gacc::load_model(path),
                         (where + "a safetensors file without a description; make its model, and "
                                  "use load_safetensors")
                             .c_str(),
                         DataError);
    gacc::Adam adam(model.parameters());
    gacc::Rng rng(1);
    gacc::DataPosition position;
    gacc::Checkpoint(adam, rng, position).save(path);
    CHECK_THROWS_WITH_AS(gacc::load_model(path),
                         (where + "a checkpoint; make its model, and load it by Checkpoint or "
                                  "load_safetensors")
                             .c_str(),
                         DataError);
    CHECK_THROWS_AS(gacc::load_model(folder.path() / "missing"), DataError);
}

TEST_CASE("load_model: the exact errors of descriptions") {
    const Saved saved;
    const std::string all = R"("in_features":2,"out_features":1,"bias":true,"initialization":"he_normal"})";
    const auto model = [&](const std::string& text) { return saved.error({{"gacc.model", text}}); };
    const auto linear = [&](const std::string& text) { return saved.error({{"gacc.model.0", text}}); };
    const auto layer = [&](const std::string& text) { return saved.error_of_layer(text); };

    const std::string most = std::to_string(gacc::detail::most_in_tensor);
    const std::string largest = std::to_string(std::numeric_limits<Index>::max() / 64);
    CHECK(model("[1]") == "expected an object in the description \"gacc.model\", got something else");
    CHECK(model(R"({"version":1,"input":[2]})") == "expected a \"blocks\" of the model, got none");
    CHECK(model(R"({"version":2,"input":[2],"blocks":2})") ==
          "expected a model of version 1 (or the gacc that wrote it), got 2");
    CHECK(model(R"({"version":1,"input":[],"blocks":2})") ==
          "expected a list of one or more as \"input\" of the model, got an empty list");
    CHECK(model(R"({"version":1,"input":[0],"blocks":2})") ==
          "expected a whole number from 1 to " + most + " as a size of the input, got 0");
    if (sizeof(Index) == 8) {
        CHECK(model(R"({"version":1,"input":[4503599627370496,4503599627370496],"blocks":2})") ==
              "expected an input of at most " + most + " numbers, got 4503599627370496 x 4503599627370496");
    }
    CHECK(model(R"({"version":1,"input":[2],"blocks":1})") == "expected descriptions of 1 blocks, got 2");
    CHECK(model(R"({"version":1,"input":[2],"blocks":3})") == "expected a description \"gacc.model.2\", got none");
    CHECK(model(R"({"version":1,"input":[2],"blocks":4097})") ==
          "expected a whole number from 1 to 4096 as \"blocks\" of the model, got 4097");
    CHECK(model(R"({"version":1,"input":[2],"blocks":2,"more":[1]})") == "expected no \"more\" of the model, got one");
    CHECK(saved.error({{"gacc.model.1", ""}}) == "expected a description \"gacc.model.1\", got none");
    CHECK(saved.error({{"gacc.model.7", "{}"}}) == "expected descriptions of 2 blocks, got 3");

    CHECK(layer("{") == "expected JSON in the description \"gacc.model.1\", got something else at byte 2");
    CHECK(layer(R"({"p":1e999})") ==
          "expected JSON with numbers that a double can hold in the description \"gacc.model.1\", got another");
    CHECK(layer(R"({"p":0.5,"type":"Dropout","p":0.5})") ==
          "expected every name once in the description \"gacc.model.1\", got \"p\" twice");
    CHECK(layer(R"({"p":0.5})") == "expected a \"type\" of layer 1, got none");
    CHECK(layer(R"({"type":7})") == "expected a word as \"type\" of layer 1, got 7");
    CHECK(layer(R"({"type":"No\u001bne"})") ==
          "expected a type that the registry has for layer 1, got \"No\\x1bne\"; give load_model a LayerRegistry to "
          "which "
          "it was added");
    CHECK(layer(R"({"type":"Dropout"})") == "expected an option \"p\" of layer 1 (Dropout), got none");
    CHECK(layer(R"({"type":"Dropout","p":0.5,"q":1})") == "expected no option \"q\" of layer 1 (Dropout), got one");
    CHECK(layer(R"({"type":"Dropout","p":"half"})") ==
          "expected a finite number for \"p\" of layer 1 (Dropout), got \"half\"");
    CHECK(layer(R"({"type":"Dropout","p":[0.5]})") ==
          "expected a number, a word, true, false or {\"numbers\": ...} as \"p\" of layer 1 (Dropout), got a list");
    CHECK(layer(R"({"type":"Dropout","p":2})") ==
          "expected a description of layer 1 (Dropout) that fits, got \"gacc: Dropout: expected a probability from 0 "
          "up to, "
          "not including, 1, got 2\"");
    CHECK(layer(R"({"type":"Dropout","p":{"numbers":1}})") ==
          "expected the tensors of this model, got others: 1.p: expected 1, got none");
    CHECK(layer(R"({"type":"Residual","branch":[{"type":"Tanh"}],"stem":1})") ==
          "expected no \"stem\" of layer 1, got one");
    CHECK(layer(R"({"type":"Residual","branch":[{"type":"Chain","layers":[{"type":"Tanh"},{"type":"X"}]}]})") ==
          "expected a type that the registry has for layer 1.branch.0.1, got \"X\"; give load_model a LayerRegistry to "
          "which it was added");
    CHECK(layer(R"({"type":"Chain","names":["a"],"layers":[{"type":"Tanh"},{"type":"Tanh"}]})") ==
          "expected a name for each of 2 layers of layer 1, got 1");
    for (const std::string names : {R"(["a","a"])", R"(["a","b.c"])", R"(["a",""])", R"(["a",1])"}) {
        CHECK(layer(R"({"type":"Chain","names":)" + names + R"(,"layers":[{"type":"Tanh"},{"type":"Tanh"}]})")
                  .starts_with("expected other names of letters, digits and underscores as \"names\" of layer 1, "));
    }
    CHECK(layer(R"({"type":"Chain","names":["a","b"],"layers":[{"type":"Tanh"},{"type":"Tanh"}]})") == "loaded");
    CHECK(layer(R"({"type":"Chain","names":["a"],"layers":[{"type":"X"}]})")
              .starts_with("expected a type that the registry has for layer 1.a, got \"X\""));
    CHECK(layer(R"({"type":"Concat","parts":[1]})") == "expected an object as layer 1.0, got 1");
    CHECK(
        layer(R"({"type":"GroupNorm","groups":2,"channels":3,"epsilon":0})") ==
        "expected the tensors of this model, got others: 1.weight: expected 3, got none; 1.bias: expected 3, got none");
    CHECK(layer(R"({"type":"GELU","approximation":"exact"})") ==
          "expected \"none\" or \"tanh\" for \"approximation\" of layer 1 (GELU), got \"exact\"");

    CHECK(linear(R"({"type":"Linear",)" + all) == "loaded");
    CHECK(linear(R"({"type":"Linear","in_features":-1,"out_features":1,"bias":true,"initialization":"he_normal"})") ==
          "expected a whole number from 1 to " + largest + " for \"in_features\" of layer 0 (Linear), got -1");
    CHECK(linear(R"({"type":"Linear","in_features":2.0,"out_features":1,"bias":true,"initialization":"he_normal"})") ==
          "expected a whole number from 1 to " + largest + " for \"in_features\" of layer 0 (Linear), got 2");
    CHECK(linear(R"({"type":"Linear","in_features":2,"out_features":1,"bias":1,"initialization":"he_normal"})") ==
          "expected true or false for \"bias\" of layer 0 (Linear), got 1");
    CHECK(
        linear(
            R"({"type":"Linear","in_features":2,"out_features":30000000,"bias":false,"initialization":"he_normal"})") ==
        "expected the tensors of this model, got others: 0.weight: expected 30000000 x 2, got 1 x 2; 0.bias: "
        "expected none, got 1");
    CHECK(saved.error({{"gacc.model", R"({"version":1,"input":[3],"blocks":2})"}}) ==
          "expected a description of block 0 that fits, got \"gacc: Linear(2 -> 1): expected samples whose last size "
          "is 2, "
          "got samples of shape 3\"");
}

TEST_CASE("load_model: blocks within blocks, lists and layers without end are refused") {
    const Saved saved;
    const auto nested = [&](int depth) {
        std::string text = R"({"type":"ReLU"})";
        for (int i = 0; i < depth; ++i) { text = R"({"type":"Chain","layers":[)" + text + "]}"; }
        return saved.error_of_layer(text);
    };
    CHECK(nested(32) == "loaded");
    CHECK(nested(33) == "expected at most 32 blocks within each other, got more");
    CHECK(nested(400) == "expected at most 32 blocks within each other in the description \"gacc.model.1\", got more");
    CHECK(saved.error_of_layer(R"({"type":)" + std::string(8000, '[')) ==
          "expected at most 32 blocks within each other in the description \"gacc.model.1\", got more");

    std::string layers = R"({"type":"ReLU"})";
    for (int i = 1; i < 600; ++i) { layers += R"(,{"type":"ReLU"})"; }
    std::map<std::string, std::string> changed{{"gacc.model", R"({"version":1,"input":[2],"blocks":9})"}};
    for (int i = 1; i < 9; ++i) {
        changed["gacc.model." + std::to_string(i)] = R"({"type":"Chain","layers":[)" + layers + "]}";
    }
    CHECK(saved.error(changed) == "expected at most 4096 layers, got more");
}

TEST_CASE(
    "load_model: every option left out, replaced and misspelt gives an error, or a model with the file's weights") {
    const Saved saved(every_layer<float>());
    const auto expected = [&] {
        auto model = gacc::load_model(saved.path);
        return gacc::test::values_of(model.parameters());
    }();
    gacc::memory::forget_peak();
    const std::size_t before = gacc::memory::live().total();
    { const auto model = gacc::load_model(saved.path); }
    const std::size_t room = gacc::memory::peak_total() - before;
    const Parts whole(saved.path);
    int refused = 0, loaded = 0;
    const auto attempt = [&](const std::string& key, const Json& changed) {
        Parts parts = whole;
        parts.header.metadata[key] = changed.dump();
        const fs::path other = saved.folder.path() / "other";
        parts.write(other);
        gacc::memory::forget_peak();
        try {
            auto model = gacc::load_model(other);
            CHECK(gacc::test::values_of(model.parameters()) == expected);
            ++loaded;
        } catch (const DataError& error) {
            CHECK(std::string(error.what()).starts_with("gacc: load_model \"" + other.string() + "\": expected "));
            ++refused;
        }
        CHECK(gacc::memory::peak_total() - before <= room + 4096);
    };
    const std::vector<Json> others{0,
                                   -1,
                                   std::int64_t{1} << 62,
                                   1e308,
                                   0.5,
                                   -0.0,
                                   true,
                                   false,
                                   nullptr,
                                   "",
                                   "Linear",
                                   "ReLU",
                                   "tanh",
                                   Json::array(),
                                   Json::object(),
                                   {{"numbers", 6}},
                                   {{"numbers", -6}},
                                   {1}};
    for (const auto& [key, text] : whole.header.metadata) {
        const Json json = Json::parse(text);
        for (const auto& place : places_in(json)) {
            const auto parent = place.parent_pointer();
            const Json value = json[place];
            for (const Json& other : others) {
                Json changed = json;
                changed[place] = other;
                attempt(key, changed);
            }
            Json changed = json;
            if (changed[parent].is_object()) {
                changed[parent].erase(place.back());
                attempt(key, changed);
                changed[parent][place.back() + "s"] = value;
                attempt(key, changed);
            } else {
                changed[parent].push_back(value);
                attempt(key, changed);
            }
        }
    }
    CHECK(refused > 1000);
    CHECK(loaded > 10);
    INFO(refused, " refused, ", loaded, " loaded");
    CHECK(loaded < 200);
}

#ifdef __linux__
TEST_CASE("load_model: many layers of attention take no memory for the positions that a file names") {
    const Saved saved(Sequential<float>(gacc::Input(2, 6), gacc::Linear(6, 6)));
    Parts parts(saved.path);
    const std::string attention = R"({"type":"DotProductAttention","width":2,"heads":1,"causal":true,"dropout":0,)"
                                  R"("rotary_positions":524288})";  // 4 MiB of sines and cosines
    const std::string block = R"({"type":"Concat","parts":[)" + attention + ',' + attention + ',' + attention + "]}";
    for (int i = 1; i <= 60; ++i) { parts.header.metadata["gacc.model." + std::to_string(i)] = block; }
    parts.header.metadata["gacc.model"] = R"({"version":1,"input":[2,6],"blocks":61})";
    const fs::path other = saved.folder.path() / "other";
    parts.write(other);
    const auto resident = [] {
        std::size_t all = 0, pages = 0;
        std::ifstream("/proc/self/statm") >> all >> pages;
        return pages * 4096;
    };
    const std::size_t before = resident();
    const auto model = gacc::load_model(other);
    const Matrix<float> x = Matrix<float>::Ones(1, 12);
    CHECK(model.predict(x).allFinite());
    CHECK(resident() < before + (64U << 20));  // tables for all positions would take 720 MiB
}
#endif

TEST_CASE("load_model: every truncation and every changed byte of a header is an error, or a model") {
    const Saved saved;
    std::ifstream stream(saved.path, std::ios::binary);
    const Bytes whole{std::istreambuf_iterator<char>(stream), {}};
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const auto path =
            saved.folder.write("cut", Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
        CHECK_THROWS_AS(gacc::load_model(path), DataError);
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
        for (const unsigned bit : {0U, 5U}) {
            Bytes changed = whole;
            changed[i] = static_cast<std::uint8_t>(changed[i] ^ (1U << bit));
            const auto path = saved.folder.write("changed", changed);
            try {
                auto model = gacc::load_model(path);
                CHECK(model.parameters().count() == 3);
            } catch (const DataError&) {}  // and no other exception
        }
    }
}

TEST_CASE("save_model, load_model: at most 16 parameters use the values of others, for each takes a gradient buffer") {
    const auto sharing = [](int sharers) {
        Sequential<float> model(gacc::Linear<float>(2, 2, {.bias = false}));
        for (int i = 0; i < sharers; ++i) { model.add(gacc::Linear<float>(2, 2, {.bias = false, .shares = "0.weight"})); }
        return model;
    };
    const Saved saved(sharing(16));
    CHECK(gacc::load_model(saved.path).size() == 17);
    const Parts parts(saved.path);
    CHECK(saved.error({{"gacc.model", R"({"version":1,"input":[2],"blocks":18})"},
                       {"gacc.model.17", parts.header.metadata.at("gacc.model.16")}}) ==
          "expected at most 16 parameters that use the values of others, got more");

    auto many = sharing(17);
    const fs::path path = saved.folder.path() / "many";
    const std::string text = "gacc: save_model \"" + path.string() +
                             "\": expected at most 16 parameters that use the values of others, got 17";
    CHECK_THROWS_WITH_AS(gacc::save_model(path, many), text.c_str(), UsageError);
    CHECK_FALSE(fs::exists(path));
}

}  // namespace model_file_test
