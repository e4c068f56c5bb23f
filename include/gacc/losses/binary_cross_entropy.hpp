#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/losses/target_loss.hpp>

#include <algorithm>
#include <cmath>

namespace gacc::inline GACC_ABI {

struct BinaryCrossEntropyOptions {
    /// Leaves out samples with a NaN target. Without it NaN is an error.
    bool ignore_nan = false;
    Reduction reduction = Reduction::mean_over_samples;
};

namespace detail {

/// With e = exp(-|z|): the loss is max(z, 0) - z t + log(1 + e), and sigmoid(z) is 1 / (1 + e) or e / (1 + e).
template <class Scalar>
struct LogisticError {
    static constexpr Index cost = 80;
    static constexpr const char* targets = "targets from 0 to 1";

    bool takes(Scalar target) const { return target >= 0 && target <= 1; }
    Scalar add(Scalar logit, Scalar target, Scalar sum, Scalar& grad) const {
        const Scalar e = exponential(-std::abs(logit));  // 0 rather than subnormal
        const Scalar not_target = 1 - target;
        // sigmoid(z) - t over one denominator, so nothing cancels if both are nearly 1.
        grad = (logit < 0 ? multiply_add(not_target, e, -target) : multiply_add(-target, e, not_target)) / (1 + e);
        return sum + (multiply_add(-logit, target, std::max(logit, Scalar(0))) + logarithm_of_one_plus(e));
    }
};

}  // namespace detail

/// Binary cross-entropy of the sigmoid of logits z. Each sample has any number of labels, and each label a probability
/// t from 0 to 1. The loss of a sample is the mean over its labels:
///
///     loss_i = sum_j (-t_ij log sigmoid(z_ij) - (1 - t_ij) log(1 - sigmoid(z_ij))) / labels
///
/// The mean over samples is the mean over all numbers, as in PyTorch's BCEWithLogitsLoss.
///
/// Shapes     logits, targets samples x labels;  weights samples
/// Gradients  grad_ij = w_i (sigmoid(z_ij) - t_ij) / labels, summed over samples, not divided
///            (divided by the micro-batch's own sum of w_i for the two reductions that take means)
/// Throws     as MeanSquaredError; UsageError if a target is not from 0 to 1
/// Example    loss.forward(model.forward(x), targets);  model.backward(loss.backward());
template <class Scalar = float>
class BinaryCrossEntropy : public detail::TargetLoss<Scalar, detail::LogisticError<Scalar>> {
public:
    explicit BinaryCrossEntropy(BinaryCrossEntropyOptions options = {})
        : detail::TargetLoss<Scalar, detail::LogisticError<Scalar>>("BinaryCrossEntropy", {}, options.reduction,
                                                                    options.ignore_nan) {}
};

}  // namespace gacc
