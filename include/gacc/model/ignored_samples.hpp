#pragma once

#include <gacc/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// The samples of a micro-batch with weight 0. Their gradients are 0, but 0 * NaN is NaN. So if such a sample has
/// infinite or NaN numbers, they are kept out of the backward pass. Samples with finite numbers go through it as they
/// are, so no bit changes. If all samples have a weight, nothing is checked.
template <class Scalar>
class IgnoredSamples {
public:
    /// No samples.
    IgnoredSamples() = default;
    /// `weights` are those of all rows of outputs; a sample has `rows`. A sample is ignored if all of its rows are.
    explicit IgnoredSamples(std::span<const Scalar> weights, Index rows = 1)
        : weights_(std::find(weights.begin(), weights.end(), Scalar(0)) == weights.end() ? std::span<const Scalar>()
                                                                                         : weights),
          rows_(static_cast<std::size_t>(rows)) {}

    /// Sets ignored samples with infinite or NaN numbers to zero. `values` begins at sample `first`, with `rows` rows
    /// for each sample.
    void clear(MatrixView<Scalar> values, Index first, Index rows) const {
        if (weights_.empty()) { return; }
        for (Index i = 0; i < values.rows() / rows; ++i) {
            auto sample = values.middleRows(i * rows, rows);
            if (is_ignored(first + i) && !is_finite(sample)) { sample.setZero(); }
        }
    }

    /// Calls f(begin, count) for the runs of samples between the ignored ones that have infinite or NaN numbers. If
    /// there are no such samples, that is one call for all. `values` begins at sample `first`, with `rows` rows for
    /// each sample.
    template <class F>
    void for_others(const ConstMatrixView<Scalar>& values, Index first, Index rows, const F& f) const {
        Index begin = 0;
        const auto run_until = [&](Index end) {
            if (end > begin) { f(begin, end - begin); }
            begin = end + 1;
        };
        const Index samples = values.rows() / rows;
        for (Index i = 0; !weights_.empty() && i < samples; ++i) {
            if (is_ignored(first + i) && !is_finite(values.middleRows(i * rows, rows))) { run_until(i); }
        }
        run_until(samples);
    }

private:
    bool is_ignored(Index sample) const {
        const auto own = weights_.subspan(static_cast<std::size_t>(sample) * rows_, rows_);
        return std::all_of(own.begin(), own.end(), [](Scalar weight) { return weight == 0; });
    }
    template <class Rows>
    static bool is_finite(const Rows& rows) {
        return (rows.array() * Scalar(0)).sum() == 0;  // x * 0 is 0 for finite x, else NaN; NaN survives the sum
    }

    std::span<const Scalar> weights_;  // empty if no sample is ignored
    std::size_t rows_ = 1;
};

}  // namespace gacc::detail
