#include <gacc/losses/binary_cross_entropy.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace binary_cross_entropy_test {

using gacc::BinaryCrossEntropy;
using gacc::Matrix;

TEST_CASE_TEMPLATE("BinaryCrossEntropy: an example worked by hand", Scalar, float, double) {
    BinaryCrossEntropy<Scalar> loss;
    const Scalar log3 = std::log(Scalar(3));  // sigmoid(log 3) = 3/4, sigmoid(-log 3) = 1/4
    const Matrix<Scalar> logits{{log3, -log3}, {0, log3}}, targets{{1, 1}, {0, 0.5}};
    const auto value = loss.forward(logits, targets);
    const double rounding = 4 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    CHECK(std::abs(value.losses[0] - (std::log(4 / 3.0) + std::log(4.0)) / 2) < rounding);
    CHECK(std::abs(value.losses[1] - (std::log(2.0) + std::log(4 / 3.0) / 2 + std::log(4.0) / 2) / 2) < rounding);
    const Matrix<double> expected{{-1 / 8.0, -3 / 8.0}, {1 / 4.0, 1 / 8.0}};  // (sigmoid - target) / 2
    CHECK((loss.backward().grad.template cast<double>() - expected).cwiseAbs().maxCoeff() < rounding);
}

TEST_CASE_TEMPLATE("BinaryCrossEntropy: logits of ±1e4 give exact results", Scalar, float, double) {
    BinaryCrossEntropy<Scalar> loss;
    const Matrix<Scalar> logits{{1e4}, {1e4}, {-1e4}, {-1e4}}, targets{{1}, {0}, {1}, {0}};
    const auto value = loss.forward(logits, targets);
    CHECK(std::vector<Scalar>(value.losses.begin(), value.losses.end()) == std::vector<Scalar>{0, 1e4, 1e4, 0});
    CHECK(loss.backward().grad == Matrix<Scalar>{{0}, {1}, {-1}, {0}});
}

TEST_CASE("BinaryCrossEntropy: a float that is nearly sure keeps its small loss and gradient") {
    BinaryCrossEntropy loss;
    const Matrix<float> logits{{20}, {-20}}, targets{{1}, {0}};
    const double e = std::exp(-20.0);  // sigmoid(20) is 1 in float, so that 1 - sigmoid would be 0
    const auto value = loss.forward(logits, targets);
    CHECK(std::abs(value.losses[0] - e) < 1e-6 * e);
    CHECK(std::abs(value.losses[1] - e) < 1e-6 * e);
    const Matrix<float> grad = loss.backward().grad;
    CHECK(std::abs(grad(0, 0) + e) < 1e-6 * e);
    CHECK(std::abs(grad(1, 0) - e) < 1e-6 * e);
}

TEST_CASE("BinaryCrossEntropy: no gradient is a denormal number") {
    BinaryCrossEntropy loss;
    const Matrix<float> logits{{-100}}, targets{{0}};  // exp(-100) is 3.7e-44
    loss.forward(logits, targets);
    CHECK(loss.backward().grad(0, 0) == 0);
}

TEST_CASE("BinaryCrossEntropy: a target that is no probability is refused") {
    BinaryCrossEntropy loss;
    const Matrix<float> logits{{0, 0}};
    CHECK_THROWS_WITH_AS(loss.forward(logits, Matrix<float>{{1, 1.5}}),
                         "gacc: BinaryCrossEntropy: expected targets from 0 to 1, got 1.5 for output 1 of sample 0 of "
                         "the micro-batch",
                         gacc::UsageError);
    CHECK_THROWS_AS(loss.forward(logits, Matrix<float>{{-0.1F, 1}}), gacc::UsageError);
}

}  // namespace binary_cross_entropy_test
