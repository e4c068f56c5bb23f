#pragma once

#include <gacc/core/abi.hpp>

#include <limits>
#include <type_traits>

namespace gacc::inline GACC_ABI::detail {

/// Whether the number as a Scalar is neither infinite nor NaN. (Options and weights are double; a step multiplies by them
/// in the type of the parameters, which may hold less.)
template <class Scalar>
constexpr bool in_range(double number) {
    constexpr double largest = std::numeric_limits<Scalar>::max();
    return number >= -largest && number <= largest;
}

/// Whether 1 / weight, by which a step multiplies, is a positive Scalar with all its bits.
template <class Scalar>
constexpr bool has_inverse(double weight) {
    return weight > 0 && 1 / weight >= std::numeric_limits<Scalar>::min() && in_range<Scalar>(1 / weight);
}

/// "float", for messages.
template <class Scalar>
inline constexpr const char* scalar_name = std::is_same_v<Scalar, float> ? "float" : "double";
/// How messages say that in_range is expected.
template <class Scalar>
inline constexpr const char* range_name =
    std::is_same_v<Scalar, float> ? "in the range of float" : "in the range of double";

}  // namespace gacc::detail
