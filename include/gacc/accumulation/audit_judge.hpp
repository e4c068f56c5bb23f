#pragma once

#include <gacc/accumulation/audit_run.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <limits>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Finds the likely reason, in words, why numbers of a batch uncut and cut into micro-batches differ.
template <class Scalar>
class AuditJudge {
public:
    AuditJudge(Index samples, const Cut& cut) : samples_(samples), cut_(cut) {}

    /// Whether the bytes are the same.
    static bool same(const Matrix<Scalar>& a, const Matrix<Scalar>& b) { return compare("", a, b).same; }

    /// The cause for rows of samples, which should not depend on each other. `what` is their name: "outputs".
    ///
    /// Shapes     uncut, cut  one or more rows for each sample x any
    std::string cause_in_rows(const std::string& what, const Matrix<Scalar>& uncut, const Matrix<Scalar>& cut) const {
        Matrix<Scalar> shares = cut;
        const Index rows = cut.rows() / samples_;
        for_each_part(cut_, [&](Index first, Index count, std::size_t) {
            shares.middleRows(first * rows, count * rows) *= share(count);
        });
        const Matrix<Scalar> magnitude = uncut.cwiseAbs();
        if (near(uncut, cut, magnitude, uncut.cols())) {
            return "its " + what + " are rounded in another way in another micro-batch";
        }
        if (near(uncut, shares, magnitude, uncut.cols() + 4)) {
            return "its " + what + " are divided by the samples of the micro-batch; leave them undivided";
        }
        return "its " + what + " of a sample depend on the other samples of the micro-batch, or on the order of calls";
    }

    /// The cause for the gradient of a parameter, which should be a sum over samples. `parts` are the gradients of each
    /// micro-batch alone.
    std::string cause_in_sum(const std::string& parameter, const Matrix<Scalar>& uncut, const Matrix<Scalar>& cut,
                             const std::vector<Matrix<Scalar>>& parts) const {
        const std::string what = "its gradient of " + parameter;
        Matrix<Scalar> sum = Matrix<Scalar>::Zero(cut.rows(), cut.cols()), shares = sum, magnitude = sum;
        for_each_part(cut_, [&](Index, Index count, std::size_t i) {
            sum += parts[i];
            shares += parts[i] * share(count);
            magnitude += parts[i].cwiseAbs();
        });
        if (near(uncut, cut, magnitude, samples_)) {
            return what +
                   (same(sum, cut) ? " starts a sum at zero for every micro-batch and adds that"
                                   : " is summed in an order that the cut changes") +
                   ": the same but for rounding; add sample by sample to what is there";
        }
        if (same(parts.back(), cut)) {
            return what + " is written and not added: it is that of the last micro-batch alone (= for +=)";
        }
        if (near(uncut, shares, magnitude, samples_)) {
            return what + text(" is divided by the samples of the micro-batch, and so about ", cut_.size(),
                               " times as large; leave it undivided");
        }
        return what + " is no sum over samples: it depends on which of them are in a micro-batch";
    }

private:
    Scalar share(Index count) const { return static_cast<Scalar>(count) / static_cast<Scalar>(samples_); }

    /// Whether rounding alone, in sums of this many terms of these magnitudes, can explain the difference.
    static bool near(const Matrix<Scalar>& a, const Matrix<Scalar>& b, const Matrix<Scalar>& magnitude, Index terms) {
        const Scalar most = static_cast<Scalar>(terms) * std::numeric_limits<Scalar>::epsilon() * magnitude.maxCoeff();
        return (a - b).cwiseAbs().maxCoeff() <= most;
    }

    Index samples_;
    const Cut& cut_;
};

}  // namespace gacc::detail
