#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/view.hpp>
#include <gacc/kernels/elementary.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/row_sums.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/losses/loss_rows.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace gacc::inline GACC_ABI {

struct SoftmaxCrossEntropyOptions {
    /// A sample with this label, or with weight 0, is left out: no loss, no gradient, no weight, even if its inputs are
    /// infinite or NaN.
    Label ignored_label = -100;
    Reduction reduction = Reduction::mean_over_samples;
    /// From 0 to 1: this share of each sample's target is spread evenly over all classes.
    double label_smoothing = 0;
};

namespace detail {

/// The formula of a row for SoftmaxCrossEntropy and LinearCrossEntropy (loss_rows.hpp). The gradient may lie over the
/// logits.
template <class Scalar>
struct SoftmaxRow {
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index cost = 20;

    bool ignored(Index i) const { return label(i) == options.ignored_label; }
    Scalar loss(Index i, Scalar weight, Scalar* grad) const {
        const Index classes = logits.cols();
        const Scalar* z = logits.data() + i * logits.outerStride();
        const Scalar largest = *std::max_element(z, z + classes);
        const Scalar of_label = z[label(i)] - largest;
        Scalar all = 0;  // of z_j - largest
        if (options.label_smoothing > 0) {
            for (Index j = 0; j < classes; ++j) { all += z[j] - largest; }
        }
        const auto exp_of = [=](const Packet& of) { return exponential(minus(of, all_lanes<Packet>(largest))); };
        if (grad != nullptr) { map_packets(classes, exp_of, grad, z); }  // from here on there may be no logits
        const auto add = [](const Packet& sum, const Packet& of) { return plus(sum, of); };
        const auto add_exp = [&](const Packet& sum, const Packet& of) { return plus(sum, exp_of(of)); };
        const Scalar sum = grad != nullptr ? sum_packets(classes, add, grad) : sum_packets(classes, add_exp, z);
        if (options.label_smoothing > 0) { return smoothed(i, weight, grad, of_label, all, sum); }
        if (grad != nullptr) {
            for (Index j = 0; j < classes; ++j) { grad[j] = grad[j] / sum * weight; }
            grad[label(i)] -= weight;
        }
        return logarithm(sum) - of_label;
    }
    /// grad holds exp(z_j - largest); `sum` is the sum of these.
    Scalar smoothed(Index i, Scalar weight, Scalar* grad, Scalar of_label, Scalar all, Scalar sum) const {
        const Index classes = logits.cols();
        const auto share = static_cast<Scalar>(options.label_smoothing / static_cast<double>(classes));
        const auto rest = static_cast<Scalar>(1 - options.label_smoothing);
        if (grad != nullptr) {
            for (Index j = 0; j < classes; ++j) { grad[j] = (grad[j] / sum - share) * weight; }
            grad[label(i)] = multiply_add(-rest, weight, grad[label(i)]);
        }
        const Scalar of_classes = multiply_add(-share, all, logarithm(sum));
        return multiply_add(-rest, of_label, of_classes);
    }
    Label label(Index i) const { return labels[static_cast<std::size_t>(i)]; }

    ConstMatrixView<Scalar> logits;  // samples x classes
    std::span<const Label> labels;   // samples
    const SoftmaxCrossEntropyOptions& options;
};

/// Throws     UsageError if label_smoothing is not from 0 to 1
inline void check_options(const char* where, const SoftmaxCrossEntropyOptions& options) {
    if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
        throw UsageError(where, text("expected a label_smoothing from 0 to 1, got ", options.label_smoothing));
    }
}

/// Throws     what SoftmaxCrossEntropy says, for so many rows of logits
template <class Scalar>
void check_labels(const char* where, Index rows, Index classes, std::span<const Label> labels,
                  std::span<const Scalar> weights, const SoftmaxCrossEntropyOptions& options) {
    const auto samples = static_cast<std::size_t>(rows);
    if (rows < 1 || classes < 1) {
        throw ShapeError(where, text("expected logits of samples x classes, got ", rows, " x ", classes));
    }
    if (labels.size() != samples || (!weights.empty() && weights.size() != samples)) {
        throw ShapeError(where, text("expected a label", weights.empty() ? "" : " and a weight", " for each of ",
                                     samples, " samples, got ", labels.size(),
                                     weights.empty() ? "" : text(" and ", weights.size())));
    }
    for (std::size_t i = 0; i < samples; ++i) {
        if (labels[i] != options.ignored_label && (labels[i] < 0 || labels[i] >= classes)) {
            throw UsageError(where, text("expected labels from 0 to ", classes - 1, " (or ", options.ignored_label,
                                         " to ignore a sample), got ", labels[i], " for sample ", i,
                                         " of the micro-batch"));
        }
    }
    check_weights(where, weights);
}

}  // namespace detail
}  // namespace gacc
