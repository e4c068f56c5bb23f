#include <gacc/layers/max_pool2d.hpp>

#include "support/layer_check.hpp"
#include "support/random_windows.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace max_pool2d_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::MaxPool2d;
using gacc::Rng;
using gacc::Shape;
using gacc::ShapeError;

namespace {

/// A sample of {rows, columns, 1} with these pixels.
Matrix<float> image(const std::vector<float>& pixels) {
    return gacc::ConstMatrixView<float>(pixels.data(), static_cast<Index>(pixels.size()), 1);
}

/// Different numbers in a random order, a hundredth apart.
Matrix<double> different_numbers(Rng& rng, Index rows, Index cols) {
    Matrix<double> x(rows, cols);
    for (Index i = 0; i < x.size(); ++i) { x.data()[i] = 0.01 * static_cast<double>(i) - 1; }
    rng.shuffle(std::span(x.data(), static_cast<std::size_t>(x.size())));
    return x;
}

}  // namespace

TEST_CASE("MaxPool2d: an example by hand") {
    const Matrix<float> x = image({1, 5, 2, 0,  //
                                   4, 3, 8, 7,  //
                                   0, 1, 6, 9});
    const Shape shape{3, 4, 1};
    CHECK(MaxPool2d(2).plan(shape).y == Shape{1, 2, 1});  // the last row is in no window
    CHECK(forward<float>(MaxPool2d(2), x, shape) == image({5, 8}));
    MaxPool2d layer(2);
    CHECK(backward<float>(layer, x, image({10, 20}), shape) == image({0, 10, 0, 0,  //
                                                                      0, 0, 20, 0,  //
                                                                      0, 0, 0, 0}));

    MaxPool2d overlapping(2, {.stride = 1});
    CHECK(forward<float>(overlapping, x, shape) == image({5, 8, 8,  //
                                                          4, 8, 9}));
    CHECK(backward<float>(overlapping, x, image({1, 2, 4, 8, 16, 32}), shape) == image({0, 1, 0, 0,   //
                                                                                        8, 0, 22, 0,  //
                                                                                        0, 0, 0, 32}));
}

TEST_CASE("MaxPool2d: padding is never the maximum") {
    const Matrix<float> x = image({-1, -2, -3, -4});
    CHECK(forward<float>(MaxPool2d(2, {.padding = 1}), x, {2, 2, 1}) == x);
    CHECK(forward<float>(MaxPool2d({3, 2}, {.stride = {2, 2}, .padding = {1, 1}}), x, {2, 2, 1}) == image({-1, -2}));
}

TEST_CASE("MaxPool2d: the first of equal numbers is the maximum, and the last NaN") {
    MaxPool2d layer(2);
    const Shape shape{2, 2, 1};
    const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    CHECK(backward<float>(layer, image({1, 1, 1, 1}), image({7}), shape) == image({7, 0, 0, 0}));
    CHECK(backward<float>(layer, image({0, 1, 1, 0}), image({7}), shape) == image({0, 7, 0, 0}));
    CHECK(backward<float>(layer, image({-0.0F, 0, 0, -0.0F}), image({7}), shape) == image({7, 0, 0, 0}));
    CHECK(backward<float>(layer, Matrix<float>::Constant(4, 1, -infinity), image({7}), shape) == image({7, 0, 0, 0}));
    for (const auto& pixels : std::vector<std::vector<float>>{{nan, 1, 2, 3}, {9, nan, infinity, 1}, {1, 2, 3, nan}}) {
        CHECK(std::isnan(forward<float>(layer, image(pixels), shape)(0, 0)));
    }
    CHECK(backward<float>(layer, image({nan, 1, nan, 5}), image({7}), shape) == image({0, 0, 7, 0}));
}

TEST_CASE("MaxPool2d: keeps nothing; grad_x may lie over x unless windows overlap") {
    const Shape shape{6, 6, 3};
    CHECK(MaxPool2d(2).plan(shape).kept == 0);
    CHECK(MaxPool2d(2).plan(shape).overwrites_x);
    CHECK_FALSE(MaxPool2d(2).plan(shape).reads_y);
    CHECK_FALSE(MaxPool2d(2, {.stride = {2, 1}}).plan(shape).overwrites_x);
    CHECK_FALSE(MaxPool2d(2, {.stride = {1, 2}}).plan(shape).overwrites_x);
    Rng rng(3);
    for (int trial = 0; trial < 60; ++trial) {
        const RandomWindows windows(rng);
        const Shape of_x = random_image(rng, windows.kernel);
        MaxPool2d<double> layer(windows.kernel, {.stride = windows.stride, .padding = windows.padding});
        if (!layer.plan(of_x).overwrites_x) { continue; }
        Matrix<double> x = different_numbers(rng, 2 * gacc::rows_of(of_x), of_x[2]);
        const auto y = forward<double>(layer, x, of_x);
        const auto grad_y = random_matrix<double>(rng, y.rows(), y.cols());
        const auto apart = backward<double>(layer, x, grad_y, of_x);
        run_backward<double>(layer, x, y, grad_y, view_of(x), {}, of_x);
        CHECK(x == apart);
    }
}

TEST_CASE("MaxPool2d: gradients for any windows, the same bytes for every cut, threads, and computed again") {
    Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        const RandomWindows windows(rng);
        const Shape shape = random_image(rng, windows.kernel);
        const auto make = [&]<class S>() {
            return MaxPool2d<S>(windows.kernel, {.stride = windows.stride, .padding = windows.padding});
        };
        CAPTURE(gacc::to_string(shape));
        CAPTURE(make.operator()<double>().description());
        const auto rows = different_numbers(rng, 2 * gacc::rows_of(shape), shape[2]);
        Matrix<double> x = gacc::ConstMatrixView<double>(rows.data(), 2, gacc::elements(shape));
        x *= 0.1;  // apart by 30 steps of the differences, and with a loss that rounds little
        check_differences(make, shape, x, rng);
        check_cuts(make, shape, rng);
    }
}

TEST_CASE("MaxPool2d: sizes out of their range are errors") {
    CHECK_THROWS_WITH_AS(MaxPool2d(0), "gacc: MaxPool2d: expected a kernel of sizes from 1 to 4096, got 0", ShapeError);
    CHECK_THROWS_WITH_AS(MaxPool2d({2, 4097}),
                         "gacc: MaxPool2d: expected a kernel of sizes from 1 to 4096, got 2 x 4097", ShapeError);
    CHECK_THROWS_WITH_AS(MaxPool2d(2, {.stride = {1, 0}}), "gacc: MaxPool2d: expected a stride of 1 or more, got 1 x 0",
                         ShapeError);
    CHECK_THROWS_WITH_AS(MaxPool2d(2, {.stride = -1}), "gacc: MaxPool2d: expected a stride of 1 or more, got -1",
                         ShapeError);
    CHECK_THROWS_WITH_AS(MaxPool2d({4, 2}, {.padding = 2}),
                         "gacc: MaxPool2d: expected a padding from 0 to half the kernel, got 2", ShapeError);
    CHECK_THROWS_WITH_AS(MaxPool2d(2, {.padding = {0, -1}}),
                         "gacc: MaxPool2d: expected a padding from 0 to half the kernel, got 0 x -1", ShapeError);
    CHECK_NOTHROW(MaxPool2d({4, 2}, {.padding = {2, 1}}));
}

TEST_CASE("MaxPool2d: samples that are no images, or smaller than a window, are errors") {
    CHECK_THROWS_WITH_AS(
        MaxPool2d(2).plan({6, 3}),
        "gacc: MaxPool2d(2): expected samples of {height, width, channels}, got samples of shape 6 x 3", ShapeError);
    CHECK_THROWS_WITH_AS(
        MaxPool2d({5, 2}, {.stride = 2, .padding = {1, 0}}).plan({2, 6, 3}),
        "gacc: MaxPool2d(5 x 2, stride 2, padding 1 x 0): expected samples of a window or more, padding "
        "included, got samples of shape 2 x 6 x 3",
        ShapeError);
    CHECK_THROWS_AS(MaxPool2d(2).plan({6, 1, 3}), ShapeError);
    CHECK(MaxPool2d({5, 2}, {.padding = {1, 0}}).plan({3, 2, 3}).y == Shape{1, 1, 3});
    CHECK(MaxPool2d(3, {.stride = 3}).description() == "MaxPool2d(3)");
}

}  // namespace max_pool2d_test
