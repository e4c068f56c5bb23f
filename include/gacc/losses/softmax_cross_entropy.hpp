#pragma once

#include <gacc/losses/loss.hpp>
#include <gacc/losses/loss_rows.hpp>
#include <gacc/losses/softmax_row.hpp>

#include <span>

namespace gacc::inline GACC_ABI {

/// Cross-entropy of the softmax of logits z, for a sample with the label c:
///
///     loss_i = log(sum_j exp(z_ij - max_i)) - (z_ic - max_i)        max_i the largest logit of sample i
///
/// With label smoothing s, the target of class j is (1 - s) [j = c] + s / classes instead of [j = c].
///
/// Shapes     logits samples x classes;  labels, weights samples
/// Gradients  grad_ij = w_i (softmax(z_i)_j - [j = c]), summed over samples, not divided
///            (divided by the micro-batch's own sum of w_i for the two reductions that take means)
/// Throws     ShapeError if there are not as many labels or weights as samples; UsageError if a label is not a class,
///            a weight is negative, infinite, NaN or too small for a Scalar with all its bits, the sum of the weights
///            is larger than the largest Scalar, backward is called without a forward, or label_smoothing is not from
///            0 to 1
/// Source     Szegedy et al. 2016, arXiv:1512.00567, section 7 (label smoothing)
/// Example    loss.forward(model.forward(x), labels);  model.backward(loss.backward());
template <class Scalar = float>
class SoftmaxCrossEntropy {
public:
    explicit SoftmaxCrossEntropy(SoftmaxCrossEntropyOptions options = {})
        : options_(options), rows_("SoftmaxCrossEntropy", options.reduction) {
        detail::check_options(rows_.name(), options_);
    }

    /// If `weights` is empty, every sample has weight 1.
    template <detail::RowsToRead<Scalar> Logits>
    LossValue<Scalar> forward(const Logits& logits, std::span<const Label> labels,
                              std::span<const Scalar> weights = {}) {
        const Row row{logits, labels, options_};
        check(row.logits, labels, weights);
        return rows_.forward(row.logits.rows(), row.logits.cols(), weights, row);
    }

    /// The same bytes as forward, without a gradient. It keeps nothing, so several threads may call it at once.
    template <detail::RowsToRead<Scalar> Logits>
    OwnLossValue<Scalar> value(const Logits& logits, std::span<const Label> labels,
                               std::span<const Scalar> weights = {}) const {
        const Row row{logits, labels, options_};
        check(row.logits, labels, weights);
        return rows_.value(row.logits.rows(), row.logits.cols(), weights, row);
    }

    /// Numbers that it keeps for every sample of the largest micro-batch so far.
    static Index numbers_per_sample(Index classes) { return detail::LossRows<Scalar>::numbers_per_sample(classes); }

    /// The gradient of the last forward. Call it once for each forward.
    LossGradient<Scalar> backward() { return rows_.backward(); }

private:
    using Row = detail::SoftmaxRow<Scalar>;

    void check(const ConstMatrixView<Scalar>& logits, std::span<const Label> labels,
               std::span<const Scalar> weights) const {
        detail::check_labels(rows_.name(), logits.rows(), logits.cols(), labels, weights, options_);
    }

    SoftmaxCrossEntropyOptions options_;
    detail::LossRows<Scalar> rows_;
};

}  // namespace gacc
