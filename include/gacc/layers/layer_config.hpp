#pragma once

#include <gacc/core/types.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The value of an option: a bool, an integer, a number, a string, or several numbers.
using LayerOption = std::variant<bool, Index, double, std::string, std::vector<double>>;

/// The description of a layer without its parameters: its type, and the options from which it can be made again.
///
/// Example    LayerConfig config() const override { return {"Scale", {{"features", features_}}}; }
struct LayerConfig {
    std::string type{};  ///< empty: the layer does not override config() and cannot be saved
    std::vector<std::pair<std::string, LayerOption>> options{};
};

namespace detail {

/// Whether the type is that of a block, and so not of a layer.
inline bool is_block_type(std::string_view type) { return type == "Residual" || type == "Concat" || type == "Chain"; }

}  // namespace detail
}  // namespace gacc
