#include <gacc/kernels/convolution_weights.hpp>

#include "support/convolutions.hpp"

#include <doctest/doctest.h>

namespace convolution_weights_test {

TEST_CASE_TEMPLATE("ConvolutionWeights: every element is one chain over samples and pixels, from the buffer on", Scalar,
                   float, double) {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 300; ++trial) {
        gacc::set_threads(1 + trial % 4);
        gacc::test::check_weights<gacc::detail::ConvolutionWeights, Scalar>(rng, false);
    }
    gacc::set_threads(0);
}

}  // namespace convolution_weights_test
