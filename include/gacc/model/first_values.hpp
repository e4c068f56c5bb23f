#pragma once

#include <gacc/parameters/parameter.hpp>

#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// A parameter that still has the zeros with which it was made, and must not be trained from them; null if there is no
/// such parameter. Every matrix must have been set. Vectors, such as biases, may stay zero if anything was set.
template <class Scalar>
const Parameter<Scalar>* without_first_values(const std::vector<Parameter<Scalar>*>& parameters) {
    const Parameter<Scalar>* unset = nullptr;
    bool any_set = false;
    for (const auto* parameter : parameters) {
        if (parameter->is_set()) {
            any_set = true;
        } else if (parameter->shape().size() > 1) {
            return parameter;
        } else if (unset == nullptr) {
            unset = parameter;
        }
    }
    return any_set ? nullptr : unset;
}

}  // namespace gacc::detail
