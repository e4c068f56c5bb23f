#include <gacc/losses/mean_squared_error.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

namespace mean_squared_error_test {

using gacc::Matrix;
using gacc::MeanSquaredError;

TEST_CASE_TEMPLATE("MeanSquaredError: an example worked by hand", Scalar, float, double) {
    MeanSquaredError<Scalar> loss;
    const Matrix<Scalar> outputs{{1, 2}, {0, -1}}, targets{{3, 2}, {1, 2}};  // differences -2, 0; -1, -3
    const auto value = loss.forward(outputs, targets);
    CHECK(value.losses[0] == 2);  // (4 + 0) / 2
    CHECK(value.losses[1] == 5);  // (1 + 9) / 2
    CHECK(value.sum == 7);
    CHECK(value.weight == 2);
    CHECK(value.mean() == 3.5);                                        // 14 / 4, the mean over all numbers
    CHECK(loss.backward().grad == Matrix<Scalar>{{-2, 0}, {-1, -3}});  // 2 d / 2
}

TEST_CASE("MeanSquaredError: of one output is the squared difference") {
    MeanSquaredError loss;
    const Matrix<float> outputs{{5}}, targets{{2}};
    CHECK(loss.forward(outputs, targets).sum == 9);
    CHECK(loss.backward().grad(0, 0) == 6);
}

TEST_CASE("MeanSquaredError: a weight near the largest float does not make 0 * infinity") {
    MeanSquaredError loss;
    const Matrix<float> outputs{{5, 1}}, targets{{5, 1}};
    loss.forward(outputs, targets, std::vector<float>{3e38F});
    CHECK(loss.backward().grad == Matrix<float>{{0, 0}});
}

}  // namespace mean_squared_error_test
