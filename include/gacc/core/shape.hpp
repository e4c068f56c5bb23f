#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>

#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Sizes of a tensor, samples first: {60000, 28, 28}; or of one sample: {28, 28}.
using Shape = std::vector<Index>;

/// "60000 x 28 x 28"
inline std::string to_string(const Shape& shape) {
    std::string out;
    for (const Index size : shape) { out += (out.empty() ? "" : " x ") + std::to_string(size); }
    return out;
}

/// The product of the sizes from index `first` on; 1 if there are no such sizes.
///
/// Throws     ShapeError if it is too large for an Index
inline Index elements(const Shape& shape, std::size_t first = 0) {
    Index product = 1;
    for (std::size_t i = first; i < shape.size(); ++i) { product = detail::product_of(product, shape[i]); }
    if (product == detail::largest_size) {
        throw ShapeError("elements",
                         detail::text("expected sizes whose product is less than ", detail::largest_size, ", got [",
                                      to_string(shape), "]"));
    }
    return product;
}

/// The rows of a sample of this shape: the product of all sizes but the last. A sample of {tokens, features} has a row
/// for each token.
inline Index rows_of(const Shape& shape) {
    Index rows = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); ++i) { rows = detail::product_of(rows, shape[i]); }
    return rows;
}

}  // namespace gacc
