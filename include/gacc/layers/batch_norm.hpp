#pragma once

#include <gacc/kernels/simd.hpp>
#include <gacc/layers/layer.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Refused: with batch normalisation the result of a sample depends on the other samples of the micro-batch, and so on
/// the cut.
template <class Scalar = float>
class BatchNorm {
public:
    using scalar_type = Scalar;

    template <class... Options>
    explicit BatchNorm(Options&&...) {
        static_assert(sizeof(Scalar) == 0,
                      "gacc: BatchNorm: expected layers whose samples do not depend on each other, got batch "
                      "normalisation, whose result depends on the micro-batch; use gacc::GroupNorm or gacc::LayerNorm, "
                      "or gacc::FrozenBatchNorm for imported weights");
    }
};

/// Batch normalisation with given statistics, for imported networks. It is not trained:
/// y = weight (x - mean) / sqrt(variance + epsilon) + bias, for every feature.
///
/// Gradients  grad_x = grad_y weight / sqrt(variance + epsilon)
/// Throws     ShapeError if the vectors differ in length; UsageError if a number is infinite or NaN, or a variance plus
///            epsilon is not positive
/// Source     Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2
/// Example    gacc::FrozenBatchNorm layer(weight, bias, mean, variance);  // std::vector<double> each
template <class Scalar = float>
class FrozenBatchNorm : public Layer<Scalar> {
public:
    FrozenBatchNorm(const std::vector<double>& weight, const std::vector<double>& bias,
                    const std::vector<double>& mean, const std::vector<double>& variance, double epsilon = 1e-5) {
        const std::size_t features = weight.size();
        if (features == 0 || bias.size() != features || mean.size() != features || variance.size() != features) {
            throw ShapeError("FrozenBatchNorm",
                             detail::text("expected four vectors of one length, got ", weight.size(), ", ", bias.size(),
                                          ", ", mean.size(), " and ", variance.size(), " numbers"));
        }
        for (std::size_t i = 0; i < features; ++i) {
            const double scale = weight[i] / std::sqrt(variance[i] + epsilon), shift = bias[i] - mean[i] * scale;
            if (!(variance[i] + epsilon > 0) || !std::isfinite(static_cast<Scalar>(scale)) ||
                !std::isfinite(static_cast<Scalar>(shift))) {
                throw UsageError("FrozenBatchNorm",
                                 detail::text("expected finite numbers and a variance larger than 0, got weight ",
                                              weight[i], ", bias ", bias[i], ", mean ", mean[i], " and variance ",
                                              variance[i], " of feature ", i));
            }
            scale_.push_back(static_cast<Scalar>(scale));
            shift_.push_back(static_cast<Scalar>(shift));
        }
    }

    std::string description() const override { return detail::text("FrozenBatchNorm(", scale_.size(), ")"); }
    /// The options of y = weight x + bias: with mean 0 and variance 1.
    LayerConfig config() const override {
        return {"FrozenBatchNorm", {{"weight", std::vector<double>(scale_.begin(), scale_.end())},
                                    {"bias", std::vector<double>(shift_.begin(), shift_.end())}}};
    }
    LayerPlan plan(const Shape& x) const override {
        if (x.empty() || x.back() != static_cast<Index>(scale_.size())) {
            throw ShapeError(description(), detail::text("expected samples whose last size is ", scale_.size(),
                                                         ", got samples of shape ", to_string(x)));
        }
        return {.y = x, .reads_x = false, .reads_y = false, .elementwise = true};
    }

    void forward(Forward<Scalar> call) const override {
        for (Index i = 0; i < call.x.rows(); ++i) {
            for (Index j = 0; j < call.x.cols(); ++j) {
                const auto feature = static_cast<std::size_t>(call.where.first_column + j);
                call.y(i, j) = detail::multiply_add(call.x(i, j), scale_[feature], shift_[feature]);
            }
        }
    }
    void backward(Backward<Scalar> call) override {
        for (Index i = 0; i < call.grad_y.rows(); ++i) {
            for (Index j = 0; j < call.grad_y.cols(); ++j) {
                const auto feature = static_cast<std::size_t>(call.where.first_column + j);
                call.grad_x(i, j) = call.grad_y(i, j) * scale_[feature];
            }
        }
    }

private:
    std::vector<Scalar> scale_, shift_;  // of each feature
};

}  // namespace gacc
