#include <gacc/layers/conv_transpose2d.hpp>

#include <gacc/layers/conv2d.hpp>

#include "support/layer_check.hpp"
#include "support/random_windows.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace conv_transpose2d_test {

using namespace gacc::test;
using gacc::ConvTranspose2d;
using gacc::ConvTranspose2dOptions;
using gacc::Index;
using gacc::Matrix;
using gacc::Shape;
using gacc::ShapeError;
using gacc::Size2d;

namespace {

/// Options and channels of a random layer, with an image that it can take.
struct RandomLayer {
    explicit RandomLayer(gacc::Rng& rng) {
        const auto below = [&](Index most) { return up_to(rng, most) - 1; };
        const Size2d kernels[] = {1, {3, 2}, 3, 4, {1, 4}, 2};
        options.kernel = kernels[below(6)];
        options.stride = {up_to(rng, 3), up_to(rng, 3)};
        options.dilation = {up_to(rng, 2), up_to(rng, 3)};
        options.output_padding = {below(std::max(options.stride.height, options.dilation.height)),
                                  below(std::max(options.stride.width, options.dilation.width))};
        options.bias = below(3) > 0;
        const Index kind = below(5);  // of groups: depthwise, several, or one
        options.groups = kind == 0 ? 1 + up_to(rng, 19) : kind == 1 ? 1 + up_to(rng, 2) : 1;
        in = kind == 0 ? options.groups : options.groups * up_to(rng, below(5) == 0 ? 40 : 6);
        out = kind == 0 ? options.groups : options.groups * up_to(rng, below(5) == 0 ? 40 : 5);
        shape = {up_to(rng, 4), up_to(rng, 4), in};
        options.padding = {below(3), below(3)};
        const auto most = [](Index pixels, Index kernel, Index stride, Index dilation, Index more) {
            return ((pixels - 1) * stride + (kernel - 1) * dilation + more) / 2;
        };
        const auto& [kernel, stride, padding, more, dilation, groups, bias, initialization] = options;
        options.padding = {
            std::min(padding.height, most(shape[0], kernel.height, stride.height, dilation.height, more.height)),
            std::min(padding.width, most(shape[1], kernel.width, stride.width, dilation.width, more.width))};
    }

    ConvTranspose2dOptions options;
    Index in, out;
    Shape shape;
};

}  // namespace

TEST_CASE_TEMPLATE("ConvTranspose2d: an example by hand", Scalar, float, double) {
    ConvTranspose2d<Scalar> layer(1, 2, {.kernel = 2});
    CHECK(layer.weight().shape() == Shape{1, 2, 2, 2});
    layer.weight().set_value(Matrix<Scalar>{{1, 2, 3, 4, 0, 0, 0, 1}});
    layer.bias().set_value(Matrix<Scalar>{{100, 0}});
    const Matrix<Scalar> x{{1}, {2}};
    const Shape shape{1, 2, 1};
    CHECK(layer.plan(shape).y == Shape{2, 3, 2});
    CHECK(forward(layer, x, shape) ==
          Matrix<Scalar>{{101, 0}, {104, 0}, {104, 0}, {103, 0}, {110, 1}, {108, 2}});
    const Matrix<Scalar> grad_y{{1, 0}, {2, 0}, {3, 0}, {4, 1}, {5, 1}, {6, 2}};
    CHECK(backward(layer, x, grad_y, shape) == Matrix<Scalar>{{38}, {49}});
    CHECK(layer.weight().grad() == Matrix<Scalar>{{5, 8, 14, 17, 0, 0, 3, 5}});
    CHECK(layer.bias().grad() == Matrix<Scalar>{{21, 4}});
    backward(layer, x, grad_y, shape);
    CHECK(layer.weight().grad() == Matrix<Scalar>{{10, 16, 28, 34, 0, 0, 6, 10}});
}

TEST_CASE("ConvTranspose2d: pixels between the kernels, and of the output padding, are the bias") {
    ConvTranspose2d layer(1, 1, {.kernel = {1, 2}, .stride = 2, .output_padding = {1, 2}, .dilation = {1, 3}});
    layer.weight().set_value(Matrix<float>{{3, 4}});
    layer.bias().set_value(Matrix<float>{{5}});
    const Matrix<float> x{{1}, {10}};
    const Shape shape{1, 2, 1};
    CHECK(layer.plan(shape).y == Shape{2, 8, 1});
    const Matrix<float> y = forward(layer, x, shape).transpose();
    CHECK(y == Matrix<float>{{8, 5, 35, 9, 5, 45, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}});
    const Matrix<float> grad_y = Matrix<float>::Ones(16, 1);
    CHECK(backward(layer, x, grad_y, shape) == Matrix<float>{{7}, {7}});
    CHECK(layer.weight().grad() == Matrix<float>{{11, 11}});
    CHECK(layer.bias().grad() == Matrix<float>{{16}});
}

TEST_CASE("ConvTranspose2d: groups keep to their channels") {
    ConvTranspose2d layer(2, 4, {.kernel = 1, .groups = 2, .bias = false});
    CHECK(layer.weight().shape() == Shape{2, 2, 1, 1});
    layer.weight().set_value(Matrix<float>{{1, 2}, {3, 4}});
    CHECK(forward(layer, Matrix<float>{{10, 100}}, {1, 1, 2}) == Matrix<float>{{10, 20, 300, 400}});
    CHECK(backward(layer, Matrix<float>{{10, 100}}, Matrix<float>{{1, 2, 3, 4}}, {1, 1, 2}) == Matrix<float>{{5, 25}});
    CHECK(layer.weight().grad() == Matrix<float>{{10, 20}, {300, 400}});
}

TEST_CASE("ConvTranspose2d: gradients and the same bytes for any shape, cut and threads") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 150; ++trial) {
        const RandomLayer random(rng);
        CAPTURE(ConvTranspose2d<float>(random.in, random.out, random.options).description());
        check_layer([&]<class S>() { return ConvTranspose2d<S>(random.in, random.out, random.options); }, random.shape,
                    rng);
    }
}

TEST_CASE("ConvTranspose2d: the same bytes for shapes that take several blocks, panels and threads") {
    for (const auto& [in, out, size, kernel, stride] :
         {std::array<Index, 5>{20, 3, 17, 3, 1}, {17, 40, 12, 4, 2}, {16, 16, 32, 2, 2}, {70, 33, 9, 1, 1}}) {
        const ConvTranspose2dOptions options{.kernel = kernel, .stride = stride, .padding = (kernel - 1) / 2};
        const auto make = [&, in = in, out = out] { return ConvTranspose2d<float>(in, out, options); };
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

TEST_CASE("ConvTranspose2d: y is the gradient by x of a Conv2d with the same kernels, to the bit") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 30; ++trial) {
        RandomLayer random(rng);
        random.options.bias = false;
        ConvTranspose2d<float> layer(random.in, random.out, random.options);
        const Shape images = layer.plan(random.shape).y;
        const auto& [kernel, stride, padding, more, dilation, groups, bias, initialization] = random.options;
        gacc::Conv2d<float> back(random.out, random.in, {.kernel = kernel,
                                                         .stride = stride,
                                                         .padding = padding,
                                                         .dilation = dilation,
                                                         .groups = groups,
                                                         .bias = false});
        if (more.height >= stride.height || more.width >= stride.width) { continue; }  // more windows than pixels of x
        layer.initialize(rng);
        back.weight().set_value(layer.weight().value());
        REQUIRE(back.plan(images).y == random.shape);
        const auto x = random_matrix<float>(rng, 2 * random.shape[0] * random.shape[1], random.in);
        const auto other = random_matrix<float>(rng, 2 * images[0] * images[1], random.out);
        CHECK(forward(layer, x, random.shape) == backward(back, other, x, images));
        CHECK(backward(layer, x, other, random.shape) == forward(back, other, images));
        CHECK(layer.weight().grad() == back.weight().grad());
    }
}

TEST_CASE("ConvTranspose2d: the shape of y, as in PyTorch") {
    CHECK(ConvTranspose2d(8, 3, {.kernel = 2, .stride = 2}).plan({14, 15, 8}).y == Shape{28, 30, 3});
    CHECK(ConvTranspose2d(8, 3, {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1}).plan({14, 15, 8}).y ==
          Shape{28, 30, 3});
    CHECK(ConvTranspose2d(8, 3, {.kernel = {3, 2}, .stride = {1, 3}, .padding = {2, 0}, .dilation = {2, 1}})
              .plan({4, 2, 8})
              .y == Shape{4, 5, 3});
    const auto plan = ConvTranspose2d(4, 6, {.kernel = 3, .stride = 2, .groups = 2}).plan({2, 3, 4});
    CHECK(plan.y == Shape{5, 7, 6});
    CHECK(plan.work == 6 * (4 * 3 * 9) + 35 * 6);
}

TEST_CASE("ConvTranspose2d: frozen parameters get no gradients, and the others the same") {
    gacc::Rng rng(3);
    ConvTranspose2d<float> layer(4, 3, {.kernel = 2});
    layer.initialize(rng);
    const auto x = random_matrix<float>(rng, 2 * 4, 4), grad_y = random_matrix<float>(rng, 2 * 9, 3);
    const auto grad_x = backward(layer, x, grad_y, {2, 2, 4});
    const Matrix<float> grad_bias = layer.bias().grad();
    layer.bias().zero_grad();
    gacc::detail::ModelParameter<float>::freeze(layer.weight());
    CHECK(backward(layer, x, grad_y, {2, 2, 4}) == grad_x);
    CHECK(layer.bias().grad() == grad_bias);
    gacc::detail::ModelParameter<float>::freeze(layer.bias());
    CHECK(backward(layer, x, grad_y, {2, 2, 4}) == grad_x);
}

TEST_CASE("ConvTranspose2d: first values have the deviation of PyTorch's fan in") {
    gacc::Rng rng(4);
    ConvTranspose2d<double> he(128, 64, {.kernel = {3, 5}, .groups = 2});
    he.initialize(rng);
    const Matrix<double> normal = he.weight().value();
    CHECK(std::sqrt(normal.array().square().mean()) == doctest::Approx(std::sqrt(2.0 / (32 * 15))).epsilon(0.02));
    CHECK(he.bias().value() == Matrix<double>::Zero(1, 64));
    ConvTranspose2d<double> uniform(64, 128, {.initialization = gacc::Initialization::uniform_fan_in});
    uniform.initialize(rng);
    const double bound = 1 / std::sqrt(128.0 * 9);
    CHECK(uniform.weight().value().cwiseAbs().maxCoeff() <= bound);
    CHECK(uniform.weight().value().cwiseAbs().maxCoeff() > 0.99 * bound);
    CHECK(uniform.bias().value().cwiseAbs().maxCoeff() > 0.9 * bound);
}

TEST_CASE("ConvTranspose2d: its name says what is not usual") {
    CHECK(ConvTranspose2d(3, 8).description() == "ConvTranspose2d(3 -> 8, kernel 3x3)");
    CHECK(ConvTranspose2d(4, 8, {.kernel = {1, 5},
                                 .stride = 2,
                                 .padding = {0, 2},
                                 .output_padding = {1, 0},
                                 .dilation = {1, 3},
                                 .groups = 4})
              .description() ==
          "ConvTranspose2d(4 -> 8, kernel 1x5, stride 2, padding 0x2, output padding 1x0, dilation 1x3, groups 4)");
}

TEST_CASE("ConvTranspose2d: sizes that cannot be are refused") {
    const auto refuses = [](Index in, Index out, const ConvTranspose2dOptions& options, const char* text) {
        CHECK_THROWS_WITH_AS(ConvTranspose2d<float>(in, out, options), text, ShapeError);
    };
    refuses(0, 8, {}, "gacc: ConvTranspose2d: expected 1 or more channels, got 0 -> 8");
    refuses(3, 8, {.kernel = {0, 3}}, "gacc: ConvTranspose2d: expected a kernel of 1 or more, got 0 x 3");
    refuses(3, 8, {.stride = 0}, "gacc: ConvTranspose2d: expected a stride of 1 or more, got 0 x 0");
    refuses(3, 8, {.padding = {0, -1}}, "gacc: ConvTranspose2d: expected a padding of 0 or more, got 0 x -1");
    refuses(3, 8, {.dilation = 0}, "gacc: ConvTranspose2d: expected a dilation of 1 or more, got 0 x 0");
    refuses(3, 8, {.padding = {1, Index{1} << 60}},
            "gacc: ConvTranspose2d: expected a kernel, stride, padding and dilation of 1048576 or less, got 1 x "
            "1152921504606846976");
    refuses(4, 6, {.groups = 4},
            "gacc: ConvTranspose2d: expected groups that divide the channels, got 4 groups for 4 -> 6");
    const char* more = "gacc: ConvTranspose2d: expected an output padding of 0 or more, less than the stride or the "
                       "dilation, got ";
    const auto refuses_more = [&](const ConvTranspose2dOptions& options, const char* got) {
        refuses(3, 8, options, (std::string(more) + got).c_str());
    };
    refuses_more({.stride = 2, .output_padding = 2}, "2 x 2");
    refuses_more({.stride = {2, 3}, .output_padding = {1, 3}}, "1 x 3");
    refuses_more({.output_padding = {0, -1}}, "0 x -1");
    refuses_more({.output_padding = {-1, 0}}, "-1 x 0");
    refuses_more({.output_padding = {3, 1}, .dilation = {3, 2}}, "3 x 1");
    CHECK_NOTHROW(ConvTranspose2d(3, 8, {.stride = {1, 2}, .output_padding = {2, 1}, .dilation = {3, 1}}));

    const ConvTranspose2d layer(3, 8, {.kernel = {3, 1}, .padding = 1});
    CHECK_THROWS_WITH_AS(layer.plan({9, 9, 4}),
                         "gacc: ConvTranspose2d(3 -> 8, kernel 3x1, padding 1): expected samples of shape height x "
                         "width x 3, got samples of shape 9 x 9 x 4",
                         ShapeError);
    CHECK_THROWS_WITH_AS(layer.plan({27, 3}),
                         "gacc: ConvTranspose2d(3 -> 8, kernel 3x1, padding 1): expected samples of shape height x "
                         "width x 3, got samples of shape 27 x 3",
                         ShapeError);
    const Index large = gacc::detail::largest_size;
    const std::string name = "gacc: ConvTranspose2d(3 -> 8, kernel 3x1, padding 1): ",
                      sides = "expected images whose output has from 1 to " + std::to_string(large - 1) +
                              " pixels a side, got one of ";
    CHECK_THROWS_WITH_AS(layer.plan({1, 2, 3}), (name + sides + "1 x 0").c_str(), ShapeError);
    CHECK_THROWS_WITH_AS(layer.plan({large, 3, 3}), (name + sides + std::to_string(large) + " x 1").c_str(),
                         ShapeError);
    CHECK_THROWS_WITH_AS(ConvTranspose2d(3, 8, {.bias = false}).bias(),
                         "gacc: ConvTranspose2d(3 -> 8, kernel 3x3): expected a layer with a bias, got one with .bias "
                         "= false",
                         gacc::UsageError);
}

}  // namespace conv_transpose2d_test
