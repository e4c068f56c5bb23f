#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <concepts>
#include <string>

namespace gacc::inline GACC_ABI {

/// A size in pixels: one number for both directions, or {height, width}.
///
/// Example    gacc::MaxPool2d(3, {.stride = 2});  gacc::MaxPool2d({3, 2}, {.stride = {2, 1}});
struct Size2d {
    Index height, width;

    constexpr Size2d(std::integral auto both) : Size2d(both, both) {}
    constexpr Size2d(std::integral auto rows, std::integral auto columns)
        : height(static_cast<Index>(rows)), width(static_cast<Index>(columns)) {}

    constexpr bool operator==(const Size2d&) const = default;

    /// "3 x 2", or "3" if both are the same. Only a Size2d finds it: to_string({7}) is of a Shape.
    friend std::string to_string(const Size2d& size) {
        return size.height == size.width ? detail::text(size.height) : detail::text(size.height, " x ", size.width);
    }
};

}  // namespace gacc
