#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/io/described_object.hpp>
#include <gacc/io/differences.hpp>
#include <gacc/io/layer_registry.hpp>
#include <gacc/io/model_format.hpp>
#include <gacc/io/safetensors_file.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/sequential.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Makes the model that a file describes. First it reads the whole description and compares it with the tensors of the
/// file. Then it makes the layers.
template <class Scalar>
class ModelReader {
public:
    ModelReader(const SafetensorsFile& file, const LayerRegistry<Scalar>& registry)
        : file_(file), registry_(registry), header_{file.tensors(), file.metadata()}, where_(file.where()),
          differences_(header_, where_) {}
    ModelReader(const ModelReader&) = delete;
    ModelReader& operator=(const ModelReader&) = delete;

    /// The model with the parameters of the file.
    Sequential<Scalar> model() {
        using Format = ModelFormat;
        const Json json = parse_description(header_.metadata, Format::key, where_);
        DescribedObject model(json, where_, "the model");
        const Json& version = model["version"];
        if (version != Format::version) {
            model.refuse(text("a model of version ", Format::version, " (or the gacc that wrote it)"), version);
        }
        const Shape input = shape(model);
        const auto count = static_cast<std::size_t>(model.count("blocks", Format::most_layers));
        model.finish();
        std::vector<Maker> makers;
        for (std::size_t i = 0; i < count; ++i) {
            makers.push_back(
                block(parse_description(header_.metadata, Format::key_of(i), where_), std::to_string(i), 0));
        }
        check_no_other_descriptions(count);
        differences_.find_no_others();
        differences_.throw_if_any();

        Sequential<Scalar> made;
        made.add(Input(input));
        for (std::size_t i = 0; i < count; ++i) {
            Block<Scalar> next = makers[i]();
            as_data_error(text("block ", i), [&] { made.add(std::move(next)); });
        }
        for (auto& parameter : made.parameters()) {
            file_.visit<Scalar>(*file_.find(parameter.name()), [&](auto values) { parameter.generate(values); });
        }
        return made;
    }

private:
    using Json = nlohmann::json;
    /// Makes a block. The memory of its parameters is allocated only when this is called.
    using Maker = std::function<Block<Scalar>()>;

    Shape shape(DescribedObject& model) const {
        Shape sizes;
        Index numbers = 1;
        for (const Json& size : model.list("input")) {
            sizes.push_back(static_cast<Index>(model.count_in(size, "a size of the input", 1, most_in_tensor)));
            numbers = product_of(numbers, sizes.back());
        }
        if (static_cast<std::uint64_t>(numbers) > most_in_tensor) {
            throw DataError(where_, text("expected an input of at most ", most_in_tensor, " numbers, got ",
                                         shown(to_string(sizes))));
        }
        return sizes;
    }

    void check_no_other_descriptions(std::size_t blocks) const {
        std::size_t found = 0;
        for (const auto& [key, value] : header_.metadata) { found += key.starts_with(ModelFormat::key) ? 1 : 0; }
        if (found != blocks + 1) {
            throw DataError(where_, text("expected descriptions of ", blocks, " blocks, got ", found - 1));
        }
    }

    Maker block(const Json& json, const std::string& name, std::size_t depth) {
        using Kind = typename Block<Scalar>::Kind;
        if (depth > ModelFormat::deepest) {
            throw DataError(where_,
                            text("expected at most ", ModelFormat::deepest, " blocks within each other, got more"));
        }
        DescribedObject object(json, where_, "layer " + name);
        const std::string type = object.word("type");
        if (type == "Chain") { return composed(Kind::chain, {part(object, "layers", name, depth)}, object); }
        if (type == "Residual") {
            std::vector<Part> parts{part(object, "branch", name, depth)};
            if (object.has("shortcut")) { parts.push_back(part(object, "shortcut", name, depth)); }
            return composed(Kind::sum, std::move(parts), object);
        }
        if (type == "Concat") {
            std::vector<Part> parts;
            for (const Json& each : object.list("parts")) {
                const std::string number = std::to_string(parts.size());
                parts.push_back({number, {block(each, text(name, '.', number), depth + 1)}});
            }
            return composed(Kind::concat, std::move(parts), object);
        }
        return layer(type, object, name);
    }

    struct Part {
        std::string name;
        std::vector<Maker> blocks;
    };

    /// The blocks under a key: "branch", "shortcut" or "layers". ("layers" does not become part of their names.)
    Part part(DescribedObject& object, const std::string& key, const std::string& name, std::size_t depth) {
        Part made{key == "layers" ? "" : key, {}};
        const std::string inside = made.name.empty() ? name : text(name, '.', key);
        const Json& list = object.list(key);
        const bool single = key == "shortcut" && list.size() == 1;
        for (std::size_t i = 0; i < list.size(); ++i) {
            made.blocks.push_back(block(list[i], single ? inside : text(inside, '.', i), depth + 1));
        }
        return made;
    }

    static Maker composed(typename Block<Scalar>::Kind kind, std::vector<Part> parts, const DescribedObject& object) {
        object.finish();
        return [kind, parts = std::move(parts)] {
            std::vector<typename Block<Scalar>::Part> made;
            for (const Part& part : parts) {
                made.push_back({part.name, {}});
                for (const Maker& maker : part.blocks) { made.back().blocks.push_back(maker()); }
            }
            return Block<Scalar>(kind, std::move(made));
        };
    }

    Maker layer(const std::string& type, const DescribedObject& object, const std::string& name) {
        if (++layers_ > ModelFormat::most_layers) {
            throw DataError(where_, text("expected at most ", ModelFormat::most_layers, " layers, got more"));
        }
        const auto* reader = registry_.find(type);
        if (reader == nullptr) {
            throw DataError(where_, text("expected a type that the registry has for layer ", name, ", got \"",
                                         shown(type), "\"; give load_model a LayerRegistry to which it was added"));
        }
        const std::string place = text("layer ", name, " (", type, ")");
        ConfigReader options(config(type, object, name), where_, place);
        LayerRecipe<Scalar> recipe = (*reader)(options);
        options.finish();
        for (const auto& [parameter, shape] : recipe.parameters) {
            differences_.find(text(name, '.', parameter), shape);
        }
        for (const auto& [parameter, shape] : recipe.shared) {
            differences_.find(parameter, shape);
            if (++sharers_ > ModelFormat::most_sharers) {
                throw DataError(where_, text("expected at most ", ModelFormat::most_sharers,
                                             " parameters that use the values of others, got more"));
            }
        }
        return [this, type, place, recipe = std::move(recipe)] {
            Block<Scalar> block = as_data_error(place, recipe.make);
            check_parameters(block, recipe, type);
            return block;
        };
    }

    LayerConfig config(const std::string& type, const DescribedObject& object, const std::string& name) {
        LayerConfig config{type, {}};
        object.for_each_other([&](const std::string& option, const Json& value) {
            const std::string what = text('"', shown(option), "\" of layer ", name, " (", type, ")");
            const auto add = [&](LayerOption read) { config.options.push_back({option, std::move(read)}); };
            if (value.is_boolean()) {
                add(value.get<bool>());
            } else if (value.is_string()) {
                add(value.get<std::string>());
            } else if (value.is_number()) {
                const auto whole = value.is_number_float() ? std::int64_t{0} : value.get<std::int64_t>();
                const bool fits = !value.is_number_float() && value == whole && std::in_range<Index>(whole);
                fits ? add(static_cast<Index>(whole)) : add(value.get<double>());
            } else if (value.is_object()) {
                DescribedObject numbers(value, where_, what);
                const auto size = static_cast<Index>(
                    numbers.count_in(numbers["numbers"], "\"numbers\" of " + what, 0, most_in_tensor));
                numbers.finish();
                add(this->numbers(text(name, '.', option), size));
            } else {
                object.refuse(text("a number, a word, true, false or {\"numbers\": ...} as ", what), value);
            }
        });
        return config;
    }

    std::vector<double> numbers(const std::string& name, Index size) {
        const TensorInfo* found = differences_.find(name, {size});
        differences_.throw_if_any();
        std::vector<double> numbers(static_cast<std::size_t>(size));
        file_.visit<double>(*found, [&](auto next) {
            for (double& number : numbers) { number = next(); }
        });
        return numbers;
    }

    /// Calls f(). Its errors become DataErrors: the file describes something impossible.
    template <class F>
    auto as_data_error(const std::string& place, const F& f) const {
        try {
            return f();
        } catch (const Error& error) {
            throw DataError(where_, text("expected a description of ", place, " that fits, got \"", error.what(), '"'));
        }
    }

    /// Checks that the parameters are those of the recipe. So no parameter was made that the file does not have.
    static void check_parameters(Block<Scalar>& block, const LayerRecipe<Scalar>& recipe, const std::string& type) {
        bool same = block.layer() != nullptr;
        if (same) {
            auto made = block.layer()->parameters();
            std::erase_if(made, [](const auto* parameter) { return !parameter->shares().empty(); });
            same = made.size() == recipe.parameters.size();
            for (std::size_t i = 0; same && i < made.size(); ++i) {
                same = made[i]->name() == recipe.parameters[i].first && made[i]->shape() == recipe.parameters[i].second;
            }
        }
        if (!same) {
            throw UsageError("LayerRegistry",
                             "expected a recipe that says the parameters of its layer, in their order, "
                             "got another for \"" +
                                 type + "\"; give .parameters as the layer has them");
        }
    }

    const SafetensorsFile& file_;
    const LayerRegistry<Scalar>& registry_;
    SafetensorsHeader header_;
    std::string where_;
    Differences differences_;
    std::size_t layers_ = 0;
    std::size_t sharers_ = 0;
};

}  // namespace gacc::detail
