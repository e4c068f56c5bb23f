#pragma once

#include <gacc/core/error.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace gacc::inline GACC_ABI::detail {

/// The description of a model in the metadata of a safetensors file, in JSON, by key:
///
///   gacc.model     {"version":1,"input":[784],"blocks":2}
///   gacc.model.0   {"type":"Linear","in_features":784,"out_features":128,"bias":true,"initialization":"he_normal"}
///   gacc.model.1   {"type":"Residual","branch":[{"type":"Tanh"}],"shortcut":[...]}; "shortcut" may be missing
///                  {"type":"Chain","layers":[...]};  {"type":"Concat","parts":[...]}
///                  {"type":"Chain","names":["c_attn",...],"layers":[...]}, a name for each layer
///
/// An option with many numbers is {"numbers":64}; the numbers are the tensor "0.<option>".
struct ModelFormat {
    static constexpr auto key = "gacc.model";
    static constexpr int version = 1;
    static constexpr std::size_t most_layers = 4096, deepest = 32;  // deepest: nested blocks
    static constexpr std::size_t most_sharers = 16;  // each takes a gradient buffer that the file does not pay for

    /// Whether a layer of a chain may have this name: letters, digits and underscores.
    static bool is_name(std::string_view name) {
        constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
        return !name.empty() && name.size() <= 64 && name.find_first_not_of(allowed) == std::string_view::npos;
    }

    static std::string key_of(std::size_t block) { return text(key, '.', block); }
};

}  // namespace gacc::detail
