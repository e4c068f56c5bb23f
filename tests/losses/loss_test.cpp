#include <gacc/losses/loss.hpp>

#include <doctest/doctest.h>

namespace loss_test {

TEST_CASE("LossValue: its mean is the sum over the weight") {
    gacc::LossValue<float> value;
    value.sum = 6;
    value.weight = 4;
    CHECK(value.mean() == 1.5);
}

TEST_CASE("LossValue: the mean of nothing is 0") { CHECK(gacc::LossValue<float>().mean() == 0); }

TEST_CASE("LossGradient: is a mean over samples if nothing else is said") {
    const gacc::Matrix<float> grad{{1, 2}};
    const gacc::LossGradient<float> gradient{grad, {}};
    CHECK(gradient.reduction == gacc::Reduction::mean_over_samples);
}

}  // namespace loss_test
