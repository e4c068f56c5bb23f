#include <gacc/core/view.hpp>

#include <doctest/doctest.h>

#include <type_traits>

namespace view_test {

using gacc::ConstMatrixView;
using gacc::Matrix;
using gacc::MatrixView;

namespace {

/// 3 x 4: row r is 10 r, 10 r + 1, ...
Matrix<float> numbers() { return Matrix<float>{{0, 1, 2, 3}, {10, 11, 12, 13}, {20, 21, 22, 23}}; }

}  // namespace

TEST_CASE("ConstMatrixView: shows a matrix without a copy") {
    const Matrix<float> matrix = numbers();
    const ConstMatrixView<float> view = matrix;
    CHECK(view.data() == matrix.data());
    CHECK(view == matrix);
}

TEST_CASE("ConstMatrixView: shows some rows of a matrix") {
    const Matrix<float> matrix = numbers();
    const ConstMatrixView<float> view = matrix.middleRows(1, 2);
    CHECK(view.data() == matrix.row(1).data());
    CHECK(view == Matrix<float>{{10, 11, 12, 13}, {20, 21, 22, 23}});
}

TEST_CASE("ConstMatrixView: rows may lie apart") {
    const Matrix<float> matrix = numbers();
    const ConstMatrixView<float> view = matrix.middleCols(1, 2);
    CHECK(view.outerStride() == 4);
    CHECK(view == Matrix<float>{{1, 2}, {11, 12}, {21, 22}});
}

TEST_CASE("some_rows: a view of rows that lie apart, for writing") {
    Matrix<float> matrix = numbers();
    auto rows = gacc::detail::some_rows(MatrixView<float>(matrix.data(), 3, 2, Eigen::OuterStride<>(4)), 1, 2);
    CHECK(rows == Matrix<float>{{10, 11}, {20, 21}});
    rows.setZero();
    CHECK(matrix == Matrix<float>{{0, 1, 2, 3}, {0, 0, 12, 13}, {0, 0, 22, 23}});
}

TEST_CASE("ConstMatrixView: shows plain memory, with and without a stride") {
    const float memory[] = {0, 1, 2, 3, 4, 5};
    CHECK(ConstMatrixView<float>(memory, 2, 3) == Matrix<float>{{0, 1, 2}, {3, 4, 5}});
    CHECK(ConstMatrixView<float>(memory, 2, 2, 3) == Matrix<float>{{0, 1}, {3, 4}});
}

TEST_CASE("ConstMatrixView: shows a map, a vector of one row and another view") {
    Matrix<float> matrix = numbers();
    const MatrixView<float> map(matrix.data(), 3, 2, Eigen::OuterStride<>(4));
    CHECK(ConstMatrixView<float>(map) == Matrix<float>{{0, 1}, {10, 11}, {20, 21}});

    const Eigen::RowVectorXf row = matrix.row(2);
    const ConstMatrixView<float> view = row;
    CHECK(view == Matrix<float>{{20, 21, 22, 23}});

    const ConstMatrixView<float> copy = view;
    CHECK(copy.data() == row.data());
}

TEST_CASE("ConstMatrixView: shows what the matrix becomes later") {
    Matrix<float> matrix = numbers();
    const ConstMatrixView<float> view = matrix;
    matrix(2, 3) = 99;
    CHECK(view(2, 3) == 99);
}

TEST_CASE("ConstMatrixView: a temporary matrix is refused, one that stays is not") {
    CHECK(std::is_convertible_v<const Matrix<float>&, ConstMatrixView<float>>);
    CHECK(std::is_convertible_v<Matrix<float>&, ConstMatrixView<float>>);
    CHECK_FALSE(std::is_constructible_v<ConstMatrixView<float>, Matrix<float>>);
}

TEST_CASE("ConstMatrixView: numbers can be read, not written") {
    CHECK_FALSE(std::is_assignable_v<decltype((std::declval<ConstMatrixView<float>&>()(0, 0))), float>);
    CHECK(std::is_assignable_v<decltype((std::declval<MatrixView<float>&>()(0, 0))), float>);
}

TEST_CASE("MatrixView: writes to the rows it shows and to nothing between them") {
    Matrix<float> matrix = Matrix<float>::Zero(2, 3);
    MatrixView<float>(matrix.data(), 2, 2, Eigen::OuterStride<>(3)).setOnes();
    CHECK(matrix == Matrix<float>{{1, 1, 0}, {1, 1, 0}});
}

// tests/messages tests that a column-major matrix does not compile, and the compiler's message.
TEST_CASE("ConstMatrixView: refuses what would not live or has other numbers, and takes their twins") {
    using View = ConstMatrixView<float>;
    CHECK(std::is_constructible_v<View, Matrix<float>&>);
    CHECK(!std::is_constructible_v<View, Matrix<float>>);
    CHECK(!std::is_constructible_v<View, const Matrix<float>>);
    CHECK(std::is_constructible_v<View, Eigen::RowVectorXf&>);
    CHECK(!std::is_constructible_v<View, Eigen::RowVectorXf>);
    CHECK(!std::is_constructible_v<View, Matrix<double>&>);
    CHECK(!std::is_constructible_v<View, Eigen::MatrixXd&>);
}

}  // namespace view_test
