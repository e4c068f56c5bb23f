#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <cstddef>
#include <limits>
#include <new>
#include <string>
#include <string_view>

namespace gacc::inline GACC_ABI::detail {

/// The largest size. A product or sum of sizes that Index cannot hold becomes this. No memory is that large, so such a
/// size is refused when memory is allocated, and fits no budget.
inline constexpr Index largest_size = std::numeric_limits<Index>::max();

/// a * b * ..., at most largest_size. All sizes are 0 or more.
template <class... More>
constexpr Index product_of(Index a, Index b, More... more) {
    const Index product = b > 0 && a > largest_size / b ? largest_size : a * b;
    if constexpr (sizeof...(More) == 0) {
        return product;
    } else {
        return product_of(product, more...);
    }
}

/// a + b + ..., at most largest_size. All sizes are 0 or more.
template <class... More>
constexpr Index sum_of(Index a, Index b, More... more) {
    const Index sum = a > largest_size - b ? largest_size : a + b;
    if constexpr (sizeof...(More) == 0) {
        return sum;
    } else {
        return sum_of(sum, more...);
    }
}

/// Numbers from one row to the next. Rows of a cache line or more start on a cache line. They are not a power of two
/// apart, since a column would then compete for a few places in the cache. Shorter rows lie side by side if a sample
/// has several.
template <class Scalar>
constexpr Index row_stride(Index width, Index rows = 1) {
    constexpr Index line = 64 / Index{sizeof(Scalar)};
    if (rows > 1 && width < line) { return width; }
    const Index lines = width / line + (width % line != 0 ? 1 : 0);
    return product_of(lines % 8 == 0 && lines > 0 ? lines + 1 : lines, line);
}

/// The most numbers of one array: an Index can count their bytes.
template <class Scalar>
inline constexpr Index most_numbers = largest_size / Index{sizeof(Scalar)};

/// Calls `ask`, which allocates memory for numbers of `each` bytes.
///
/// Throws     MemoryError if there is not enough; it says how many bytes were asked for, what for, and what to do
template <class Ask>
decltype(auto) with_memory(std::string_view where, Index numbers, std::size_t each, std::string_view what,
                           std::string_view to_do, const Ask& ask) {
    try {
        return ask();
    } catch (const std::bad_alloc&) {
        const Index bytes = product_of(numbers, static_cast<Index>(each));
        throw MemoryError(where, text("expected memory for ", bytes == largest_size ? "more than " : "",
                                      grouped(static_cast<std::uint64_t>(bytes)), " bytes of ", what, ", got none; ",
                                      to_do));
    }
}

}  // namespace gacc::detail
