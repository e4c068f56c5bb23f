#include <gacc/accumulation/audit_judge.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace audit_judge_test {

using gacc::Matrix;
using Judge = gacc::detail::AuditJudge<double>;

// Four samples, cut into three and one: a division by the samples of the micro-batch shows.
const gacc::detail::Cut cut{3, 1};
const Judge judge(4, cut);

TEST_CASE("AuditJudge: why rows of samples differ") {
    const Matrix<double> uncut{{3}, {5}, {6}, {7}};
    CHECK(judge.cause_in_rows("outputs", uncut, Matrix<double>{{3}, {5}, {6 + 4e-16}, {7 + 9e-16}}) ==
          "its outputs are rounded in another way in another micro-batch");
    // of 3 and of 1 instead of 4
    CHECK(judge.cause_in_rows("outputs", uncut, Matrix<double>{{4}, {20.0 / 3}, {8}, {28}}) ==
          "its outputs are divided by the samples of the micro-batch; leave them undivided");
    CHECK(judge.cause_in_rows("grad_x", uncut, Matrix<double>{{3}, {5}, {6}, {8}}) ==
          "its grad_x of a sample depend on the other samples of the micro-batch, or on the order of calls");
}

TEST_CASE("AuditJudge: why sums over samples differ") {
    const Matrix<double> uncut{{1, 3}};
    const std::vector<Matrix<double>> parts{Matrix<double>{{0.75, 2}}, Matrix<double>{{0.25 + 2e-16, 1}}};
    CHECK(judge.cause_in_sum("weight", uncut, parts[0] + parts[1], parts) ==
          "its gradient of weight starts a sum at zero for every micro-batch and adds that: the same but for rounding; "
          "add sample by sample to what is there");
    CHECK(judge.cause_in_sum("weight", uncut, Matrix<double>{{1 - 2e-16, 3}}, parts) ==
          "its gradient of weight is summed in an order that the cut changes: the same but for rounding; add sample by "
          "sample to what is there");
    CHECK(judge.cause_in_sum("bias", uncut, parts[1], parts) ==
          "its gradient of bias is written and not added: it is that of the last micro-batch alone (= for +=)");
    // Means of 3 and of 1 samples; their sum, weighted by 3/4 and 1/4, is uncut.
    const std::vector<Matrix<double>> means{Matrix<double>{{1, 2}}, Matrix<double>{{1, 6}}};
    CHECK(judge.cause_in_sum("weight", uncut, means[0] + means[1], means) ==
          "its gradient of weight is divided by the samples of the micro-batch, and so about 2 times as large; leave it "
          "undivided");
    CHECK(judge.cause_in_sum("weight", uncut, Matrix<double>{{9, 9}}, parts) ==
          "its gradient of weight is no sum over samples: it depends on which of them are in a micro-batch");
}

TEST_CASE("AuditJudge: the same means the same bytes") {
    CHECK(Judge::same(Matrix<double>{{1, 2}}, Matrix<double>{{1, 2}}));
    CHECK_FALSE(Judge::same(Matrix<double>{{0.0}}, Matrix<double>{{-0.0}}));
}

}  // namespace audit_judge_test
