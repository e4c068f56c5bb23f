#include <gacc/kernels/column_strips.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace column_strips_test {

using gacc::Index;
using gacc::Matrix;

TEST_CASE_TEMPLATE("for_strips: every column once, and none behind the last", Scalar, float, double) {
    constexpr Index most = 5 * gacc::detail::Simd<Scalar>::lanes + 1;
    for (Index cols = 0; cols <= most; ++cols) {
        std::vector<Scalar> from(most, Scalar(2)), to(most, Scalar(-1));
        gacc::detail::for_strips<Scalar>(cols, [&](const auto& strip) { strip.store(to.data(), strip.load(from.data())); });
        for (Index i = 0; i < most; ++i) { REQUIRE(to[static_cast<std::size_t>(i)] == (i < cols ? 2 : -1)); }
    }
}

TEST_CASE_TEMPLATE("add_column_sums: one chain for each column, from the sums so far", Scalar, float, double) {
    for (const Index cols : {1, 5, 8, 16, 21, 37}) {
        const Matrix<Scalar> rows = Matrix<Scalar>::Random(13, cols), start = Matrix<Scalar>::Random(1, cols);
        Matrix<Scalar> expected = start, sums = start, of_parts = start;
        for (Index row = 0; row < rows.rows(); ++row) { expected += rows.row(row); }
        gacc::detail::add_column_sums<Scalar>(rows, sums.data());
        gacc::detail::add_column_sums<Scalar>(rows.topRows(6), of_parts.data());
        gacc::detail::add_column_sums<Scalar>(rows.bottomRows(7), of_parts.data());
        CHECK(sums == expected);
        CHECK(of_parts == expected);
    }
}

TEST_CASE_TEMPLATE("strip_sums: four chains of rows, which are added in pairs", Scalar, float, double) {
    for (const Index cols : {3, 16, 40}) {
        for (const Index rows : {0, 1, 3, 4, 9, 31}) {
            const Matrix<Scalar> x = Matrix<Scalar>::Random(rows, cols);
            Matrix<Scalar> chains = Matrix<Scalar>::Zero(4, cols), sums(2, cols);
            for (Index row = 0; row < rows; ++row) { chains.row(row % 4) += x.row(row); }
            const Matrix<Scalar> expected = (chains.row(0) + chains.row(1)) + (chains.row(2) + chains.row(3));
            gacc::detail::for_strips<Scalar>(cols, [&](const auto& strip) {
                const auto add = [&](Index row, auto& both) {
                    const auto here = strip.load(x.data() + row * cols);
                    for (std::size_t i = 0; i < here.size(); ++i) {
                        both[0][i] = gacc::detail::plus(both[0][i], here[i]);
                        both[1][i] = gacc::detail::minus(both[1][i], here[i]);
                    }
                };
                const auto both = gacc::detail::strip_sums<2>(strip, rows, add);
                strip.store(sums.data(), both[0]);
                strip.store(sums.data() + cols, both[1]);
            });
            CHECK(sums.row(0) == expected);
            CHECK(sums.row(1) == -expected);
        }
    }
}

}  // namespace column_strips_test
