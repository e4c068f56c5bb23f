#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/input_file.hpp>
#include <gacc/io/atomic_file.hpp>
#include <gacc/io/byte_order.hpp>
#include <gacc/io/differences.hpp>
#include <gacc/io/safetensors_file.hpp>
#include <gacc/parameters/parameters.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {

/// Calls sink(bytes) for the numbers of `stored`, row by row.
template <class Scalar, class Number, class Sink>
void write_rows(const Parameter<Scalar>& parameter, std::span<const Number> stored, const Sink& sink) {
    parameter.for_each(stored, [&](const Number& element) {
        const auto bytes = little_endian(element);
        sink(std::span<const std::uint8_t>(bytes));
    });
}

}  // namespace detail

/// Writes the values of a model in the safetensors format. Python reads it into a PyTorch state_dict. The file is there
/// whole or not at all.
///
/// Throws     OutputError if it could not be written; UsageError if a name is not UTF-8
/// Source     huggingface.co/docs/safetensors, "Format"
/// Example    gacc::save_safetensors("mnist.safetensors", model.parameters());
template <class Scalar>
void save_safetensors(const std::filesystem::path& path, const Parameters<Scalar>& parameters) {
    SafetensorsHeader header;
    for (const auto& parameter : parameters) {
        detail::append_tensor(header, parameter.name(), detail::dtype_of<Scalar>(), parameter.shape());
    }
    AtomicFile file(path, "save_safetensors \"" + detail::shown_path(path) + '"');
    file.write(detail::safetensors_start(header));
    for (const auto& parameter : parameters) {
        detail::write_rows(parameter, std::as_const(parameter).stored_values(), [&](auto bytes) { file.write(bytes); });
    }
    file.commit();
}

enum class OtherTensors {
    refuse,
    ignore,  ///< all other tensors: a checkpoint has gradients and moments too
};

/// Sets the values of a model from a file in the safetensors format, as save_safetensors or Python writes it from a
/// state_dict. Names and shapes must be those of the model; F64, F32, F16 and BF16 are converted.
///
/// Throws     DataError if the file breaks the format, or its tensors are not the model's; it says which names and
///            shapes differ
/// Example    gacc::load_safetensors("mnist.safetensors", model.parameters());
template <class Scalar>
void load_safetensors(const std::filesystem::path& path, const Parameters<Scalar>& parameters,
                      OtherTensors others = OtherTensors::refuse) {
    detail::SafetensorsStart start(path, "load_safetensors \"" + detail::shown_path(path) + '"');
    detail::Differences differences(start.header(), start.where());
    for (const auto& parameter : parameters) { differences.find(parameter.name(), parameter.shape()); }
    if (others == OtherTensors::refuse) { differences.find_no_others(); }
    differences.throw_if_any();
    const SafetensorsFile file(std::move(start));
    for (auto& parameter : parameters) {
        file.visit<Scalar>(*file.find(parameter.name()), [&](auto next) { parameter.generate(next); });
    }
}

}  // namespace gacc
