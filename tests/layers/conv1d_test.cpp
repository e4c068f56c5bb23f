#include <gacc/layers/conv1d.hpp>

#include <gacc/layers/conv2d.hpp>

#include "support/layer_check.hpp"
#include "support/random_windows.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace conv1d_test {

using namespace gacc::test;
using gacc::Conv1d;
using gacc::Conv1dOptions;
using gacc::Index;
using gacc::Matrix;
using gacc::Shape;
using gacc::ShapeError;

namespace {

/// Options and channels of a random layer, with a sequence that it can take.
struct RandomLayer {
    explicit RandomLayer(gacc::Rng& rng) {
        const auto below = [&](Index most) { return up_to(rng, most) - 1; };
        options = {.kernel = up_to(rng, 5),
                   .stride = up_to(rng, 3),
                   .padding = below(4),
                   .dilation = up_to(rng, 3),
                   .bias = below(3) > 0};
        const Index kind = below(5);  // of groups: depthwise, several, or one
        options.groups = kind == 0 ? 1 + up_to(rng, 19) : kind == 1 ? 1 + up_to(rng, 2) : 1;
        in = kind == 0 ? options.groups : options.groups * up_to(rng, below(5) == 0 ? 40 : 6);
        out = kind == 0 ? options.groups : options.groups * up_to(rng, below(5) == 0 ? 40 : 6);
        const Index least = (options.kernel - 1) * options.dilation + 1 - 2 * options.padding;
        shape = {std::max<Index>(least, 1) + below(7), in};
    }

    Conv1dOptions options;
    Index in, out;
    Shape shape;
};

}  // namespace

TEST_CASE_TEMPLATE("Conv1d: an example by hand", Scalar, float, double) {
    Conv1d<Scalar> layer(1, 2, {.kernel = 2, .padding = 1});
    CHECK(layer.weight().shape() == Shape{2, 1, 2});
    layer.weight().set_value(Matrix<Scalar>{{1, 2}, {0, 10}});
    layer.bias().set_value(Matrix<Scalar>{{100, 0}});
    const Matrix<Scalar> x{{1}, {2}, {3}};
    CHECK(layer.plan({3, 1}).y == Shape{4, 2});
    CHECK(forward(layer, x, {3, 1}) == Matrix<Scalar>{{102, 10}, {105, 20}, {108, 30}, {103, 0}});
    const Matrix<Scalar> grad_y{{1, 0}, {2, 1}, {3, 0}, {4, 2}};
    CHECK(backward(layer, x, grad_y, {3, 1}) == Matrix<Scalar>{{4}, {17}, {10}});
    CHECK(layer.weight().grad() == Matrix<Scalar>{{20, 14}, {7, 2}});
    CHECK(layer.bias().grad() == Matrix<Scalar>{{10, 3}});
    backward(layer, x, grad_y, {3, 1});
    CHECK(layer.weight().grad() == Matrix<Scalar>{{40, 28}, {14, 4}});
}

TEST_CASE("Conv1d: weights are in PyTorch's order: out, in, kernel") {
    Conv1d layer(2, 1, {.kernel = 2, .bias = false});
    layer.weight().set_value(Matrix<float>{{1, 10, 100, 1000}});
    CHECK(forward(layer, Matrix<float>{{1, 2}, {3, 4}}, {2, 2}) == Matrix<float>{{1 + 30 + 200 + 4000}});
}

TEST_CASE("Conv1d: gradients and the same bytes for any shape, cut and threads") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 150; ++trial) {
        const RandomLayer random(rng);
        CAPTURE(Conv1d<float>(random.in, random.out, random.options).description());
        check_layer([&]<class S>() { return Conv1d<S>(random.in, random.out, random.options); }, random.shape, rng);
    }
}

TEST_CASE("Conv1d: the same bytes for shapes that take several blocks, panels and threads") {
    for (const auto& [in, out, tokens, kernel, stride] :
         {std::array<Index, 5>{3, 20, 300, 3, 1}, {40, 17, 100, 9, 2}, {70, 33, 65, 1, 1}}) {
        const Conv1dOptions options{.kernel = kernel, .stride = stride, .padding = kernel / 2};
        const auto make = [&, in = in, out = out] { return Conv1d<float>(in, out, options); };
        gacc::set_threads(1);
        const auto whole = trained_bytes(make, {tokens, in}, 5, 5, false);
        for (const int threads : {1, 2, 5}) {
            gacc::set_threads(threads);
            for (const Index micro_batch : {Index{1}, Index{2}, Index{5}}) {
                CHECK(trained_bytes(make, {tokens, in}, 5, micro_batch, micro_batch == 2) == whole);
            }
        }
        gacc::set_threads(0);
    }
}

TEST_CASE("Conv1d: it is a Conv2d over an image of height 1, to the bit") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 30; ++trial) {
        const RandomLayer random(rng);
        Conv1d<float> layer(random.in, random.out, random.options);
        const auto& [kernel, stride, padding, dilation, groups, bias, initialization] = random.options;
        gacc::Conv2d<float> image(random.in, random.out, {.kernel = {1, kernel},
                                                          .stride = {1, stride},
                                                          .padding = {0, padding},
                                                          .dilation = {1, dilation},
                                                          .groups = groups,
                                                          .bias = bias});
        gacc::Rng one(3), other(3);
        layer.initialize(one);
        image.initialize(other);
        CHECK(layer.weight().value() == image.weight().value());
        const Shape as_image{1, random.shape[0], random.in};
        const auto x = random_matrix<float>(rng, 2 * random.shape[0], random.in);
        const auto y = forward(layer, x, random.shape);
        CHECK(y == forward(image, x, as_image));
        const auto grad_y = random_matrix<float>(rng, y.rows(), y.cols());
        CHECK(backward(layer, x, grad_y, random.shape) == backward(image, x, grad_y, as_image));
        CHECK(layer.weight().grad() == image.weight().grad());
        CHECK(layer.plan(random.shape).work == image.plan(as_image).work);
    }
}

TEST_CASE("Conv1d: its name says what is not usual") {
    CHECK(Conv1d(3, 8).description() == "Conv1d(3 -> 8, kernel 3)");
    CHECK(Conv1d(4, 8, {.kernel = 5, .stride = 2, .padding = 1, .dilation = 3, .groups = 4}).description() ==
          "Conv1d(4 -> 8, kernel 5, stride 2, padding 1, dilation 3, groups 4)");
}

TEST_CASE("Conv1d: sizes that cannot be are refused") {
    const auto refuses = [](Index in, Index out, const Conv1dOptions& options, const char* text) {
        CHECK_THROWS_WITH_AS(Conv1d<float>(in, out, options), text, ShapeError);
    };
    refuses(3, 0, {}, "gacc: Conv1d: expected 1 or more channels, got 3 -> 0");
    refuses(3, 8, {.kernel = 0}, "gacc: Conv1d: expected a kernel of 1 or more, got 0");
    refuses(3, 8, {.stride = 0}, "gacc: Conv1d: expected a stride of 1 or more, got 0");
    refuses(3, 8, {.padding = -1}, "gacc: Conv1d: expected a padding of 0 or more, got -1");
    refuses(3, 8, {.dilation = 0}, "gacc: Conv1d: expected a dilation of 1 or more, got 0");
    refuses(3, 6, {.groups = 2}, "gacc: Conv1d: expected groups that divide the channels, got 2 groups for 3 -> 6");
    const Conv1d layer(3, 8, {.padding = 1, .dilation = 4});
    CHECK_THROWS_WITH_AS(layer.plan({9, 4}),
                         "gacc: Conv1d(3 -> 8, kernel 3, padding 1, dilation 4): expected samples of shape tokens x 3, "
                         "got samples of shape 9 x 4",
                         ShapeError);
    CHECK_THROWS_WITH_AS(layer.plan({2, 9, 3}),
                         "gacc: Conv1d(3 -> 8, kernel 3, padding 1, dilation 4): expected samples of shape tokens x 3, "
                         "got samples of shape 2 x 9 x 3",
                         ShapeError);
    CHECK_THROWS_WITH_AS(layer.plan({6, 3}),
                         "gacc: Conv1d(3 -> 8, kernel 3, padding 1, dilation 4): expected sequences of 9 tokens or "
                         "more with their padding, got 8",
                         ShapeError);
    CHECK(layer.plan({7, 3}).y == Shape{1, 8});
    CHECK_THROWS_WITH_AS(Conv1d(3, 8, {.bias = false}).bias(),
                         "gacc: Conv1d(3 -> 8, kernel 3): expected a layer with a bias, got one with .bias = false",
                         gacc::UsageError);
}

}  // namespace conv1d_test
