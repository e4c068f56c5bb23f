#pragma once

#include <gacc/core/error.hpp>
#include <gacc/layers/initialization.hpp>
#include <gacc/layers/layer_config.hpp>
#include <gacc/layers/size2d.hpp>

#include <algorithm>
#include <string>
#include <type_traits>

/// What the options of all convolutions have in common: how they are checked, named and saved. Those of images have
/// sizes of type Size2d, those of sequences of type Index.
namespace gacc::inline GACC_ABI::detail {

inline Index least_of(Index size) { return size; }
inline Index least_of(const Size2d& size) { return std::min(size.height, size.width); }
inline Index largest_of(Index size) { return size; }
inline Index largest_of(const Size2d& size) { return std::max(size.height, size.width); }

/// "3 x 3" in errors.
inline std::string both_of(Index size) { return text(size); }
inline std::string both_of(const Size2d& size) { return text(size.height, " x ", size.width); }

/// "3x3" in names.
inline std::string joined(Index size) { return text(size); }
inline std::string joined(const Size2d& size) { return text(size.height, "x", size.width); }

/// The options, if they are those of a convolution.
///
/// Throws     ShapeError if a size is out of its range, or the groups do not divide the channels
template <class Options>
const Options& checked_convolution(const char* type, Index in, Index out, const Options& options) {
    const auto refuse = [&](const char* what, const auto&... got) {
        throw ShapeError(type, text("expected ", what, ", got ", got...));
    };
    const auto check = [&](const char* what, const auto& size, Index least) {
        constexpr Index largest = Index{1} << 20;  // larger ones, as in a crafted file, would overflow in sums of sizes
        if (least_of(size) < least) { refuse(what, both_of(size)); }
        if (largest_of(size) > largest) {
            refuse("a kernel, stride, padding and dilation of 1048576 or less", both_of(size));
        }
    };
    if (in < 1 || out < 1) { refuse("1 or more channels", in, " -> ", out); }
    check("a kernel of 1 or more", options.kernel, 1);
    check("a stride of 1 or more", options.stride, 1);
    check("a padding of 0 or more", options.padding, 0);
    check("a dilation of 1 or more", options.dilation, 1);
    if (options.groups < 1 || in % options.groups != 0 || out % options.groups != 0) {
        refuse("groups that divide the channels", options.groups, " groups for ", in, " -> ", out);
    }
    return options;
}

/// "Conv2d(3 -> 8, kernel 3x3, stride 2)": all that is not usual.
template <class Options>
std::string described_convolution(const char* type, Index in, Index out, const Options& options) {
    std::string name = text(type, "(", in, " -> ", out, ", kernel ", joined(options.kernel));
    const auto add = [&]<class Size>(const char* option, const Size& size, Index usual) {
        if (size == Size(usual)) { return; }
        const Index least = least_of(size);
        name += text(", ", option, " ", size == Size(least) ? joined(least) : joined(size));
    };
    add("stride", options.stride, 1);
    add("padding", options.padding, 0);
    if constexpr (requires { options.output_padding; }) { add("output padding", options.output_padding, 0); }
    add("dilation", options.dilation, 1);
    if (options.groups != 1) { name += text(", groups ", options.groups); }
    return name + ")";
}

/// The description from which a LayerRegistry makes the layer again.
template <class Options>
LayerConfig convolution_config(const char* type, Index in, Index out, const Options& options) {
    LayerConfig config{type, {{"in_channels", in}, {"out_channels", out}}};
    const auto add = [&]<class Size>(const std::string& name, const Size& size) {
        if constexpr (std::is_same_v<Size, Size2d>) {
            config.options.push_back({name + "_height", size.height});
            config.options.push_back({name + "_width", size.width});
        } else {
            config.options.push_back({name, size});
        }
    };
    add("kernel", options.kernel);
    add("stride", options.stride);
    add("padding", options.padding);
    if constexpr (requires { options.output_padding; }) { add("output_padding", options.output_padding); }
    add("dilation", options.dilation);
    config.options.push_back({"groups", options.groups});
    config.options.push_back({"bias", options.bias});
    config.options.push_back({"initialization", name_of(options.initialization)});
    return config;
}

}  // namespace gacc::detail
