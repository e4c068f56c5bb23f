#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/io/atomic_file.hpp>
#include <gacc/io/byte_order.hpp>
#include <gacc/io/checkpoint_file.hpp>
#include <gacc/io/layer_registry.hpp>
#include <gacc/io/model_format.hpp>
#include <gacc/io/model_reader.hpp>
#include <gacc/io/model_writer.hpp>
#include <gacc/io/safetensors.hpp>
#include <gacc/model/sequential.hpp>

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

/// Writes a model: the values of its parameters as save_safetensors does, and a description of its layers in the file's
/// metadata. load_model() needs nothing else. Python reads the file too. The file is there whole or not at all.
///
/// Limits     4,096 layers, 32 nested blocks, 16 parameters that use the values of others; 16,384 bytes for the
///            description of a block of the model
/// Throws     OutputError if it could not be written; UsageError if a layer does not override config(), or the file
///            could not be read again (see Limits, and SafetensorsFile)
/// Example    gacc::save_model("model.safetensors", model);
template <class Scalar>
void save_model(const std::filesystem::path& path, Sequential<Scalar>& model) {
    using Format = detail::ModelFormat;
    const std::string where = "save_model \"" + detail::shown_path(path) + '"';
    if (model.size() == 0) { throw UsageError(where, "expected a model with layers, got none"); }
    SafetensorsHeader header;
    const auto describe = [&](const std::string& key, const nlohmann::ordered_json& json) {
        try {
            header.metadata[key] = json.dump();
        } catch (const nlohmann::json::exception&) {
            throw UsageError(where, "expected types and options in UTF-8, got other bytes");
        }
    };
    describe(Format::key, {{"version", Format::version}, {"input", model.input_shape()}, {"blocks", model.size()}});
    detail::ModelWriter<Scalar> writer(where);
    for (std::size_t i = 0; i < model.size(); ++i) {
        describe(Format::key_of(i), writer.describe(model[i], std::to_string(i)));
    }
    for (const auto& [name, numbers] : writer.numbers()) {
        detail::append_tensor(header, name, DType::f64, {static_cast<Index>(numbers.size())});
    }
    const Parameters<Scalar> parameters = model.parameters();
    std::size_t sharers = 0;
    for (const auto& parameter : parameters) {
        sharers += parameter.sharers();
        detail::append_tensor(header, parameter.name(), detail::dtype_of<Scalar>(), parameter.shape());
    }
    if (sharers > Format::most_sharers) {
        throw UsageError(where, detail::text("expected at most ", Format::most_sharers,
                                             " parameters that use the values of others, got ", sharers));
    }
    AtomicFile file(path, where);
    file.write(detail::safetensors_start(header));
    for (const auto& [name, numbers] : writer.numbers()) {
        for (const double number : numbers) { file.write(detail::little_endian(number)); }
    }
    for (const auto& parameter : parameters) {
        detail::write_rows(parameter, std::as_const(parameter).stored_values(), [&](auto bytes) { file.write(bytes); });
    }
    file.commit();
}

/// Makes the model that a file of save_model() describes, with its parameters, which are converted as by
/// load_safetensors.
///
/// The file may come from a stranger: before a layer is made, every parameter must be in the file, in the shape of the
/// description. So a model takes no more memory than the values and gradients of the file's parameters, and one gradient
/// buffer more for each of at most 16 parameters that share values. (Weights with few rows are padded to the size of SIMD
/// registers.)
///
/// Throws     DataError if the file is missing, of another format, or describes something that is not in it or is
///            impossible; it names the layer and the option. UsageError if a recipe of the registry does not name the
///            parameters of its layer
/// Example    auto model = gacc::load_model("model.safetensors");         // Sequential<float>
///            auto exact = gacc::load_model<double>("model.safetensors");
template <class Scalar = float>
Sequential<Scalar> load_model(const std::filesystem::path& path, const LayerRegistry<Scalar>& layers = {}) {
    detail::SafetensorsStart start(path, "load_model \"" + detail::shown_path(path) + '"');
    const auto& metadata = start.header().metadata;
    if (!metadata.contains(detail::ModelFormat::key)) {
        const bool checkpoint = metadata.contains(detail::CheckpointFormat::version_key);
        throw DataError(start.where(), checkpoint ? "expected a file of save_model, got a checkpoint; make its model, "
                                                    "and load it by Checkpoint or load_safetensors"
                                                  : "expected a file of save_model, got a safetensors file without a "
                                                    "description; make its model, and use load_safetensors");
    }
    const SafetensorsFile file(std::move(start));
    return detail::ModelReader<Scalar>(file, layers).model();
}

}  // namespace gacc
