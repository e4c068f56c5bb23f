#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/types.hpp>
#include <gacc/io/config_reader.hpp>
#include <gacc/io/described_object.hpp>
#include <gacc/io/differences.hpp>
#include <gacc/io/layer_registry.hpp>
#include <gacc/io/model_format.hpp>
#include <gacc/io/safetensors_file.hpp>
#include <gacc/model/block.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Makes a block. The memory of its parameters is allocated only when this is called.
template <class Scalar>
using BlockMaker = std::function<Block<Scalar>()>;

/// Calls f(). Its errors become DataErrors: the file describes something impossible.
template <class F>
auto as_data_error(const std::string& where, const std::string& place, const F& f) {
    try {
        return f();
    } catch (const Error& error) {
        throw DataError(where, text("expected a description of ", place, " that fits, got \"", error.what(), '"'));
    }
}

/// Reads the layers that a file describes, by the recipes of a registry, and compares them with its tensors.
template <class Scalar>
class LayerReader {
public:
    /// All must outlive it.
    LayerReader(const SafetensorsFile& file, const LayerRegistry<Scalar>& registry, Differences& differences)
        : file_(file), registry_(registry), where_(file.where()), differences_(differences) {}

    /// The layer `name` of this type.
    ///
    /// Throws     DataError if it is not in the registry, has other options, or parameters that are not in the file
    BlockMaker<Scalar> read(const std::string& type, const DescribedObject& object, const std::string& name) {
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
        return [where = where_, type, place, recipe = std::move(recipe)] {
            Block<Scalar> block = as_data_error(where, place, recipe.make);
            check_parameters(block, recipe, type);
            return block;
        };
    }

private:
    using Json = nlohmann::json;

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
    std::string where_;
    Differences& differences_;
    std::size_t layers_ = 0;
    std::size_t sharers_ = 0;
};

}  // namespace gacc::detail
