#include <gacc/kernels/convolution_axis.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <tuple>
#include <vector>

namespace convolution_axis_test {

using gacc::Index;
using gacc::detail::ConvolutionAxis;
using gacc::detail::Taps;

TEST_CASE("ConvolutionAxis: counts the outputs as PyTorch does") {
    CHECK(ConvolutionAxis{28, 3, 1, 0, 1}.outputs() == 26);
    CHECK(ConvolutionAxis{32, 3, 1, 1, 1}.outputs() == 32);
    CHECK(ConvolutionAxis{32, 3, 2, 1, 1}.outputs() == 16);
    CHECK(ConvolutionAxis{224, 7, 2, 3, 1}.outputs() == 112);
    CHECK(ConvolutionAxis{10, 3, 1, 0, 4}.outputs() == 2);
    CHECK(ConvolutionAxis{10, 3, 1, 0, 4}.extent() == 9);
}

TEST_CASE("ConvolutionAxis: the phases of the gradient hold the pairs of forward, each once, going up in y") {
    int checked = 0;
    for (Index size = 1; size <= 9; ++size) {
        for (Index kernel = 1; kernel <= 5; ++kernel) {
            for (Index stride = 1; stride <= 4; ++stride) {
                for (Index padding = 0; padding <= 3; ++padding) {
                    for (Index dilation = 1; dilation <= 4; ++dilation) {
                        const ConvolutionAxis axis{size, kernel, stride, padding, dilation};
                        if (axis.extent() > axis.padded()) { continue; }
                        using Triple = std::tuple<Index, Index, Index>;  // x, y, index in the kernel
                        std::vector<Triple> forward, gradient;
                        const Taps y = axis.forward();
                        for (Index i = 0; i < y.outputs; ++i) {
                            for (Index t = 0; t < y.taps; ++t) {
                                const Index x = y.first(i) + t * y.spacing;
                                if (x >= 0 && x < size) { forward.emplace_back(x, i, t); }
                            }
                            REQUIRE(y.last(i) == y.first(i) + axis.extent());
                        }
                        Index elements = 0;
                        for (Index phase = 0; phase < axis.phases(); ++phase) {
                            const Taps x = axis.gradient(phase);
                            REQUIRE(x.outputs > 0);
                            elements += x.outputs;
                            for (Index i = 0; i < x.outputs; ++i) {
                                for (Index t = 0; t < x.taps; ++t) {
                                    const Index from = x.first(i) + t * x.spacing;
                                    if (from < 0 || from >= axis.outputs()) { continue; }
                                    gradient.emplace_back(x.place + i * x.place_step, from, x.index + t * x.index_step);
                                }
                            }
                        }
                        REQUIRE(elements == size);
                        std::ranges::sort(forward);
                        std::ranges::sort(gradient);
                        REQUIRE(forward == gradient);
                        ++checked;
                    }
                }
            }
        }
    }
    CHECK(checked > 1000);
}

}  // namespace convolution_axis_test
