#pragma once

#include <gacc/core/types.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The value of an option: true or false, a whole number, a number, a word, or numbers.
using LayerOption = std::variant<bool, Index, double, std::string, std::vector<double>>;

/// What a layer is, without its parameters: its type, and the options of which it can be made again.
///
/// Example    LayerConfig config() const override { return {"Scale", {{"features", features_}}}; }
struct LayerConfig {
    std::string type{};  ///< empty: the layer does not say it, and cannot be saved
    std::vector<std::pair<std::string, LayerOption>> options{};
};

namespace detail {

/// Types that stand for layers put together, and so for no layer.
inline bool is_block_type(std::string_view type) { return type == "Residual" || type == "Concat" || type == "Chain"; }

}  // namespace detail
}  // namespace gacc
