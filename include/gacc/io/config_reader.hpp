#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>
#include <gacc/core/types.hpp>
#include <gacc/layers/layer_config.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Reads the options of a layer that a file describes. Each option must be of its kind and be read once. It must be
/// there unless the reader asked has() before.
///
/// Throws     DataError that names the file, the layer and the option
/// Example    const Index features = options.size("features");
class ConfigReader {
public:
    /// Errors name `where`, the file, and `layer`, for example "layer 3.branch.0".
    ConfigReader(LayerConfig config, std::string where, std::string layer)
        : config_(std::move(config)), where_(std::move(where)), layer_(std::move(layer)) {}

    const std::string& type() const { return config_.type; }

    /// Whether there is such an option.
    bool has(std::string_view name) const {
        return std::any_of(config_.options.begin(), config_.options.end(),
                           [&](const auto& option) { return option.name == name; });
    }

    /// An integer of 1 or more that is not too large for memory.
    Index size(std::string_view name) { return whole(name, 1); }
    /// An integer of 0 or more that is not too large for memory.
    Index count(std::string_view name) { return whole(name, 0); }
    /// A finite number.
    double number(std::string_view name) {
        const LayerOption option = take(name);
        if (const Index* whole = option.whole()) { return static_cast<double>(*whole); }
        const double* number = option.number();
        if (number == nullptr || !std::isfinite(*number)) { refuse(name, "a finite number", option); }
        return *number;
    }
    bool flag(std::string_view name) {
        const LayerOption option = take(name);
        const bool* flag = option.flag();
        if (flag == nullptr) { refuse(name, "true or false", option); }
        return *flag;
    }
    /// One of these words. Returns its index, from 0.
    std::size_t one_of(std::string_view name, std::initializer_list<std::string_view> words) {
        const LayerOption option = take(name);
        const std::string* word = option.word();
        const auto* found = word == nullptr ? words.end() : std::find(words.begin(), words.end(), *word);
        if (found == words.end()) {
            std::string all;
            for (const std::string_view each : words) {
                all += (all.empty() ? "\"" : " or \"") + std::string(each) + '"';
            }
            refuse(name, all, option);
        }
        return static_cast<std::size_t>(found - words.begin());
    }
    std::string word(std::string_view name) {
        const LayerOption option = take(name);
        if (option.word() == nullptr) { refuse(name, "a word", option); }
        return *option.word();
    }
    std::vector<double> numbers(std::string_view name) {
        const LayerOption option = take(name);
        if (option.numbers() == nullptr) { refuse(name, "a tensor of numbers", option); }
        return *option.numbers();
    }

    /// Call it after the last option. It checks that there are no others.
    void finish() const {
        if (config_.options.empty()) { return; }
        throw DataError(where_, detail::text("expected no option \"", detail::shown(config_.options.front().name),
                                             "\" of ", layer_, ", got one"));
    }

private:
    static constexpr Index largest = std::numeric_limits<Index>::max() / 64;

    Index whole(std::string_view name, Index least) {
        const LayerOption option = take(name);
        const Index* number = option.whole();
        if (number == nullptr || *number < least || *number > largest) {
            refuse(name, detail::text("a whole number from ", least, " to ", largest), option);
        }
        return *number;
    }
    LayerOption take(std::string_view name) {
        auto& options = config_.options;
        const auto found =
            std::find_if(options.begin(), options.end(), [&](const auto& option) { return option.name == name; });
        if (found == options.end()) {
            throw DataError(where_, detail::text("expected an option \"", name, "\" of ", layer_, ", got none"));
        }
        LayerOption option = std::move(found->value);
        options.erase(found);
        return option;
    }

    [[noreturn]] void refuse(std::string_view name, const std::string& expected, const LayerOption& got) const {
        throw DataError(where_,
                        detail::text("expected ", expected, " for \"", name, "\" of ", layer_, ", got ", shown(got)));
    }
    static std::string shown(const LayerOption& option) {
        if (const bool* flag = option.flag()) { return *flag ? "true" : "false"; }
        if (const Index* whole = option.whole()) { return detail::text(*whole); }
        if (const double* number = option.number()) { return detail::text(*number); }
        if (const std::string* word = option.word()) { return '"' + detail::shown(*word) + '"'; }
        return "a tensor";
    }

    LayerConfig config_;
    std::string where_, layer_;
};

}  // namespace gacc
