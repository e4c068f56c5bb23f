#include <gacc/losses/huber.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

namespace huber_test {

using gacc::Huber;
using gacc::Matrix;

TEST_CASE_TEMPLATE("Huber: an example worked by hand, on both sides of delta and at it", Scalar, float, double) {
    Huber<Scalar> loss({.delta = 2});
    // differences 1, -2, 3, -6: losses 1/2, 2, 2 (3 - 1) = 4, 2 (6 - 1) = 10
    const Matrix<Scalar> outputs{{1, 0, 3, -1}}, targets{{0, 2, 0, 5}};
    const auto value = loss.forward(outputs, targets);
    CHECK(value.sum == 16.5 / 4);
    CHECK(loss.backward().grad == Matrix<Scalar>{{0.25, -0.5, 0.5, -0.5}});
}

TEST_CASE("Huber: delta is 1 if nothing is said") {
    Huber loss;
    const Matrix<float> outputs{{3}}, targets{{0}};
    CHECK(loss.forward(outputs, targets).sum == 2.5);
    CHECK(loss.backward().grad(0, 0) == 1);
}

TEST_CASE("Huber: an infinite output pulls with delta") {
    Huber loss;
    const Matrix<float> outputs{{-std::numeric_limits<float>::infinity()}}, targets{{0}};
    CHECK(loss.forward(outputs, targets).sum == std::numeric_limits<double>::infinity());
    CHECK(loss.backward().grad(0, 0) == -1);
}

TEST_CASE("Huber: a delta that is not positive, or no float, is refused") {
    CHECK_THROWS_WITH_AS(Huber<float>({.delta = 0}),
                         "gacc: Huber: expected a delta of more than 0, in the range of float, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(Huber<float>({.delta = 1e39}),
                         "gacc: Huber: expected a delta of more than 0, in the range of float, got 1e+39",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(Huber<double>({.delta = -1}),
                         "gacc: Huber: expected a delta of more than 0, in the range of double, got -1",
                         gacc::UsageError);
    CHECK_THROWS_AS(Huber<double>({.delta = std::numeric_limits<double>::quiet_NaN()}), gacc::UsageError);
    CHECK_THROWS_AS(Huber<float>({.delta = 1e-40}), gacc::UsageError);
    CHECK_NOTHROW(Huber<double>({.delta = 1e39}));
}

}  // namespace huber_test
