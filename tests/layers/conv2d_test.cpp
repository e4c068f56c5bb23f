#include <gacc/layers/conv2d.hpp>

#include <gacc/layers/relu.hpp>
#include <gacc/parameters/model_parameter.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace conv2d_test {

using namespace gacc::test;
using gacc::Conv2d;
using gacc::Conv2dOptions;
using gacc::Index;
using gacc::Matrix;
using gacc::Shape;
using gacc::ShapeError;
using gacc::Size2d;

namespace {

/// Options and channels of a random layer, with an image that it can take.
struct RandomLayer {
    explicit RandomLayer(gacc::Rng& rng) {
        const auto from = [&](Index least, Index most) {
            return least + static_cast<Index>(rng.below(static_cast<std::uint64_t>(most - least + 1)));
        };
        const Size2d kernels[] = {1, {3, 2}, 3, 5, {1, 4}, 2};
        options.kernel = kernels[from(0, 5)];
        options.stride = options.kernel == Size2d(5) ? Size2d(2) : Size2d(from(1, 3), from(1, 2));
        options.padding = {from(0, 2), from(0, 2)};
        options.dilation = {from(1, 2), from(1, 3)};
        options.bias = from(0, 2) > 0;
        const Index kind = from(0, 4);  // of groups: depthwise, several, or one
        options.groups = kind == 0 ? from(2, 20) : kind == 1 ? from(2, 3) : 1;
        in = kind == 0 ? options.groups : options.groups * from(1, 5);
        out = kind == 0 ? options.groups : options.groups * from(1, from(0, 4) == 0 ? 40 : 6);
        const auto least = [](Index kernel, Index dilation, Index padding) {
            return std::max<Index>((kernel - 1) * dilation + 1 - 2 * padding, 1);
        };
        shape = {least(options.kernel.height, options.dilation.height, options.padding.height) + from(0, 3),
                 least(options.kernel.width, options.dilation.width, options.padding.width) + from(0, 3), in};
    }

    Conv2dOptions options;
    Index in, out;
    Shape shape;
};

}  // namespace

TEST_CASE_TEMPLATE("Conv2d: an example by hand", Scalar, float, double) {
    Conv2d<Scalar> layer(1, 2, {.kernel = 2, .padding = {1, 0}});
    layer.weight().set_value(Matrix<Scalar>{{1, 2, 3, 4}, {0, 0, 0, 1}});
    layer.bias().set_value(Matrix<Scalar>{{100, 0}});
    const Matrix<Scalar> x{{1}, {2}, {3}, {4}};  // 2 x 2 pixels: 1 2 / 3 4
    CHECK(layer.plan({2, 2, 1}).y == Shape{3, 1, 2});
    CHECK(forward(layer, x, {2, 2, 1}) == Matrix<Scalar>{{111, 2}, {130, 4}, {111, 0}});
    const Matrix<Scalar> grad_y{{1, 10}, {2, 20}, {3, 30}};
    CHECK(backward(layer, x, grad_y, {2, 2, 1}) == Matrix<Scalar>{{5}, {18}, {9}, {34}});
    CHECK(layer.weight().grad() == Matrix<Scalar>{{11, 16, 7, 10}, {110, 160, 70, 100}});
    CHECK(layer.bias().grad() == Matrix<Scalar>{{6, 60}});
    backward(layer, x, grad_y, {2, 2, 1});
    CHECK(layer.weight().grad() == Matrix<Scalar>{{22, 32, 14, 20}, {220, 320, 140, 200}});
}

TEST_CASE("Conv2d: each channel of a depthwise convolution has a kernel of its own") {
    Conv2d layer(2, 2, {.kernel = {1, 2}, .groups = 2, .bias = false});
    CHECK(layer.weight().shape() == Shape{2, 1, 1, 2});
    layer.weight().set_value(Matrix<float>{{1, 2}, {3, 4}});
    const Matrix<float> x{{1, 10}, {2, 20}, {3, 30}};
    CHECK(forward(layer, x, {1, 3, 2}) == Matrix<float>{{5, 110}, {8, 180}});
    CHECK(backward(layer, x, Matrix<float>{{1, 2}, {3, 4}}, {1, 3, 2}) == Matrix<float>{{1, 6}, {5, 20}, {6, 16}});
    CHECK(layer.weight().grad() == Matrix<float>{{7, 11}, {100, 160}});
}

TEST_CASE("Conv2d: weights are in PyTorch's order: out, in, kernel row, kernel column") {
    Conv2d layer(2, 1, {.kernel = {1, 2}, .bias = false});
    CHECK(layer.weight().shape() == Shape{1, 2, 1, 2});
    layer.weight().set_value(Matrix<float>{{1, 10, 100, 1000}});
    CHECK(forward(layer, Matrix<float>{{1, 2}, {3, 4}}, {1, 2, 2}) == Matrix<float>{{1 + 30 + 200 + 4000}});
}

TEST_CASE("Conv2d: gradients and the same bytes for any shape, cut and threads") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        const RandomLayer random(rng);
        CAPTURE(Conv2d<float>(random.in, random.out, random.options).description());
        check_layer([&]<class S>() { return Conv2d<S>(random.in, random.out, random.options); }, random.shape, rng);
    }
}

TEST_CASE("Conv2d: the same bytes for shapes that take several blocks, panels and threads") {
    for (const auto& [in, out, size, kernel, stride] :
         {std::array<Index, 5>{3, 20, 33, 3, 1}, {40, 17, 12, 3, 2}, {16, 16, 32, 5, 1}, {70, 33, 9, 1, 1}}) {
        const Conv2dOptions options{.kernel = kernel, .stride = stride, .padding = kernel / 2};
        const auto make = [&, in = in, out = out] { return Conv2d<float>(in, out, options); };
        const Shape shape{size, size, in};
        gacc::set_threads(1);
        const auto whole = trained_bytes(make, shape, 5, 5, false);
        for (const int threads : {1, 2, 5}) {
            gacc::set_threads(threads);
            for (const Index micro_batch : {Index{1}, Index{2}, Index{5}}) {
                CHECK(trained_bytes(make, shape, 5, micro_batch, micro_batch == 2) == whole);
            }
        }
        gacc::set_threads(0);
    }
}

TEST_CASE("Conv2d: the shape of y, as in PyTorch") {
    CHECK(Conv2d(3, 8, {.kernel = 3}).plan({28, 30, 3}).y == Shape{26, 28, 8});
    CHECK(Conv2d(3, 8, {.kernel = 3, .padding = 1}).plan({28, 30, 3}).y == Shape{28, 30, 8});
    CHECK(Conv2d(3, 8, {.kernel = 7, .stride = 2, .padding = 3}).plan({224, 224, 3}).y == Shape{112, 112, 8});
    CHECK(Conv2d(1, 2, {.kernel = {3, 5}, .stride = {3, 2}, .padding = {0, 1}}).plan({30, 40, 1}).y ==
          Shape{10, 19, 2});
    CHECK(Conv2d(3, 8, {.kernel = {3, 2}, .dilation = {2, 1}}).plan({5, 2, 3}).y == Shape{1, 1, 8});
    const auto plan = Conv2d(4, 8, {.kernel = 3, .groups = 2}).plan({5, 5, 4});
    CHECK(plan.work == 9 * (8 * 2 * 9 + 8));
}

TEST_CASE("Conv2d: frozen parameters get no gradients, and the others the same") {
    gacc::Rng rng(2);
    Conv2d<float> layer(3, 4, {.kernel = 2});
    layer.initialize(rng);
    const auto x = random_matrix<float>(rng, 2 * 9, 3), grad_y = random_matrix<float>(rng, 2 * 4, 4);
    const auto grad_x = backward(layer, x, grad_y, {3, 3, 3});
    const Matrix<float> grad_bias = layer.bias().grad();
    layer.bias().zero_grad();
    gacc::detail::ModelParameter<float>::freeze(layer.weight());
    CHECK(backward(layer, x, grad_y, {3, 3, 3}) == grad_x);
    CHECK(layer.bias().grad() == grad_bias);
    gacc::detail::ModelParameter<float>::freeze(layer.bias());
    CHECK(backward(layer, x, grad_y, {3, 3, 3}) == grad_x);
}

TEST_CASE("Conv2d: first values have the deviation of their fan in") {
    gacc::Rng rng(3);
    Conv2d<double> he(64, 128, {.kernel = {3, 5}, .groups = 2});
    he.initialize(rng);
    const Matrix<double> normal = he.weight().value();
    CHECK(std::sqrt(normal.array().square().mean()) == doctest::Approx(std::sqrt(2.0 / (32 * 15))).epsilon(0.02));
    CHECK(he.bias().value() == Matrix<double>::Zero(1, 128));
    Conv2d<double> uniform(64, 128, {.initialization = gacc::Initialization::uniform_fan_in});
    uniform.initialize(rng);
    const double bound = 1 / std::sqrt(64.0 * 9);
    const Matrix<double> flat = uniform.weight().value();
    CHECK(flat.cwiseAbs().maxCoeff() <= bound);
    CHECK(flat.cwiseAbs().maxCoeff() > 0.99 * bound);
    CHECK(uniform.bias().value().cwiseAbs().maxCoeff() > 0.9 * bound);
    CHECK(std::abs(flat.mean()) < 0.02 * bound);
}

TEST_CASE("Conv2d: its name says what is not usual") {
    CHECK(Conv2d(3, 8).description() == "Conv2d(3 -> 8, kernel 3x3)");
    CHECK(Conv2d(4, 8, {.kernel = {1, 5}, .stride = 2, .padding = {0, 2}, .dilation = {1, 3}, .groups = 4})
              .description() ==
          "Conv2d(4 -> 8, kernel 1x5, stride 2, padding 0x2, dilation 1x3, groups 4)");
}

TEST_CASE("Conv2d: sizes that cannot be are refused") {
    const auto refuses = [](Index in, Index out, const Conv2dOptions& options, const char* text) {
        CHECK_THROWS_WITH_AS(Conv2d<float>(in, out, options), text, ShapeError);
    };
    refuses(0, 8, {}, "gacc: Conv2d: expected 1 or more channels, got 0 -> 8");
    refuses(3, 0, {}, "gacc: Conv2d: expected 1 or more channels, got 3 -> 0");
    refuses(3, 8, {.kernel = {0, 3}}, "gacc: Conv2d: expected a kernel of 1 or more, got 0 x 3");
    refuses(3, 8, {.stride = 0}, "gacc: Conv2d: expected a stride of 1 or more, got 0 x 0");
    refuses(3, 8, {.padding = {0, -1}}, "gacc: Conv2d: expected a padding of 0 or more, got 0 x -1");
    refuses(3, 8, {.dilation = 0}, "gacc: Conv2d: expected a dilation of 1 or more, got 0 x 0");
    refuses(4, 6, {.groups = 4}, "gacc: Conv2d: expected groups that divide the channels, got 4 groups for 4 -> 6");
    refuses(3, 6, {.groups = 2}, "gacc: Conv2d: expected groups that divide the channels, got 2 groups for 3 -> 6");
    refuses(3, 6, {.groups = 0}, "gacc: Conv2d: expected groups that divide the channels, got 0 groups for 3 -> 6");
    const Conv2d layer(3, 8, {.kernel = {3, 5}, .padding = 1, .dilation = 2});
    CHECK_THROWS_WITH_AS(layer.plan({9, 9, 4}),
                         "gacc: Conv2d(3 -> 8, kernel 3x5, padding 1, dilation 2): expected samples of shape height x "
                         "width x 3, got samples of shape 9 x 9 x 4",
                         ShapeError);
    CHECK_THROWS_WITH_AS(layer.plan({27, 3}),
                         "gacc: Conv2d(3 -> 8, kernel 3x5, padding 1, dilation 2): expected samples of shape height x "
                         "width x 3, got samples of shape 27 x 3",
                         ShapeError);
    CHECK_THROWS_WITH_AS(layer.plan({9, 6, 3}),
                         "gacc: Conv2d(3 -> 8, kernel 3x5, padding 1, dilation 2): expected images of 5 x 9 pixels or "
                         "more with their padding, got 11 x 8",
                         ShapeError);
    CHECK_THROWS_WITH_AS(Conv2d(3, 8, {.bias = false}).bias(),
                         "gacc: Conv2d(3 -> 8, kernel 3x3): expected a layer with a bias, got one with .bias = false",
                         gacc::UsageError);
}

}  // namespace conv2d_test
