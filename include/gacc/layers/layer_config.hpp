#pragma once

#include <gacc/core/types.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The value of an option of a layer: a bool, an integer, a number, a word, or several numbers. Each reader returns
/// nullptr if the value is of another kind.
class LayerOption {
public:
    LayerOption(bool value) : kind_(Kind::flag), flag_(value) {}
    LayerOption(std::integral auto value) : kind_(Kind::whole), whole_(static_cast<Index>(value)) {}
    LayerOption(double value) : kind_(Kind::number), number_(value) {}
    LayerOption(std::string value) : kind_(Kind::word), word_(std::move(value)) {}
    LayerOption(const char* value) : kind_(Kind::word), word_(value) {}
    LayerOption(std::vector<double> value) : kind_(Kind::numbers), numbers_(std::move(value)) {}

    const bool* flag() const { return kind_ == Kind::flag ? &flag_ : nullptr; }
    const Index* whole() const { return kind_ == Kind::whole ? &whole_ : nullptr; }
    const double* number() const { return kind_ == Kind::number ? &number_ : nullptr; }
    const std::string* word() const { return kind_ == Kind::word ? &word_ : nullptr; }
    const std::vector<double>* numbers() const { return kind_ == Kind::numbers ? &numbers_ : nullptr; }

    friend bool operator==(const LayerOption&, const LayerOption&) = default;

private:
    // Not a std::variant: every layer makes these, and each would cost a user's compiler some ten milliseconds.
    enum class Kind { flag, whole, number, word, numbers } kind_;
    bool flag_ = false;
    Index whole_ = 0;
    double number_ = 0;
    std::string word_;
    std::vector<double> numbers_;
};

/// The description of a layer without its parameters: its type, and the options from which it can be made again.
///
/// Example    LayerConfig config() const override { return {"Scale", {{"features", features_}}}; }
struct LayerConfig {
    struct Option {
        std::string name;
        LayerOption value;
        friend bool operator==(const Option&, const Option&) = default;
    };
    std::string type{};  ///< empty: the layer does not override config() and cannot be saved
    std::vector<Option> options{};
};

namespace detail {

/// Whether the type is that of a block, and so not of a layer.
inline bool is_block_type(std::string_view type) { return type == "Residual" || type == "Concat" || type == "Chain"; }

}  // namespace detail
}  // namespace gacc
