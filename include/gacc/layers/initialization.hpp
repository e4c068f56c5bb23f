#pragma once

#include <gacc/core/random.hpp>
#include <gacc/parameters/parameter.hpp>

#include <cmath>

namespace gacc::inline GACC_ABI {

/// The distribution of a layer's first values, for `in` inputs of an output: the features of a Linear, or the numbers of a
/// convolution's kernel.
enum class Initialization {
    he_normal,       ///< weights normal with deviation sqrt(2 / in), biases 0. He et al. 2015, arXiv:1502.01852, eq. 10
    uniform_fan_in,  ///< weights and biases uniform within +-1 / sqrt(in), the default of PyTorch's Linear
};

namespace detail {

/// Draws the weights in PyTorch's order, then the biases. Either may be null: a weight that uses the values of another
/// parameter is not drawn.
template <class Scalar>
void draw_first_values(Rng& rng, Initialization initialization, Index in, Parameter<Scalar>* weight,
                       Parameter<Scalar>* bias) {
    const double scale = std::sqrt(1 / static_cast<double>(in));
    const bool he = initialization == Initialization::he_normal;
    if (weight != nullptr) {
        weight->generate([&] {
            return static_cast<Scalar>(he ? scale * std::sqrt(2.0) * rng.normal() : rng.uniform(-scale, scale));
        });
    }
    if (bias != nullptr) {
        bias->generate([&] { return static_cast<Scalar>(he ? 0.0 : rng.uniform(-scale, scale)); });
    }
}

}  // namespace detail
}  // namespace gacc
