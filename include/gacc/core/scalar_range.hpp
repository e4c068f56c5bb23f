#pragma once

#include <gacc/core/abi.hpp>

#include <limits>
#include <type_traits>

namespace gacc::inline GACC_ABI::detail {

/// Whether the number as a Scalar is neither infinite nor NaN. Options and weights are double, but a step uses them in
/// the type of the parameters, which may have a smaller range.
template <class Scalar>
constexpr bool in_range(double number) {
    constexpr double largest = std::numeric_limits<Scalar>::max();
    return number >= -largest && number <= largest;
}

/// Whether 1 / weight, a factor of each step, is a positive Scalar with all its bits.
template <class Scalar>
constexpr bool has_inverse(double weight) {
    return weight > 0 && 1 / weight >= std::numeric_limits<Scalar>::min() && in_range<Scalar>(1 / weight);
}

/// "float", for messages.
template <class Scalar>
inline constexpr const char* scalar_name = std::is_same_v<Scalar, float> ? "float" : "double";
/// The words of messages for in_range.
template <class Scalar>
inline constexpr const char* range_name =
    std::is_same_v<Scalar, float> ? "in the range of float" : "in the range of double";

}  // namespace gacc::detail
