#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>
#include <gacc/io/model_format.hpp>
#include <gacc/layers/layer_config.hpp>
#include <gacc/model/block.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Describes the blocks of a model.
template <class Scalar>
class ModelWriter {
public:
    using Json = nlohmann::ordered_json;

    explicit ModelWriter(std::string where) : where_(std::move(where)) {}

    /// Throws     UsageError if a layer has no config, or one that cannot be written
    Json describe(const Block<Scalar>& block, const std::string& name, std::size_t depth = 0) {
        using Kind = typename Block<Scalar>::Kind;
        if (depth > ModelFormat::deepest) {
            refuse(text("at most ", ModelFormat::deepest, " blocks within each other, got more"));
        }
        if (block.layer() != nullptr) { return describe(*block.layer(), name); }
        const auto& parts = block.parts();
        const auto list = [&](const typename Block<Scalar>::Part& part) {
            Json all = Json::array();
            for (std::size_t i = 0; i < part.blocks.size(); ++i) {
                all.push_back(describe(part.blocks[i], block.place(name, part, i), depth + 1));
            }
            if (part.blocks.empty()) { refuse_block(name); }
            return all;
        };
        if (block.kind() == Kind::concat && !parts.empty()) {
            Json all = Json::array();
            for (std::size_t i = 0; i < parts.size(); ++i) {
                if (parts[i].blocks.size() != 1 || parts[i].name != std::to_string(i)) { refuse_block(name); }
                all.push_back(list(parts[i]).front());
            }
            return {{"type", "Concat"}, {"parts", all}};
        }
        if (block.kind() == Kind::chain) {
            if (parts.size() == 1 && parts[0].name.empty()) { return {{"type", "Chain"}, {"layers", list(parts[0])}}; }
            Json names = Json::array(), layers = Json::array();
            for (const auto& part : parts) {
                const bool is_new = std::find(names.begin(), names.end(), part.name) == names.end();
                if (!is_new || part.blocks.size() != 1 || !ModelFormat::is_name(part.name)) { refuse_block(name); }
                names.push_back(part.name);
                layers.push_back(list(part).front());
            }
            if (parts.empty()) { refuse_block(name); }
            return {{"type", "Chain"}, {"names", names}, {"layers", layers}};
        }
        if (parts.empty() || parts.size() > 2 || parts[0].name != "branch" ||
            (parts.size() == 2 && parts[1].name != "shortcut")) {
            refuse_block(name);
        }
        Json residual{{"type", "Residual"}, {"branch", list(parts[0])}};
        if (parts.size() == 2) { residual["shortcut"] = list(parts[1]); }
        return residual;
    }

    /// Options with many numbers. They become tensors of these names.
    const std::vector<std::pair<std::string, std::vector<double>>>& numbers() const { return numbers_; }

private:
    Json describe(const Layer<Scalar>& layer, const std::string& name) {
        const LayerConfig config = layer.config();
        if (config.type.empty()) {
            refuse(text("layers that describe themselves, got ", layer.description(), " as layer ", name,
                        "; override its config() to return {\"Name\", {{\"option\", value}, ...}}"));
        }
        if (is_block_type(config.type)) {
            refuse(text("a type that is not that of a block, got \"", config.type, "\" of layer ", name));
        }
        if (++layers_ > ModelFormat::most_layers) {
            refuse(text("at most ", ModelFormat::most_layers, " layers, got more"));
        }
        Json json{{"type", config.type}};
        for (const auto& [option, value] : config.options) {
            const double* number = value.number();
            if (json.contains(option) || (number != nullptr && !std::isfinite(*number))) {
                refuse(text("finite options, each of its own name and not \"type\", got \"", option, "\" of layer ",
                            name, " (", layer.description(), ")"));
            }
            if (const auto* many = value.numbers()) {
                json[option] = Json{{"numbers", many->size()}};
                numbers_.push_back({text(name, '.', option), *many});
            } else if (const bool* flag = value.flag()) {
                json[option] = *flag;
            } else if (const Index* whole = value.whole()) {
                json[option] = *whole;
            } else if (number != nullptr) {
                json[option] = *number;
            } else {
                json[option] = *value.word();
            }
        }
        return json;
    }

    [[noreturn]] void refuse(const std::string& expected) const { throw UsageError(where_, "expected " + expected); }
    [[noreturn]] void refuse_block(const std::string& name) const {
        refuse("blocks as Residual, Concat and Chain make them, got another as block " + name);
    }

    std::string where_;
    std::size_t layers_ = 0;
    std::vector<std::pair<std::string, std::vector<double>>> numbers_;
};

}  // namespace gacc::detail
