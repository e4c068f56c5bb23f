#include <gacc/layers/average_pool2d.hpp>

#include "support/layer_check.hpp"
#include "support/random_windows.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace average_pool2d_test {

using namespace gacc::test;
using gacc::AveragePool2d;
using gacc::Index;
using gacc::Matrix;
using gacc::Shape;
using gacc::ShapeError;

namespace {

/// A sample of {rows, columns, 1} with these pixels.
Matrix<float> image(const std::vector<float>& pixels) {
    return gacc::ConstMatrixView<float>(pixels.data(), static_cast<Index>(pixels.size()), 1);
}

}  // namespace

TEST_CASE("AveragePool2d: an example by hand") {
    const Matrix<float> x = image({1, 5, 2, 0,  //
                                   4, 2, 8, 6,  //
                                   0, 1, 6, 9});
    const Shape shape{3, 4, 1};
    CHECK(AveragePool2d(2).plan(shape).y == Shape{1, 2, 1});  // the last row is in no window
    AveragePool2d layer(2);
    CHECK(forward<float>(layer, x, shape) == image({3, 4}));
    CHECK(backward<float>(layer, x, image({8, 4}), shape) == image({2, 2, 1, 1,  //
                                                                    2, 2, 1, 1,  //
                                                                    0, 0, 0, 0}));
    AveragePool2d overlapping({1, 2}, {.stride = 1});
    CHECK(forward<float>(overlapping, image({1, 5, 2}), {1, 3, 1}) == image({3, 3.5}));
    CHECK(backward<float>(overlapping, image({1, 5, 2}), image({2, 6}), {1, 3, 1}) == image({1, 4, 3}));
}

TEST_CASE("AveragePool2d: padding counts as zeros, or not at all") {
    const Matrix<float> x = image({4, 8, 12, 16});
    const Shape shape{2, 2, 1};
    AveragePool2d counted(2, {.padding = 1}), left_out(2, {.padding = 1, .count_padding = false});
    CHECK(forward<float>(counted, x, shape) == image({1, 2, 3, 4}));
    CHECK(forward<float>(left_out, x, shape) == x);
    CHECK(backward<float>(counted, x, x, shape) == image({1, 2, 3, 4}));
    CHECK(backward<float>(left_out, x, x, shape) == x);
}

TEST_CASE("AveragePool2d: gradients for any windows, the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        const RandomWindows windows(rng);
        const bool count_padding = rng.below(2) == 0;
        const auto make = [&]<class S>() {
            return AveragePool2d<S>(
                windows.kernel, {.stride = windows.stride, .padding = windows.padding, .count_padding = count_padding});
        };
        CAPTURE(make.operator()<float>().description());
        check_layer(make, random_image(rng, windows.kernel), rng);
    }
}

TEST_CASE("AveragePool2d: backward reads neither x nor y") {
    const auto plan = AveragePool2d(3, {.stride = 1}).plan({6, 6, 3});
    CHECK_FALSE(plan.reads_x);
    CHECK_FALSE(plan.reads_y);
    CHECK(plan.overwrites_x);
    CHECK(plan.kept == 0);
    CHECK(plan.work == 4 * 4 * 3 * 9);
}

TEST_CASE("AveragePool2d: sizes out of their range, and samples that are no images, are errors") {
    CHECK_THROWS_WITH_AS(AveragePool2d({0, 2}),
                         "gacc: AveragePool2d: expected a kernel of sizes from 1 to 4096, got 0 x 2", ShapeError);
    CHECK_THROWS_WITH_AS(
        AveragePool2d(2).plan({4}),
        "gacc: AveragePool2d(2): expected samples of {height, width, channels}, got samples of shape 4", ShapeError);
    CHECK_THROWS_WITH_AS(
        AveragePool2d(2).plan({4, 1, 2}),
        "gacc: AveragePool2d(2): expected samples of a window or more, padding included, got samples of "
        "shape 4 x 1 x 2",
        ShapeError);
}

}  // namespace average_pool2d_test
