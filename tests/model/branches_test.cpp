#include <gacc/model/branches.hpp>

#include <gacc/layers/linear.hpp>

#include <doctest/doctest.h>

#include <cstddef>

namespace branches_test {

using gacc::ConstMatrixView;
using gacc::Matrix;
using gacc::MatrixView;

namespace {

using gacc::detail::hand_on;
using gacc::detail::write_sum;

/// 3 x 4: 1, 2, ...
Matrix<float> numbers() { return Matrix<float>{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}; }

MatrixView<float> view(Matrix<float>& of) { return {of.data(), of.rows(), of.cols(), Eigen::OuterStride<>(of.cols())}; }
/// Its first two columns, whose rows lie apart.
MatrixView<float> part(Matrix<float>& of) { return {of.data(), of.rows(), 2, Eigen::OuterStride<>(of.cols())}; }

}  // namespace

TEST_CASE("write_sum: rows that lie together, and rows that lie apart") {
    Matrix<float> a = numbers(), b = 10 * numbers(), sum = Matrix<float>::Zero(3, 4);
    MatrixView<float> all = view(sum);
    write_sum<float>(a, b, all);
    CHECK(sum == 11 * numbers());

    Matrix<float> two = Matrix<float>::Zero(3, 2);
    MatrixView<float> to = view(two);
    write_sum<float>(part(a), part(b), to);
    CHECK(two == 11 * numbers().leftCols(2));

    sum.setZero();
    MatrixView<float> left = part(sum);
    write_sum<float>(part(a), two, left);
    CHECK(sum.leftCols(2) == 12 * numbers().leftCols(2));
    CHECK(sum.rightCols(2).isZero(0));
}

TEST_CASE("hand_on: writes a gradient, or adds it to what is there") {
    Matrix<float> from = numbers(), to = Matrix<float>::Constant(3, 4, 100);
    hand_on<float>(part(from), part(to), true);
    CHECK(to.leftCols(2) == (numbers().leftCols(2).array() + 100).matrix());
    CHECK(to.rightCols(2) == Matrix<float>::Constant(3, 2, 100));
    hand_on<float>(part(from), part(to), false);
    CHECK(to.leftCols(2) == numbers().leftCols(2));
}

TEST_CASE("first_column: of each part of a concat") {
    gacc::Linear wide(4, 5);
    gacc::detail::Graph<float> graph;
    graph.set_input({4});
    const std::size_t x = graph.apply(wide, 0);
    graph.concat({0, x, 0});
    const auto& concat = graph.operations().back();
    CHECK(first_column(graph, concat, 0) == 0);
    CHECK(first_column(graph, concat, 1) == 4);
    CHECK(first_column(graph, concat, 2) == 9);
}

}  // namespace branches_test
