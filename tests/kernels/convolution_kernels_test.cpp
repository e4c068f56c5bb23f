#include <gacc/kernels/convolution_kernels.hpp>

#include "support/convolutions.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace convolution_kernels_test {

using gacc::Index;
using gacc::test::RandomConvolution;

TEST_CASE_TEMPLATE("ConvolutionKernels: packed panels of any group hold its kernels, and zeros", Scalar, float, double) {
    constexpr Index width = gacc::detail::Simd<Scalar>::panel_width;
    gacc::Rng rng(1);
    for (int trial = 0; trial < 50; ++trial) {
        const RandomConvolution<Scalar> c(rng, false);
        const auto kernels = c.kernels();
        for (Index group = 0; group < c.groups; ++group) {
            for (Index p = 0; p * width < c.out; ++p) {
                gacc::Buffer<Scalar> panel(c.depth() * width);
                std::ranges::fill(panel.span(), Scalar(77));
                kernels.pack(group, p, panel.data());
                for (Index k = 0; k < c.depth(); ++k) {
                    for (Index j = 0; j < width; ++j) {
                        const Index channel = p * width + j;
                        REQUIRE(panel[k * width + j] ==
                                (channel < c.out ? c.weight(group * c.out + channel, k) : Scalar(0)));
                    }
                }
            }
            const auto y = c.rows.gradient(0), x = c.columns.gradient(0);
            for (Index p = 0; p * width < c.in; ++p) {
                gacc::Buffer<Scalar> panel(y.taps * x.taps * c.out * width);
                std::ranges::fill(panel.span(), Scalar(77));
                kernels.pack_transposed(group, p, y, x, panel.data());
                const Scalar* at = panel.data();
                for (Index i = 0; i < y.taps; ++i) {
                    for (Index j = 0; j < x.taps; ++j) {
                        const Index tap =
                            (y.index + i * y.index_step) * c.columns.kernel + x.index + j * x.index_step;
                        for (Index k = 0; k < c.out; ++k) {
                            for (Index channel = p * width; channel < (p + 1) * width; ++channel) {
                                REQUIRE(*at++ == (channel < c.in ? c.weight(group * c.out + k, tap * c.in + channel)
                                                                 : Scalar(0)));
                            }
                        }
                    }
                }
            }
        }
    }
}

}  // namespace convolution_kernels_test
