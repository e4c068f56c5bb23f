#pragma once

#include <gacc/layers/row_norm.hpp>

namespace gacc::inline GACC_ABI {

struct RMSNormOptions {
    double epsilon = 1e-6;  ///< added to the mean square
};

/// Divides every row by the root of its mean square. Then it multiplies each feature by a weight:
/// y = weight x / sqrt(mean(x²) + epsilon).
///
/// Shapes     samples {..., features};  weight features
/// Memory     two numbers for each row, from forward to backward
/// Defaults   epsilon 1e-6, as in LLaMA; weights 1
/// Throws     ShapeError if features is less than 1; UsageError if epsilon is negative, infinite or NaN
/// Source     Zhang and Sennrich 2019, arXiv:1910.07467, eq. 4
/// Example    gacc::RMSNorm layer(128);
template <class Scalar = float>
class RMSNorm : public detail::RowNorm<Scalar, false> {
public:
    explicit RMSNorm(Index features, RMSNormOptions options = {})
        : detail::RowNorm<Scalar, false>("RMSNorm", features, options.epsilon, false) {}

    std::string description() const override { return detail::text("RMSNorm(", this->features(), ")"); }
    LayerConfig config() const override {
        return {"RMSNorm", {{"features", this->features()}, {"epsilon", this->epsilon()}}};
    }
};

}  // namespace gacc
