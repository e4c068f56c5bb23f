#pragma once

#include <gacc/core/view.hpp>

#include <algorithm>
#include <cstddef>
#include <span>

namespace gacc::inline GACC_ABI::detail {

/// The samples of a micro-batch with weight 0, and rows with weight 0 of other samples. Their gradients are 0, but
/// 0 * NaN is NaN. So if such a sample or row has infinite or NaN numbers, they are kept out of the backward pass. Those
/// with finite numbers go through it as they are, so no bit changes. If all rows have a weight, nothing is checked.
///
/// A row of a value is ignored alone only if the value is by rows: it has as many rows as the outputs, and none reaches
/// an output of another row.
template <class Scalar>
class IgnoredSamples {
public:
    /// No samples.
    IgnoredSamples() = default;
    /// `weights` are those of all rows of outputs; a sample has `rows`. A sample is ignored whole if all of its rows are.
    explicit IgnoredSamples(std::span<const Scalar> weights, Index rows = 1)
        : weights_(std::find(weights.begin(), weights.end(), Scalar(0)) == weights.end() ? std::span<const Scalar>()
                                                                                         : weights),
          rows_(static_cast<std::size_t>(rows)) {}

    /// Sets ignored samples with infinite or NaN numbers to zero, and rows if the value is `by_rows`. `values` begins at
    /// sample `first`, with `rows` rows for each sample.
    void clear(MatrixView<Scalar> values, Index first, Index rows, bool by_rows = false) const {
        if (weights_.empty()) { return; }
        for (Index i = 0; i < values.rows() / rows; ++i) {
            auto sample = values.middleRows(i * rows, rows);
            if (is_ignored(first + i)) {
                if (!is_finite(sample)) { sample.setZero(); }
            } else if (by_rows) {
                for (Index row = 0; row < rows; ++row) {
                    if (is_ignored(first + i, row) && !is_finite(sample.row(row))) { sample.row(row).setZero(); }
                }
            }
        }
    }

    /// The same for the numbers that a layer keeps: a row for each sample, and in it as many for each row of the sample.
    void clear_kept(MatrixView<Scalar> kept, Index first, bool by_rows = false) const {
        clear(kept, first, 1);
        if (weights_.empty() || !by_rows) { return; }
        const auto rows = static_cast<Index>(rows_), each = kept.cols() / rows;
        for (Index i = 0; i < kept.rows(); ++i) {
            for (Index row = 0; row < rows; ++row) {
                auto numbers = kept.block(i, row * each, 1, each);
                if (is_ignored(first + i, row) && !is_finite(numbers)) { numbers.setZero(); }
            }
        }
    }

    /// Calls f(begin, count) for the runs of samples between those that have ignored infinite or NaN numbers. If there
    /// are no such samples, that is one call for all. Calls of_rows(sample, begin, count) for the runs of the other rows
    /// of a sample that is not ignored whole. `values` begins at sample `first`, with `rows` rows for each sample.
    template <class F, class OfRows>
    void for_others(const ConstMatrixView<Scalar>& values, Index first, Index rows, bool by_rows, const F& f,
                    const OfRows& of_rows) const {
        const Index samples = values.rows() / rows;
        if (weights_.empty()) { return f(Index{0}, samples); }
        const auto is_bad_row = [&](Index i, Index row) {
            return is_ignored(first + i, row) && !is_finite(values.middleRows(i * rows + row, 1));
        };
        const auto is_bad = [&](Index i) {
            if (is_ignored(first + i)) { return !is_finite(values.middleRows(i * rows, rows)); }
            Index row = 0;
            while (by_rows && row < rows && !is_bad_row(i, row)) { ++row; }
            return by_rows && row < rows;
        };
        for_runs(samples, is_bad, f, [&](Index i) {
            if (is_ignored(first + i)) { return; }
            for_runs(
                rows, [&](Index row) { return is_bad_row(i, row); },
                [&](Index begin, Index count) { of_rows(i, begin, count); }, [](Index) {});
        });
    }

private:
    /// Calls f(begin, count) for the runs of items between bad ones, and of_bad(item) for those, in order.
    template <class IsBad, class F, class OfBad>
    static void for_runs(Index items, const IsBad& is_bad, const F& f, const OfBad& of_bad) {
        Index begin = 0;
        for (Index i = 0; i <= items; ++i) {
            if (i < items && !is_bad(i)) { continue; }
            if (i > begin) { f(begin, i - begin); }
            if (i < items) { of_bad(i); }
            begin = i + 1;
        }
    }

    bool is_ignored(Index sample, Index row) const {
        return weights_[static_cast<std::size_t>(sample) * rows_ + static_cast<std::size_t>(row)] == 0;
    }
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
