#include <gacc/kernels/depthwise.hpp>

#include "support/convolutions.hpp"

#include <doctest/doctest.h>

namespace depthwise_test {

TEST_CASE_TEMPLATE("Depthwise: every element of y and grad_x is one chain of multiply-adds in order", Scalar, float,
                   double) {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 300; ++trial) {
        gacc::set_threads(1 + trial % 4);
        gacc::test::check_convolution<gacc::detail::Depthwise, Scalar>(rng, true);
    }
    gacc::set_threads(0);
}

TEST_CASE_TEMPLATE("DepthwiseWeights: every element is one chain over samples and pixels, from the buffer on", Scalar,
                   float, double) {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 300; ++trial) {
        gacc::set_threads(1 + trial % 4);
        gacc::test::check_weights<gacc::detail::DepthwiseWeights, Scalar>(rng, true);
    }
    gacc::set_threads(0);
}

}  // namespace depthwise_test
