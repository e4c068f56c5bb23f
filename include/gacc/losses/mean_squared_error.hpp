#pragma once

#include <gacc/kernels/simd.hpp>
#include <gacc/losses/target_loss.hpp>

#include <cmath>

namespace gacc::inline GACC_ABI {

struct MeanSquaredErrorOptions {
    /// Leaves out samples with a NaN target. Without it NaN is an error.
    bool ignore_nan = false;
    Reduction reduction = Reduction::mean_over_samples;
};

namespace detail {

template <class Scalar>
struct SquaredError {
    static constexpr Index cost = 8;
    static constexpr const char* targets = "finite targets";

    bool takes(Scalar target) const { return std::isfinite(target); }
    Scalar add(Scalar output, Scalar target, Scalar sum, Scalar& grad) const {
        const Scalar difference = output - target;
        grad = 2 * difference;
        return multiply_add(difference, difference, sum);
    }
};

}  // namespace detail

/// The squared difference of outputs y and targets t. The loss of a sample is the mean over its outputs:
///
///     loss_i = sum_j (y_ij - t_ij)² / outputs
///
/// The mean over samples is the mean over all numbers, as in PyTorch's MSELoss.
///
/// Shapes     outputs, targets samples x outputs;  weights samples
/// Gradients  grad_ij = w_i 2 (y_ij - t_ij) / outputs, summed over samples, not divided
///            (divided by the micro-batch's own sum of w_i for the two reductions that take means)
/// Throws     ShapeError if targets or weights do not fit the outputs; UsageError if a target is infinite or NaN
///            (targets of a sample of weight 0 are not checked), for weights as SoftmaxCrossEntropy, or if backward is
///            called without a forward
/// Example    loss.forward(model.forward(x), targets);  model.backward(loss.backward());
template <class Scalar = float>
class MeanSquaredError : public detail::TargetLoss<Scalar, detail::SquaredError<Scalar>> {
public:
    explicit MeanSquaredError(MeanSquaredErrorOptions options = {})
        : detail::TargetLoss<Scalar, detail::SquaredError<Scalar>>("MeanSquaredError", {}, options.reduction,
                                                                   options.ignore_nan) {}
};

}  // namespace gacc
