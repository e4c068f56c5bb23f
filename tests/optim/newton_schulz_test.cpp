#include <gacc/optim/newton_schulz.hpp>

#include <gacc/core/buffer.hpp>
#include <gacc/core/parallel.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace newton_schulz_test {

using gacc::Buffer;
using gacc::Index;
using gacc::Matrix;
using gacc::detail::NewtonSchulz;

namespace {

/// Memory that holds numbers of another matrix.
template <class Scalar>
Matrix<Scalar> orthogonal(const Matrix<Scalar>& matrix, double epsilon = 1e-7) {
    const Index rows = matrix.rows(), cols = matrix.cols();
    Buffer<Scalar> memory(NewtonSchulz<Scalar>::numbers(rows, cols));
    Buffer<double> sums(rows);
    std::ranges::fill(memory.span(), Scalar(1e3));
    NewtonSchulz<Scalar> newton(rows, cols, memory.data(), sums.data());
    std::fill_n(newton.x(), rows * newton.stride(), Scalar(0));
    for (Index r = 0; r < rows; ++r) { std::copy_n(matrix.data() + r * cols, cols, newton.x() + r * newton.stride()); }
    newton.run(epsilon);
    Matrix<Scalar> result(rows, cols);
    for (Index r = 0; r < rows; ++r) {
        std::copy_n(newton.x() + r * newton.stride(), cols, result.data() + r * cols);
        for (Index c = cols; c < newton.stride(); ++c) { CHECK(newton.x()[r * newton.stride() + c] == 0); }
    }
    return result;
}

/// Where five steps of 3.4445 s - 4.7750 s³ + 2.0315 s⁵ take a singular value.
double moved(double s) {
    for (int i = 0; i < 5; ++i) { s = 3.4445 * s - 4.7750 * std::pow(s, 3) + 2.0315 * std::pow(s, 5); }
    return s;
}

}  // namespace

TEST_CASE("NewtonSchulz: the polynomial on the singular values, by hand") {
    // 3 and 4 on the diagonal: 0.6 and 0.8 of the norm
    const Matrix<double> result = orthogonal<double>(Matrix<double>{{3, 0}, {0, 4}});
    CHECK(result(0, 0) == doctest::Approx(moved(0.6)).epsilon(1e-14));
    CHECK(result(1, 1) == doctest::Approx(moved(0.8)).epsilon(1e-14));
    CHECK(std::abs(result(0, 1)) < 1e-15);
    CHECK(moved(0.6) > 0.6);
    CHECK(moved(0.6) < 1.3);
}

TEST_CASE("NewtonSchulz: matrices of many sizes keep their singular vectors") {
    gacc::Rng rng(1);
    for (const Index rows : {1, 2, 7, 8, 9, 17, 40}) {
        for (const Index cols : {1, 3, 8, 15, 40, 130}) {
            CAPTURE(rows);
            CAPTURE(cols);
            const Matrix<double> matrix = gacc::test::random_matrix<double>(rng, rows, cols);
            Matrix<double> expected = matrix / matrix.norm();
            for (int i = 0; i < 5; ++i) {
                const Matrix<double> gram = expected * expected.transpose();
                expected = Matrix<double>(3.4445 * expected + (-4.7750 * gram + 2.0315 * gram * gram) * expected);
            }
            CHECK((orthogonal(matrix) - expected).cwiseAbs().maxCoeff() < 1e-12);  // singular values grow 500 times
            const Matrix<float> narrow = matrix.cast<float>();
            CHECK((orthogonal(narrow).cast<double>() - expected).cwiseAbs().maxCoeff() < 1e-3);
        }
    }
}

TEST_CASE("NewtonSchulz: the threads change no bit") {
    gacc::Rng rng(1);
    for (const auto& [rows, cols] : {std::pair<Index, Index>{130, 75}, {75, 130}}) {
        const Matrix<float> matrix = gacc::test::random_matrix<float>(rng, rows, cols);
        gacc::set_threads(1);
        const Matrix<float> expected = orthogonal(matrix);
        for (const int threads : {2, 3, 4}) {
            gacc::set_threads(threads);
            CHECK((orthogonal(matrix).array() == expected.array()).all());
        }
        gacc::set_threads(0);
    }
}

TEST_CASE("NewtonSchulz: a norm below epsilon, zeros and NaN") {
    CHECK((orthogonal<float>(Matrix<float>::Zero(3, 5), 0).array() == 0).all());
    const Matrix<double> tiny = orthogonal<double>(Matrix<double>{{1e-9, 0}}, 1e-7);
    CHECK(tiny(0, 0) == doctest::Approx(moved(1e-2)).epsilon(1e-14));
    CHECK(orthogonal<float>(Matrix<float>{{1e-30F, 0}}, 0)(0, 0) == doctest::Approx(moved(1)).epsilon(1e-5));
    CHECK(std::isnan(orthogonal<float>(Matrix<float>{{std::numeric_limits<float>::quiet_NaN(), 1}})(0, 1)));
}

}  // namespace newton_schulz_test
