#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/io/described_object.hpp>
#include <gacc/io/differences.hpp>
#include <gacc/io/layer_reader.hpp>
#include <gacc/io/layer_registry.hpp>
#include <gacc/io/model_format.hpp>
#include <gacc/io/safetensors_file.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/sequential.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
        : file_(file), header_{file.tensors(), file.metadata()}, where_(file.where()), differences_(header_, where_),
          layers_(file, registry, differences_) {}
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
            as_data_error(where_, text("block ", i), [&] { made.add(std::move(next)); });
        }
        for (auto& parameter : made.parameters()) {
            file_.visit<Scalar>(*file_.find(parameter.name()), [&](auto values) { parameter.generate(values); });
        }
        return made;
    }

private:
    using Json = nlohmann::json;
    using Maker = BlockMaker<Scalar>;

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
        if (type == "Chain") {
            if (object.has("names")) { return composed(Kind::chain, named_parts(object, name, depth), object); }
            return composed(Kind::chain, {part(object, "layers", name, depth)}, object);
        }
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
        return layers_.read(type, object, name);
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

    /// The layers of a chain that have names.
    std::vector<Part> named_parts(DescribedObject& object, const std::string& name, std::size_t depth) {
        const Json &names = object.list("names"), &layers = object.list("layers");
        if (names.size() != layers.size()) {
            throw DataError(where_, text("expected a name for each of ", layers.size(), " layers of layer ", name,
                                         ", got ", names.size()));
        }
        std::vector<Part> parts;
        for (std::size_t i = 0; i < names.size(); ++i) {
            const auto is_there = [&](const Part& part) { return names[i] == part.name; };
            if (!names[i].is_string() || !ModelFormat::is_name(names[i].template get<std::string>()) ||
                std::any_of(parts.begin(), parts.end(), is_there)) {
                object.refuse(text("other names of letters, digits and underscores as \"names\" of layer ", name),
                              names[i]);
            }
            const auto own = names[i].template get<std::string>();
            parts.push_back({own, {block(layers[i], text(name, '.', own), depth + 1)}});
        }
        return parts;
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

    const SafetensorsFile& file_;
    SafetensorsHeader header_;
    std::string where_;
    Differences differences_;
    LayerReader<Scalar> layers_;
};

}  // namespace gacc::detail
