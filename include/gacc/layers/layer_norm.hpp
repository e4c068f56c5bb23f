#pragma once

#include <gacc/layers/row_norm.hpp>

namespace gacc::inline GACC_ABI {

struct LayerNormOptions {
    double epsilon = 1e-5;  ///< added to the variance
    bool bias = true;       ///< add a trained bias
};

/// Brings every row to mean 0 and variance 1. Then it multiplies each feature by a weight and adds a bias:
/// y = weight (x - mean) / sqrt(variance + epsilon) + bias.
///
/// Shapes     samples {..., features};  weight, bias features
/// Memory     two numbers for each row, from forward to backward
/// Defaults   PyTorch's: epsilon 1e-5, weights 1, biases 0
/// Throws     ShapeError if features is less than 1; UsageError if epsilon is negative, infinite or NaN
/// Source     Ba et al. 2016, arXiv:1607.06450
/// Example    gacc::LayerNorm layer(128);
template <class Scalar = float>
class LayerNorm : public detail::RowNorm<Scalar, true> {
public:
    explicit LayerNorm(Index features, LayerNormOptions options = {})
        : detail::RowNorm<Scalar, true>("LayerNorm", features, options.epsilon, options.bias) {}

    std::string description() const override { return detail::text("LayerNorm(", this->features(), ")"); }
    LayerConfig config() const override {
        return {"LayerNorm", {{"features", this->features()}, {"epsilon", this->epsilon()}, {"bias", this->has_bias()}}};
    }
};

}  // namespace gacc
