#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/losses/loss.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace gacc::inline GACC_ABI {

struct SoftmaxCrossEntropyOptions {
    /// A sample with this label counts for nothing, nor does one of weight 0: no loss, no gradient, no weight, also if
    /// its inputs are infinite or NaN.
    Label ignored_label = -100;
    Reduction reduction = Reduction::mean_over_samples;
};

/// Cross-entropy of the softmax of logits z, for the class c that each sample is labelled with:
///
///     loss_i = log(sum_j exp(z_ij - max_i)) - (z_ic - max_i)        max_i the largest logit of sample i
///
/// Shapes     logits samples x classes;  labels, weights samples
/// Gradients  grad_ij = w_i (softmax(z_i)_j - [j = c]), summed over samples, not divided
///            (divided by the micro-batch's own sum of w_i for the two reductions that take means)
/// Throws     ShapeError if labels or weights are not as many as samples; UsageError if a label is not a class,
///            a weight is negative, not finite or too small for a Scalar with all its bits, their sum is larger than
///            a Scalar can be, or backward comes without a forward
/// Example    loss.forward(model.forward(x), labels);  model.backward(loss.backward());
template <class Scalar = float>
class SoftmaxCrossEntropy {
public:
    explicit SoftmaxCrossEntropy(SoftmaxCrossEntropyOptions options = {}) : options_(options) {}

    /// `weights` empty: every sample weighs 1.
    LossValue<Scalar> forward(const ConstMatrixView<Scalar>& logits, std::span<const Label> labels,
                              std::span<const Scalar> weights = {}) {
        check(logits, labels, weights);
        ready_ = false;
        grad_.reserve(logits.size());
        losses_.reserve(logits.rows());
        weights_.reserve(logits.rows());
        samples_ = logits.rows();
        classes_ = logits.cols();

        LossValue<Scalar> value{.losses = losses_.first(samples_), .weights = weights_.first(samples_)};
        constexpr Index cost = 20;  // multiply-adds that a logit is worth
        detail::parallel_for(samples_, std::int64_t{samples_} * classes_ * cost, [&](Index first, Index last) {
            for (Index i = first; i < last; ++i) {
                const auto sample = static_cast<std::size_t>(i);
                const Scalar weight = weights.empty() ? Scalar(1) : weights[sample];
                const bool ignored = labels[sample] == options_.ignored_label || weight == 0;
                weights_[i] = ignored ? Scalar(0) : weight;
                losses_[i] = ignored ? Scalar(0) : weights_[i] * row(logits, i, labels[sample]);
                if (ignored) { std::fill_n(grad_.data() + i * classes_, classes_, Scalar(0)); }
            }
        });
        for (Index i = 0; i < samples_; ++i) {
            value.sum += static_cast<double>(losses_[i]);
            value.weight += static_cast<double>(weights_[i]);
        }
        weight_ = value.weight;
        ready_ = true;
        return value;
    }

    /// Of a temporary matrix, as predict() returns: nothing refers to the logits once this is done.
    template <detail::OwnRowsInMemory<Scalar> X>
    LossValue<Scalar> forward(const X&& logits, std::span<const Label> labels, std::span<const Scalar> weights = {}) {
        return forward(ConstMatrixView<Scalar>(logits), labels, weights);
    }

    /// Numbers it keeps for every sample of the largest micro-batch it has seen.
    static Index numbers_per_sample(Index classes) { return classes + 2; }

    /// The gradient of the last forward, once.
    LossGradient<Scalar> backward() {
        if (!ready_) {
            throw UsageError("SoftmaxCrossEntropy::backward", "expected a forward before every backward, got none");
        }
        ready_ = false;
        if (options_.reduction != Reduction::mean_over_samples && weight_ > 0) {
            for (Scalar& element : grad_.first(samples_ * classes_)) { element /= static_cast<Scalar>(weight_); }
        }
        return {{grad_.data(), samples_, classes_}, std::as_const(weights_).first(samples_), options_.reduction};
    }

private:
    /// The loss of sample i without its weight; writes its row of the gradient.
    Scalar row(const ConstMatrixView<Scalar>& logits, Index i, Label label) {
        Scalar* grad = grad_.data() + i * classes_;
        Scalar largest = logits(i, 0);
        for (Index j = 1; j < classes_; ++j) { largest = std::max(largest, logits(i, j)); }
        Scalar sum = 0;
        for (Index j = 0; j < classes_; ++j) {
            grad[j] = std::exp(logits(i, j) - largest);
            if (grad[j] < std::numeric_limits<Scalar>::min()) { grad[j] = 0; }  // too small for fast arithmetic
            sum += grad[j];
        }
        for (Index j = 0; j < classes_; ++j) { grad[j] = grad[j] / sum * weights_[i]; }
        grad[label] -= weights_[i];
        return std::log(sum) - (logits(i, label) - largest);
    }

    void check(const ConstMatrixView<Scalar>& logits, std::span<const Label> labels,
               std::span<const Scalar> weights) const {
        const auto where = "SoftmaxCrossEntropy";
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
        double sum = 0;
        for (std::size_t i = 0; i < samples; ++i) {
            if (labels[i] != options_.ignored_label && (labels[i] < 0 || labels[i] >= logits.cols())) {
                throw UsageError(where, detail::text("expected labels from 0 to ", logits.cols() - 1, " (or ",
                                                     options_.ignored_label, " to ignore a sample), got ", labels[i],
                                                     " for sample ", i, " of the micro-batch"));
            }
            if (!weights.empty() && !(weights[i] >= 0 && std::isfinite(weights[i]))) {
                throw UsageError(where, detail::text("expected finite weights of 0 or more, got ", weights[i],
                                                     " for sample ", i, " of the micro-batch"));
            }
            if (!weights.empty() && weights[i] > 0 && weights[i] < std::numeric_limits<Scalar>::min()) {
                throw UsageError(where,
                                 detail::text("expected weights of 0, or of ", std::numeric_limits<Scalar>::min(),
                                              " or more, got ", weights[i], " for sample ", i, " of the micro-batch"));
            }
            sum += weights.empty() ? 1 : static_cast<double>(weights[i]);
        }
        if (!detail::in_range<Scalar>(sum)) {
            throw UsageError(where, detail::text("expected weights with a sum ", detail::range_name<Scalar>, ", got ",
                                                 sum, "; multiply all of them by one small factor"));
        }
    }

    SoftmaxCrossEntropyOptions options_;
    Index samples_ = 0;
    Index classes_ = 0;
    double weight_ = 0;
    bool ready_ = false;
    Buffer<Scalar> grad_{memory::Kind::scratch};     // samples x classes
    Buffer<Scalar> losses_{memory::Kind::scratch};   // samples, w_i loss_i
    Buffer<Scalar> weights_{memory::Kind::scratch};  // samples, w_i
};

}  // namespace gacc
