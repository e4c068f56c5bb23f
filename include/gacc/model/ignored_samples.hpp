#pragma once

#include <gacc/core/view.hpp>

#include <algorithm>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// The samples of a micro-batch that weigh nothing. Their gradients are 0, but 0 * NaN is NaN: numbers of such a sample
/// that are not finite are kept out of the backward pass. It then counts for nothing, whatever it holds. Samples with
/// finite numbers go through as before, so no bit changes. If all samples have a weight, nothing is looked at.
template <class Scalar>
class IgnoredSamples {
public:
    /// None.
    IgnoredSamples() = default;
    /// `weights` of all samples of the micro-batch.
    explicit IgnoredSamples(std::span<const Scalar> weights)
        : weights_(std::ranges::find(weights, Scalar(0)) == weights.end() ? std::span<const Scalar>() : weights) {}

    /// Zeros the rows of ignored samples that are not finite. `rows` are of the samples from `first` on.
    void clear(MatrixView<Scalar> rows, Index first) const {
        if (weights_.empty()) { return; }
        for (Index i = 0; i < rows.rows(); ++i) {
            if (to_leave_out(rows, i, first)) { rows.row(i).setZero(); }
        }
    }

    /// f(begin, count) for the runs of rows between those of ignored samples that are not finite: for all rows at once,
    /// if there are none. `rows` are of the samples from `first` on.
    template <class F>
    void for_others(const ConstMatrixView<Scalar>& rows, Index first, const F& f) const {
        Index begin = 0;
        const auto run_until = [&](Index end) {
            if (end > begin) { f(begin, end - begin); }
            begin = end + 1;
        };
        for (Index i = 0; !weights_.empty() && i < rows.rows(); ++i) {
            if (to_leave_out(rows, i, first)) { run_until(i); }
        }
        run_until(rows.rows());
    }

private:
    template <class View>
    bool to_leave_out(const View& rows, Index i, Index first) const {
        if (weights_[static_cast<std::size_t>(first + i)] != 0) { return false; }
        // x * 0 is 0 for finite x, else NaN; NaN survives the sum.
        return !((rows.row(i).array() * Scalar(0)).sum() == 0);
    }

    std::span<const Scalar> weights_;  // empty if no sample is ignored
};

}  // namespace gacc::detail
