#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/view.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/losses/loss_rows.hpp>

#include <cmath>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// The common part of losses whose targets are rows of numbers. The loss of a sample is the mean over its outputs. So
/// the mean over samples of weight 1 is the mean over all numbers, as in PyTorch's default. The formula of one output:
///
///     struct Formula {
///         static constexpr Index cost = 4;                       // of an output, in multiply-adds
///         static constexpr const char* targets = "finite targets";
///         bool takes(Scalar target) const;                       // whether a target is allowed; NaN is not
///         Scalar add(Scalar output, Scalar target, Scalar sum, Scalar& grad) const;
///     };                                                         // sum + loss, and the derivative by the output
template <class Scalar, class Formula>
class TargetLoss {
public:
    /// If `weights` is empty, every sample has weight 1.
    template <RowsToRead<Scalar> Outputs, RowsToRead<Scalar> Targets>
    LossValue<Scalar> forward(const Outputs& outputs, const Targets& targets, std::span<const Scalar> weights = {}) {
        const Row row{outputs, targets, formula_, ignore_nan_};
        check(row, weights);
        return rows_.forward(row.outputs.rows(), row.outputs.cols(), weights, row);
    }

    /// The same bytes as forward, without a gradient. It keeps nothing, so several threads may call it at once.
    template <RowsToRead<Scalar> Outputs, RowsToRead<Scalar> Targets>
    OwnLossValue<Scalar> value(const Outputs& outputs, const Targets& targets,
                               std::span<const Scalar> weights = {}) const {
        const Row row{outputs, targets, formula_, ignore_nan_};
        check(row, weights);
        return rows_.value(row.outputs.rows(), row.outputs.cols(), weights, row);
    }

    /// Numbers that it keeps for every sample of the largest micro-batch so far.
    static Index numbers_per_sample(Index outputs) { return LossRows<Scalar>::numbers_per_sample(outputs); }

    /// The gradient of the last forward. Call it once for each forward.
    LossGradient<Scalar> backward() { return rows_.backward(); }

protected:
    TargetLoss(const char* name, Formula formula, Reduction reduction, bool ignore_nan)
        : formula_(formula), ignore_nan_(ignore_nan), rows_(name, reduction) {}

private:
    struct Row {
        static constexpr Index cost = Formula::cost;

        bool ignored(Index i) const { return ignore_nan && has_nan(i); }
        bool has_nan(Index i) const {
            bool nan = false;
            for (Index j = 0; j < targets.cols(); ++j) { nan |= std::isnan(targets(i, j)); }
            return nan;
        }
        bool valid(Index i) const {
            bool all = true;
            for (Index j = 0; j < targets.cols(); ++j) { all &= formula.takes(targets(i, j)); }
            return all;
        }
        Scalar loss(Index i, Scalar weight, Scalar* grad) const {
            const Scalar share = 1 / static_cast<Scalar>(outputs.cols());
            Scalar sum = 0, derivative = 0;
            for (Index j = 0; j < outputs.cols(); ++j) {
                sum = formula.add(outputs(i, j), targets(i, j), sum, derivative);
                if (grad != nullptr) { grad[j] = derivative * share * weight; }
            }
            return sum / static_cast<Scalar>(outputs.cols());
        }

        ConstMatrixView<Scalar> outputs;  // samples x outputs
        ConstMatrixView<Scalar> targets;  // samples x outputs
        const Formula& formula;
        bool ignore_nan;
    };

    void check(const Row& row, std::span<const Scalar> weights) const {
        const auto where = rows_.name();
        const Index samples = row.outputs.rows(), outputs = row.outputs.cols();
        if (samples < 1 || outputs < 1) {
            throw ShapeError(where, text("expected outputs of 1 x 1 or more, got ", samples, " x ", outputs));
        }
        if (row.targets.rows() != samples || row.targets.cols() != outputs) {
            throw ShapeError(where, text("expected targets of ", samples, " x ", outputs, ", as the outputs, got ",
                                         row.targets.rows(), " x ", row.targets.cols()));
        }
        if (!weights.empty() && static_cast<Index>(weights.size()) != samples) {
            throw ShapeError(where, text("expected a weight for each of ", samples, " samples, got ", weights.size()));
        }
        check_weights(where, weights);
        for (Index i = 0; i < samples; ++i) {
            const bool counts = weights.empty() || weights[static_cast<std::size_t>(i)] > 0;
            if (counts && !row.valid(i) && !row.ignored(i)) { refuse(row, i); }
        }
    }

    [[noreturn]] void refuse(const Row& row, Index i) const {
        Index j = 0;
        while (row.formula.takes(row.targets(i, j))) { ++j; }
        const Scalar target = row.targets(i, j);
        const auto at = text(" for output ", j, " of sample ", i, " of the micro-batch");
        if (std::isnan(target)) {
            throw UsageError(rows_.name(), text("expected ", Formula::targets, ", got NaN", at,
                                                "; .ignore_nan = true leaves such samples out"));
        }
        throw UsageError(rows_.name(), text("expected ", Formula::targets, ", got ", target, at));
    }

    Formula formula_;
    bool ignore_nan_;
    LossRows<Scalar> rows_;
};

}  // namespace gacc::detail
