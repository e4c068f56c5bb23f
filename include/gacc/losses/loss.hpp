#pragma once

#include <gacc/core/view.hpp>
#include <gacc/parameters/gradient_tally.hpp>

#include <functional>
#include <span>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The loss of one micro-batch: sums over its samples, and the loss and weight of each sample.
template <class Scalar>
struct LossValue {
    double sum = 0;                   ///< of w_i loss_i
    double weight = 0;                ///< of w_i
    std::span<const Scalar> losses;   ///< w_i loss_i of every sample, valid until the loss's next forward
    std::span<const Scalar> weights;  ///< w_i of every sample, valid as long

    /// The mean over the samples; 0 if none counts.
    double mean() const { return weight > 0 ? sum / weight : 0; }
};

/// The same for samples without a backward pass, as in a validation. It owns its numbers.
template <class Scalar>
struct OwnLossValue {
    double sum = 0;               ///< of w_i loss_i
    double weight = 0;            ///< of w_i
    std::vector<Scalar> losses;   ///< w_i loss_i of every sample
    std::vector<Scalar> weights;  ///< w_i of every sample

    /// The mean over the samples; 0 if none counts.
    double mean() const { return weight > 0 ? sum / weight : 0; }
};

/// What a loss passes to the model's backward: the derivative by the model's outputs, and the weights of the samples.
template <class Scalar>
struct LossGradient {
    ConstMatrixView<Scalar> grad;            ///< samples x out_features; without memory if there is a `block`
    std::span<const Scalar> sample_weights;  ///< w_i of every sample
    Reduction reduction = Reduction::mean_over_samples;
    /// If the derivative is never in memory as a whole: block(i) computes rows from i on and returns as many as it has.
    /// They are valid until its next call. Backward calls it in the order of the rows, from one thread after the
    /// other. It may write the gradient by the features of these rows over the features, before the next call.
    std::function<ConstMatrixView<Scalar>(Index first)> block = {};
    Index forward = 0;  ///< with a `block`: forward() of the features
};

}  // namespace gacc
