#pragma once

#include <gacc/core/abi.hpp>

#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

template <class Scalar>
class Parameter;

/// Makes a parameter use the values of another one, given by its name in the model: {"0.weight"}.
struct SharedValues {
    std::string name;
};

namespace detail {

/// Parameters of one model that refer to each other. A copied or moved parameter has no links: its model makes them
/// anew (model_parameter.hpp).
template <class Scalar>
struct ParameterLinks {
    ParameterLinks() = default;
    ParameterLinks(const ParameterLinks&) noexcept {}
    ParameterLinks& operator=(const ParameterLinks&) noexcept {
        owner = nullptr;
        sharers.clear();
        return *this;
    }

    Parameter<Scalar>* owner = nullptr;        // of the values
    std::vector<Parameter<Scalar>*> sharers{};  // of these values
};

}  // namespace detail
}  // namespace gacc
