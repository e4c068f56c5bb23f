#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/parameter.hpp>
#include <gacc/io/atomic_file.hpp>
#include <gacc/io/safetensors_file.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

namespace detail {

/// The bytes of the numbers of `stored`, row by row: sink(bytes) for one after the other.
template <class Scalar, class Sink>
void write_rows(const Parameter<Scalar>& parameter, std::span<const Scalar> stored, const Sink& sink) {
    parameter.for_each(stored, [&](const Scalar& element) {
        sink(std::span(reinterpret_cast<const std::uint8_t*>(&element), sizeof element));
    });
}

/// What a file lacks of the tensors that are wanted of it, has in another shape or type, or has beside them: in words.
class Differences {
public:
    explicit Differences(const SafetensorsFile& file) : file_(file) {}

    /// The tensor of that name; null, and noted, if it is not as wanted. Without a type, floating point of any kind.
    const TensorInfo* find(const std::string& name, const Shape& shape, std::optional<DType> dtype = std::nullopt) {
        wanted_.push_back(file_.find(name));
        const TensorInfo* found = wanted_.back();
        const std::string expected = text(name, ": expected ", shown(shape), ", got ");
        if (found == nullptr) { return add(expected + "none"); }
        if (found->shape != shape) { return add(expected + shown(found->shape)); }
        if (dtype ? found->dtype != *dtype : !is_real(found->dtype)) {
            return add(text(name, ": expected ", dtype ? named(*dtype).name : "floating point", ", got ",
                            named(found->dtype).name));
        }
        return found;
    }
    void find_no_others() {
        for (const TensorInfo& tensor : file_.tensors()) {
            if (std::ranges::find(wanted_, &tensor) == wanted_.end()) {
                add(text(tensor.name.substr(0, 80), ": expected none, got ", shown(tensor.shape)));
            }
        }
    }
    void throw_if_any() const {
        if (count_ == 0) { return; }
        throw DataError(file_.where(), text("expected the tensors of this model, got others: ", text_,
                                            count_ > most ? text("; and ", count_ - most, " more") : ""));
    }

private:
    static constexpr int most = 8;

    static std::string shown(const Shape& shape) { return shape.empty() ? "a number" : to_string(shape); }
    const TensorInfo* add(const std::string& difference) {
        if (++count_ <= most) { text_ += (count_ == 1 ? "" : "; ") + difference; }
        return nullptr;
    }

    const SafetensorsFile& file_;
    std::vector<const TensorInfo*> wanted_;
    int count_ = 0;
    std::string text_;
};

}  // namespace detail

/// Writes the values of a model in the safetensors format, which Python reads into a PyTorch state_dict. The file is
/// there whole or not at all.
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
    AtomicFile file(path, "save_safetensors \"" + path.string() + "\"");
    file.write(detail::safetensors_start(header));
    for (const auto& parameter : parameters) {
        detail::write_rows(parameter, std::as_const(parameter).stored_values(), [&](auto bytes) { file.write(bytes); });
    }
    file.commit();
}

enum class OtherTensors {
    refuse,
    ignore,  ///< whatever else the file has: a checkpoint has gradients and moments too
};

/// Sets the values of a model from a file in the safetensors format, as save_safetensors or Python writes it from a
/// state_dict. Names and shapes must be those of the model; F64, F32, F16 and BF16 are converted.
///
/// Throws     DataError if the file is not what the format allows, or its tensors are not the model's: it says which
///            names and shapes differ
/// Example    gacc::load_safetensors("mnist.safetensors", model.parameters());
template <class Scalar>
void load_safetensors(const std::filesystem::path& path, const Parameters<Scalar>& parameters,
                      OtherTensors others = OtherTensors::refuse) {
    const SafetensorsFile file(path, "load_safetensors \"" + path.string() + "\"");
    detail::Differences differences(file);
    std::vector<const TensorInfo*> found;
    for (const auto& parameter : parameters) { found.push_back(differences.find(parameter.name(), parameter.shape())); }
    if (others == OtherTensors::refuse) { differences.find_no_others(); }
    differences.throw_if_any();
    for (std::size_t i = 0; i < found.size(); ++i) {
        file.visit<Scalar>(*found[i], [&](auto next) { parameters[i].generate(next); });
    }
}

}  // namespace gacc
