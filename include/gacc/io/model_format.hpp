#pragma once

#include <gacc/core/error.hpp>

#include <cstddef>
#include <string>

namespace gacc::inline GACC_ABI::detail {

/// The description of a model in the metadata of a safetensors file, in JSON, by key:
///
///   gacc.model     {"version":1,"input":[784],"blocks":2}
///   gacc.model.0   {"type":"Linear","in_features":784,"out_features":128,"bias":true,"initialization":"he_normal"}
///   gacc.model.1   {"type":"Residual","branch":[{"type":"Tanh"}],"shortcut":[...]}; "shortcut" may be missing
///                  {"type":"Chain","layers":[...]};  {"type":"Concat","parts":[...]}
///
/// An option with many numbers is {"numbers":64}; the numbers are the tensor "0.<option>".
struct ModelFormat {
    static constexpr auto key = "gacc.model";
    static constexpr int version = 1;
    static constexpr std::size_t most_layers = 4096, deepest = 32;  // deepest: nested blocks
    static constexpr std::size_t most_sharers = 16;  // each takes a gradient buffer that the file does not pay for

    static std::string key_of(std::size_t block) { return text(key, '.', block); }
};

}  // namespace gacc::detail
