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
    gpt2,            ///< weights normal with deviation 0.02, biases 0. Radford et al. 2019, as in their code
};

namespace detail {

/// As files of models call it.
inline const char* name_of(Initialization initialization) {
    if (initialization == Initialization::gpt2) { return "gpt2"; }
    return initialization == Initialization::he_normal ? "he_normal" : "uniform_fan_in";
}

/// Draws the weights in PyTorch's order, times `factor`, then the biases. Either may be null: a weight that uses the
/// values of another parameter is not drawn.
template <class Scalar>
void draw_first_values(Rng& rng, Initialization initialization, Index in, Parameter<Scalar>* weight,
                       Parameter<Scalar>* bias, double factor = 1) {
    const double scale = std::sqrt(1 / static_cast<double>(in));
    const bool uniform = initialization == Initialization::uniform_fan_in;
    const double deviation = initialization == Initialization::gpt2 ? 0.02 : scale * std::sqrt(2.0);
    if (weight != nullptr) {
        weight->generate([&] {
            return static_cast<Scalar>(factor * (uniform ? rng.uniform(-scale, scale) : deviation * rng.normal()));
        });
    }
    if (bias != nullptr) {
        bias->generate([&] { return static_cast<Scalar>(uniform ? rng.uniform(-scale, scale) : 0.0); });
    }
}

}  // namespace detail
}  // namespace gacc
