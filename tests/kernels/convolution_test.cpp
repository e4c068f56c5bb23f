#include <gacc/kernels/convolution.hpp>

#include "support/convolutions.hpp"

#include <doctest/doctest.h>

namespace convolution_test {

TEST_CASE_TEMPLATE("Convolution: every element of y and grad_x is one chain of multiply-adds in order", Scalar, float,
                   double) {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 300; ++trial) {
        gacc::set_threads(1 + trial % 4);
        gacc::test::check_convolution<gacc::detail::Convolution, Scalar>(rng, false);
    }
    gacc::set_threads(0);
}

}  // namespace convolution_test
