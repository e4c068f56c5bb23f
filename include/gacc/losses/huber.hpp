#pragma once

#include <gacc/core/error.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/losses/target_loss.hpp>

#include <algorithm>
#include <cmath>

namespace gacc::inline GACC_ABI {

struct HuberOptions {
    /// Differences larger than this count linearly; more than 0.
    double delta = 1;
    /// Leaves out samples with a NaN target. Without it NaN is an error.
    bool ignore_nan = false;
    Reduction reduction = Reduction::mean_over_samples;
};

namespace detail {

template <class Scalar>
struct HuberError {
    static constexpr Index cost = 8;
    static constexpr const char* targets = "finite targets";

    bool takes(Scalar target) const { return std::isfinite(target); }
    Scalar add(Scalar output, Scalar target, Scalar sum, Scalar& grad) const {
        const Scalar difference = output - target;
        grad = std::clamp(difference, -delta, delta);  // NaN stays NaN
        return multiply_add(grad, difference - grad / 2, sum);
    }

    Scalar delta;
};

}  // namespace detail

/// Squares of small differences between outputs y and targets t; larger differences count linearly, so single targets
/// far away pull less. The loss of a sample is the mean over its outputs:
///
///     loss_i = sum_j h(y_ij - t_ij) / outputs       h(d) = d² / 2                  for |d| up to delta
///                                                          delta (|d| - delta / 2)  beyond
///
/// The mean over samples is the mean over all numbers, as in PyTorch's HuberLoss.
///
/// Shapes     outputs, targets samples x outputs;  weights samples
/// Gradients  grad_ij = w_i (y_ij - t_ij, clamped to [-delta, delta]) / outputs, summed over samples, not divided
///            (divided by the micro-batch's own sum of w_i for the two reductions that take means)
/// Throws     as MeanSquaredError; UsageError if delta is not a positive Scalar
/// Source     Huber 1964, doi:10.1214/aoms/1177703732
/// Example    gacc::Huber loss({.delta = 0.5});  loss.forward(model.forward(x), targets);
template <class Scalar = float>
class Huber : public detail::TargetLoss<Scalar, detail::HuberError<Scalar>> {
public:
    explicit Huber(HuberOptions options = {})
        : detail::TargetLoss<Scalar, detail::HuberError<Scalar>>("Huber", {static_cast<Scalar>(options.delta)},
                                                                 options.reduction, options.ignore_nan) {
        const auto delta = static_cast<Scalar>(options.delta);
        if (!(delta > 0 && std::isnormal(delta))) {
            throw UsageError("Huber", detail::text("expected a delta of more than 0, ", detail::range_name<Scalar>,
                                                   ", got ", options.delta));
        }
    }
};

}  // namespace gacc
