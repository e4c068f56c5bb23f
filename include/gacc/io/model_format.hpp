#pragma once

#include <gacc/core/error.hpp>

#include <cstddef>
#include <string>

namespace gacc::inline GACC_ABI::detail {

/// How the metadata of a safetensors file describe a model, in JSON. By key:
///
///   gacc.model     {"version":1,"input":[784],"blocks":2}
///   gacc.model.0   {"type":"Linear","in_features":784,"out_features":128,"bias":true,"initialization":"he_normal"}
///   gacc.model.1   {"type":"Residual","branch":[{"type":"Tanh"}],"shortcut":[...]}; "shortcut" may be missing
///                  {"type":"Chain","layers":[...]};  {"type":"Concat","parts":[...]}
///
/// An option of many numbers is {"numbers":64}, and they are the tensor "0.<option>".
struct ModelFormat {
    static constexpr auto key = "gacc.model";
    static constexpr int version = 1;
    static constexpr std::size_t most_layers = 4096, deepest = 32;  // blocks within blocks

    static std::string key_of(std::size_t block) { return text(key, '.', block); }
};

}  // namespace gacc::detail
