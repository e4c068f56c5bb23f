#pragma once

#include <gacc/core/error.hpp>
#include <gacc/kernels/elementary.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/row_sums.hpp>
#include <gacc/kernels/simd.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/losses/loss_rows.hpp>

#include <algorithm>
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
        if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
            throw UsageError(rows_.name(),
                             detail::text("expected a label_smoothing from 0 to 1, got ", options.label_smoothing));
        }
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
    struct Row {
        using Packet = typename detail::Simd<Scalar>::Packet;
        static constexpr Index cost = 20;

        bool ignored(Index i) const { return label(i) == options.ignored_label; }
        Scalar loss(Index i, Scalar weight, Scalar* grad) const {
            const Index classes = logits.cols();
            const Scalar* z = logits.data() + i * logits.outerStride();
            const Scalar largest = *std::max_element(z, z + classes);
            const auto exp_of = [=](const Packet& of) {
                return detail::exponential(detail::minus(of, detail::all_lanes<Packet>(largest)));
            };
            if (grad != nullptr) { detail::map_packets(classes, exp_of, grad, z); }
            const auto add = [](const Packet& sum, const Packet& of) { return detail::plus(sum, of); };
            const auto add_exp = [&](const Packet& sum, const Packet& of) { return detail::plus(sum, exp_of(of)); };
            const Scalar sum = grad != nullptr ? detail::sum_packets(classes, add, grad)
                                               : detail::sum_packets(classes, add_exp, z);
            if (options.label_smoothing > 0) { return smoothed(i, weight, grad, largest, sum); }
            if (grad != nullptr) {
                for (Index j = 0; j < classes; ++j) { grad[j] = grad[j] / sum * weight; }
                grad[label(i)] -= weight;
            }
            return detail::logarithm(sum) - (z[label(i)] - largest);
        }
        /// grad holds exp(z_j - largest); `sum` is the sum of these.
        Scalar smoothed(Index i, Scalar weight, Scalar* grad, Scalar largest, Scalar sum) const {
            const Index classes = logits.cols();
            const auto share = static_cast<Scalar>(options.label_smoothing / static_cast<double>(classes));
            const auto rest = static_cast<Scalar>(1 - options.label_smoothing);
            Scalar all = 0;  // of z_j - largest
            for (Index j = 0; j < classes; ++j) { all += logits(i, j) - largest; }
            if (grad != nullptr) {
                for (Index j = 0; j < classes; ++j) { grad[j] = (grad[j] / sum - share) * weight; }
                grad[label(i)] = detail::multiply_add(-rest, weight, grad[label(i)]);
            }
            const Scalar of_classes = detail::multiply_add(-share, all, detail::logarithm(sum));
            return detail::multiply_add(-rest, logits(i, label(i)) - largest, of_classes);
        }
        Label label(Index i) const { return labels[static_cast<std::size_t>(i)]; }

        ConstMatrixView<Scalar> logits;  // samples x classes
        std::span<const Label> labels;   // samples
        const SoftmaxCrossEntropyOptions& options;
    };

    void check(const ConstMatrixView<Scalar>& logits, std::span<const Label> labels,
               std::span<const Scalar> weights) const {
        const auto where = rows_.name();
        const auto samples = static_cast<std::size_t>(logits.rows());
        if (logits.rows() < 1 || logits.cols() < 1) {
            throw ShapeError(
                where, detail::text("expected logits of samples x classes, got ", logits.rows(), " x ", logits.cols()));
        }
        if (labels.size() != samples || (!weights.empty() && weights.size() != samples)) {
            throw ShapeError(where, detail::text("expected a label", weights.empty() ? "" : " and a weight",
                                                 " for each of ", samples, " samples, got ", labels.size(),
                                                 weights.empty() ? "" : detail::text(" and ", weights.size())));
        }
        for (std::size_t i = 0; i < samples; ++i) {
            if (labels[i] != options_.ignored_label && (labels[i] < 0 || labels[i] >= logits.cols())) {
                throw UsageError(where, detail::text("expected labels from 0 to ", logits.cols() - 1, " (or ",
                                                     options_.ignored_label, " to ignore a sample), got ", labels[i],
                                                     " for sample ", i, " of the micro-batch"));
            }
        }
        detail::check_weights(where, weights);
    }

    SoftmaxCrossEntropyOptions options_;
    detail::LossRows<Scalar> rows_;
};

}  // namespace gacc
