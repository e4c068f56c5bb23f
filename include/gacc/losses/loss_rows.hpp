#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/scalar_range.hpp>
#include <gacc/core/view.hpp>
#include <gacc/losses/loss.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// A loss reads rows from anything that becomes a view, and from temporary matrices too: nothing refers to them after
/// the call.
template <class X, class Scalar>
concept RowsToRead = std::convertible_to<const X&, ConstMatrixView<Scalar>>;

/// Throws     UsageError if a weight is negative, infinite, NaN or too small for a Scalar with all its bits, or if the
///            sum of the weights is larger than the largest Scalar
template <class Scalar>
void check_weights(const char* where, std::span<const Scalar> weights) {
    double sum = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        if (!(weights[i] >= 0 && std::isfinite(weights[i]))) {
            throw UsageError(where, text("expected finite weights of 0 or more, got ", weights[i], " for sample ", i,
                                         " of the micro-batch"));
        }
        if (weights[i] > 0 && weights[i] < std::numeric_limits<Scalar>::min()) {
            throw UsageError(where, text("expected weights of 0, or of ", std::numeric_limits<Scalar>::min(),
                                         " or more, got ", weights[i], " for sample ", i, " of the micro-batch"));
        }
        sum += static_cast<double>(weights[i]);
    }
    if (!in_range<Scalar>(sum)) {
        throw UsageError(where, text("expected weights with a sum ", range_name<Scalar>, ", got ", sum,
                                     "; multiply all of them by one small factor"));
    }
}

/// Where the results of some rows go.
template <class Scalar>
struct LossPlace {
    Scalar* losses;   // samples
    Scalar* weights;  // samples
    Scalar* grad;     // samples x outputs, or null
    Index stride;     // of grad
};

/// Computes the loss and the weight of each row, and its gradient if it has a place. See LossRows.
template <class Scalar, class Row>
void compute_loss_rows(Index samples, Index outputs, std::span<const Scalar> weights, const Row& row,
                       LossPlace<Scalar> to) {
    parallel_for(samples, std::int64_t{samples} * outputs * Row::cost, [&](Index first, Index last) {
        for (Index i = first; i < last; ++i) {
            Scalar* grad = to.grad == nullptr ? nullptr : to.grad + i * to.stride;
            const Scalar weight = weights.empty() ? Scalar(1) : weights[static_cast<std::size_t>(i)];
            const bool ignored = weight == 0 || row.ignored(i);
            to.weights[i] = ignored ? Scalar(0) : weight;
            to.losses[i] = ignored ? Scalar(0) : weight * row.loss(i, weight, grad);
            if (ignored && grad != nullptr) { std::fill_n(grad, outputs, Scalar(0)); }
        }
    });
}

/// The sums of losses and weights, in the order of the rows.
struct LossSums {
    double loss = 0, weight = 0;

    template <class Scalar>
    LossSums(const Scalar* losses, const Scalar* weights, Index samples) {
        for (Index i = 0; i < samples; ++i) {
            loss += static_cast<double>(losses[i]);
            weight += static_cast<double>(weights[i]);
        }
    }
};

/// The common part of all losses: a loss and a weight for each row of outputs, their sums in the order of the rows, and
/// the gradient of the last forward. Each loss gives the formula of a row:
///
///     struct Row {
///         static constexpr Index cost = 20;    // of an output, in multiply-adds
///         bool ignored(Index i) const;         // whether row i is left out
///         Scalar loss(Index i, Scalar weight, Scalar* grad) const;
///     };                                       // without its weight; writes weight * gradient unless grad is null
template <class Scalar>
class LossRows {
public:
    LossRows(const char* name, Reduction reduction) : name_(name), reduction_(reduction) {}

    const char* name() const { return name_; }

    /// If `weights` is empty, every row has weight 1.
    template <class Row>
    LossValue<Scalar> forward(Index samples, Index outputs, std::span<const Scalar> weights, const Row& row) {
        ready_ = false;
        grad_.reserve(samples * outputs);
        losses_.reserve(samples);
        weights_.reserve(samples);
        samples_ = samples;
        outputs_ = outputs;
        const LossSums sums =
            compute(samples, outputs, weights, row, losses_.data(), weights_.data(), grad_.data());
        weight_ = sums.weight;
        ready_ = true;
        return {sums.loss, sums.weight, std::as_const(losses_).first(samples), std::as_const(weights_).first(samples)};
    }

    /// The same bytes as forward, without a gradient.
    template <class Row>
    static OwnLossValue<Scalar> value(Index samples, Index outputs, std::span<const Scalar> weights, const Row& row) {
        OwnLossValue<Scalar> value;
        value.losses.resize(static_cast<std::size_t>(samples));
        value.weights.resize(static_cast<std::size_t>(samples));
        const LossSums sums =
            compute(samples, outputs, weights, row, value.losses.data(), value.weights.data(), nullptr);
        value.sum = sums.loss;
        value.weight = sums.weight;
        return value;
    }

    /// The gradient of the last forward. Call it once for each forward.
    LossGradient<Scalar> backward() {
        if (!ready_) {
            throw UsageError(text(name_, "::backward"), "expected a forward before every backward, got none");
        }
        ready_ = false;
        if (reduction_ != Reduction::mean_over_samples && weight_ > 0) {
            for (Scalar& element : grad_.first(samples_ * outputs_)) { element /= static_cast<Scalar>(weight_); }
        }
        return {{grad_.data(), samples_, outputs_}, std::as_const(weights_).first(samples_), reduction_};
    }

    /// Numbers that forward keeps for every sample of the largest micro-batch so far.
    static constexpr Index numbers_per_sample(Index outputs) { return outputs + 2; }

private:
    template <class Row>
    static LossSums compute(Index samples, Index outputs, std::span<const Scalar> weights, const Row& row,
                            Scalar* losses, Scalar* own_weights, Scalar* grad) {
        compute_loss_rows(samples, outputs, weights, row, LossPlace<Scalar>{losses, own_weights, grad, outputs});
        return {losses, own_weights, samples};
    }

    const char* name_;
    Reduction reduction_;
    Index samples_ = 0;
    Index outputs_ = 0;
    double weight_ = 0;
    bool ready_ = false;
    Buffer<Scalar> grad_{memory::Kind::scratch};     // samples x outputs
    Buffer<Scalar> losses_{memory::Kind::scratch};   // samples, w_i loss_i
    Buffer<Scalar> weights_{memory::Kind::scratch};  // samples, w_i
};

}  // namespace gacc::detail
