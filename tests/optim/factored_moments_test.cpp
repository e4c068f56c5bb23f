#include <gacc/optim/factored_moments.hpp>

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>
#include <gacc/core/view.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace factored_moments_test {

using gacc::Buffer;
using gacc::Index;
using gacc::Matrix;
using gacc::detail::FactoredMatrix;
using Panels = gacc::detail::Panels<double>;

namespace {

/// A matrix with given moments, values and gradients.
struct Subject {
    Subject(Index rows, Index cols)
        : value(Panels::size(rows, cols)), grad(value.size()), row_moments(Panels::size(rows, 1)), col_moments(cols),
          col_roots(cols), sums(Panels::count(rows)) {
        gacc::Rng rng(1);
        values = gacc::test::random_matrix<double>(rng, rows, cols);
        grads = gacc::test::random_matrix<double>(rng, rows, cols);
        before_rows = gacc::test::random_matrix<double>(rng, rows, 1, 0.1, 1);
        before_cols = gacc::test::random_matrix<double>(rng, cols, 1, 0.1, 1);
        Panels::pack(values, value.data());
        Panels::pack(grads, grad.data());
        std::copy_n(before_rows.data(), rows, row_moments.data());
        std::copy_n(before_cols.data(), cols, col_moments.data());
        matrix = {.rows = rows, .cols = cols, .value = value.data(), .grad = grad.data(),
                  .row_moments = row_moments.data(), .col_moments = col_moments.data(), .col_roots = col_roots.data(),
                  .sums = sums.data()};
    }
    Buffer<double> value, grad, row_moments, col_moments, col_roots, sums;
    Matrix<double> values, grads, before_rows, before_cols;
    FactoredMatrix<double> matrix{};
};

}  // namespace

TEST_CASE("FactoredMatrix: moments, sizes and values of matrices of many sizes") {
    const gacc::detail::AdafactorStep<double> step{.scale = 0.5, .rest = 0.25, .epsilon = 0.4, .decay = 0.125};
    for (const Index rows : {1, 2, 7, 8, 9, 33}) {
        for (const Index cols : {1, 7, 8, 9, 40}) {
            CAPTURE(rows);
            CAPTURE(cols);
            Subject subject(rows, cols);
            const FactoredMatrix<double>& matrix = subject.matrix;
            matrix.update_moments(step);
            const Matrix<double> g = 0.5 * subject.grads, squares = g.cwiseAbs2();
            const Matrix<double> r = 0.75 * subject.before_rows + 0.25 * Matrix<double>(squares.rowwise().mean());
            const Matrix<double> c =
                0.75 * subject.before_cols + 0.25 * Matrix<double>(squares.colwise().mean().transpose());
            for (Index i = 0; i < rows; ++i) { CHECK(subject.row_moments[i] == doctest::Approx(r(i, 0)).epsilon(1e-14)); }
            for (Index i = rows; i < subject.row_moments.size(); ++i) { CHECK(subject.row_moments[i] == 0); }
            for (Index i = 0; i < cols; ++i) { CHECK(subject.col_moments[i] == doctest::Approx(c(i, 0)).epsilon(1e-14)); }

            const Matrix<double> v = r * c.transpose() / std::max(r.mean(), 0.4);
            const Matrix<double> u = g.cwiseQuotient(v.cwiseSqrt().cwiseMax(0.4));
            const auto count = static_cast<double>(rows * cols);
            CHECK(matrix.update_size(step) == doctest::Approx(u.norm() / std::sqrt(count)).epsilon(1e-14));
            CHECK(matrix.value_size() == doctest::Approx(subject.values.norm() / std::sqrt(count)).epsilon(1e-14));
            matrix.update_values(step, 0.375);
            const Matrix<double> expected = 0.875 * subject.values - 0.375 * u;
            CHECK((Panels::unpack(subject.value.data(), rows, cols) - expected).cwiseAbs().maxCoeff() < 1e-14);
        }
    }
}

TEST_CASE("FactoredMatrix: a vector has a moment for each element") {
    const gacc::detail::AdafactorStep<double> step{.scale = 1, .rest = 0.25, .epsilon = 1e-9, .decay = 0};
    Subject subject(11, 1);
    subject.matrix.col_moments = nullptr;
    subject.matrix.update_moments(step);
    subject.matrix.update_values(step, 0.5);
    for (Index i = 0; i < 11; ++i) {
        const double g = subject.grads(i, 0), v = 0.75 * subject.before_rows(i, 0) + 0.25 * g * g;
        CHECK(subject.row_moments[i] == doctest::Approx(v).epsilon(1e-14));
        CHECK(subject.value[i] == doctest::Approx(subject.values(i, 0) - 0.5 * g / std::sqrt(v)).epsilon(1e-13));
    }
}

}  // namespace factored_moments_test
