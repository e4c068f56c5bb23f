#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace linear_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Linear;
using gacc::Matrix;

namespace {

/// W 2 x 3, b 2.
template <class Scalar>
Linear<Scalar> small_layer() {
    Linear<Scalar> layer(3, 2);
    layer.weight().set_value(Matrix<Scalar>{{1, 2, 3}, {4, 5, 6}});
    layer.bias().set_value(Matrix<Scalar>{{10, 20}});
    return layer;
}

/// Mean, deviation and kurtosis (3 for a normal distribution, 1.8 for a uniform one) of many numbers.
struct Moments {
    explicit Moments(const Matrix<double>& numbers)
        : mean(numbers.mean()), deviation(std::sqrt((numbers.array() - mean).square().mean())),
          kurtosis(((numbers.array() - mean) / deviation).pow(4).mean()) {}
    double mean, deviation, kurtosis;
};

}  // namespace

TEST_CASE_TEMPLATE("Linear: forward is x Wᵀ + b", Scalar, float, double) {
    const auto layer = small_layer<Scalar>();
    const Matrix<Scalar> x{{1, 0, -1}, {2, 1, 0}};  // 2 x 3
    CHECK(forward(layer, x) == Matrix<Scalar>{{8, 18}, {14, 33}});
}

TEST_CASE_TEMPLATE("Linear: backward is grad_yᵀ x, the column sums of grad_y, and grad_y W", Scalar, float, double) {
    auto layer = small_layer<Scalar>();
    const Matrix<Scalar> x{{1, 0, -1}, {2, 1, 0}};           // 2 x 3
    const Matrix<Scalar> grad_y{{1, -1}, {2, Scalar(0.5)}};  // 2 x 2
    const auto grad_x = backward(layer, x, grad_y);
    CHECK(grad_x == Matrix<Scalar>{{-3, -3, -3}, {4, Scalar(6.5), 9}});
    CHECK(layer.weight().grad() == Matrix<Scalar>{{5, 2, -1}, {0, Scalar(0.5), 1}});
    CHECK(layer.bias().grad() == Matrix<Scalar>{{3, Scalar(-0.5)}});
}

TEST_CASE_TEMPLATE("Linear: backward adds to the gradient buffers and writes grad_x", Scalar, float, double) {
    auto layer = small_layer<Scalar>();
    const Matrix<Scalar> x{{1, 0, -1}, {2, 1, 0}};
    const Matrix<Scalar> grad_y{{1, -1}, {2, Scalar(0.5)}};
    const auto first = backward(layer, x, grad_y);
    const auto second = backward(layer, x, grad_y);
    CHECK(second == first);
    CHECK(layer.weight().grad() == Matrix<Scalar>{{10, 4, -2}, {0, 1, 2}});
    CHECK(layer.bias().grad() == Matrix<Scalar>{{6, -1}});
}

TEST_CASE("Linear: backward adds to gradients that were set") {
    auto layer = small_layer<float>();
    layer.weight().set_grad(Matrix<float>{{100, 0, 0}, {0, 0, 100}});
    layer.bias().set_grad(Matrix<float>{{0, 100}});
    backward(layer, Matrix<float>{{1, 2, 3}}, Matrix<float>{{1, -1}});
    CHECK(layer.weight().grad() == Matrix<float>{{101, 2, 3}, {-1, -2, 97}});
    CHECK(layer.bias().grad() == Matrix<float>{{1, 99}});
}

TEST_CASE("Linear: grad_x is of the weights as they are, however they were changed") {
    auto layer = small_layer<float>();
    const Matrix<float> x{{1, 2, 3}}, grad_y{{1, 10}};
    CHECK(backward(layer, x, grad_y) == Matrix<float>{{41, 52, 63}});
    layer.weight().set_value(Matrix<float>{{6, 5, 4}, {3, 2, 1}});
    CHECK(backward(layer, x, grad_y) == Matrix<float>{{36, 25, 14}});
    std::ranges::fill(layer.weight().stored_values(), 1.0F);
    CHECK(backward(layer, x, grad_y) == Matrix<float>{{11, 11, 11}});
}

TEST_CASE("Linear: backward leaves the values as they are") {
    auto layer = small_layer<float>();
    backward(layer, Matrix<float>{{1, 2, 3}}, Matrix<float>{{1, -1}});
    CHECK(layer.weight().value() == Matrix<float>{{1, 2, 3}, {4, 5, 6}});
    CHECK(layer.bias().value() == Matrix<float>{{10, 20}});
}

TEST_CASE("Linear: a new layer is zero, and so are its gradients") {
    Linear layer(3, 2);
    CHECK(layer.weight().value() == Matrix<float>::Zero(2, 3));
    CHECK(layer.bias().value() == Matrix<float>::Zero(1, 2));
    CHECK(layer.weight().grad() == Matrix<float>::Zero(2, 3));
    CHECK(layer.bias().grad() == Matrix<float>::Zero(1, 2));
}

TEST_CASE_TEMPLATE("Linear: a grad_x without data is spared, the parameters get the same", Scalar, float, double) {
    gacc::Rng rng(3);
    for (Index samples = 1; samples <= 33; samples += 4) {
        Linear<Scalar> with(19, 18), without(19, 18);
        const auto x = random_matrix<Scalar>(rng, samples, 19), grad_y = random_matrix<Scalar>(rng, samples, 18);
        backward(with, x, grad_y);
        const auto y = forward(without, x);
        run_backward<Scalar>(without, x, y, grad_y, nothing<Scalar>());
        CHECK(bytes_of(with.weight().grad()) == bytes_of(without.weight().grad()));
        CHECK(bytes_of(with.bias().grad()) == bytes_of(without.bias().grad()));
    }
}

TEST_CASE("Linear: what stood in y and grad_x does not matter, not even not-a-number") {
    auto layer = small_layer<float>();
    const Matrix<float> x{{1, 0, -1}, {2, 1, 0}}, grad_y{{1, -1}, {2, 0.5F}};
    Matrix<float> y = Matrix<float>::Constant(2, 2, std::numeric_limits<float>::quiet_NaN());
    Matrix<float> grad_x = Matrix<float>::Constant(2, 3, std::numeric_limits<float>::quiet_NaN());
    run_forward<float>(layer, x, view_of(y));
    run_backward<float>(layer, x, y, grad_y, view_of(grad_x));
    CHECK(y == Matrix<float>{{8, 18}, {14, 33}});
    CHECK(grad_x == Matrix<float>{{-3, -3, -3}, {4, 6.5F, 9}});
}

TEST_CASE("Linear: rows may lie apart in memory, and what is between them stays as it was") {
    auto layer = small_layer<float>();
    const Matrix<float> wide_x{{1, 0, -1, 99, 99}, {2, 1, 0, 99, 99}};
    const Matrix<float> wide_grad_y{{99, 1, -1}, {99, 2, 0.5F}};
    Matrix<float> wide_y = Matrix<float>::Constant(2, 4, 99), wide_grad_x = Matrix<float>::Constant(2, 4, 99);
    const gacc::MatrixView<float> y(wide_y.data(), 2, 2, Eigen::OuterStride<>(4));
    const gacc::MatrixView<float> grad_x(wide_grad_x.data(), 2, 3, Eigen::OuterStride<>(4));

    run_forward<float>(layer, wide_x.leftCols(3), y);
    run_backward<float>(layer, wide_x.leftCols(3), y, wide_grad_y.rightCols(2), grad_x);
    CHECK(wide_y == Matrix<float>{{8, 18, 99, 99}, {14, 33, 99, 99}});
    CHECK(wide_grad_x == Matrix<float>{{-3, -3, -3, 99}, {4, 6.5F, 9, 99}});
    CHECK(layer.weight().grad() == Matrix<float>{{5, 2, -1}, {0, 0.5F, 1}});
}

TEST_CASE_TEMPLATE("Linear: grad_x in place of x is grad_x, also through the layer before, in rows that lie apart",
                   Scalar, float, double) {
    gacc::Rng rng(5);
    for (const Index samples : {1, 33, 200}) {
        const Index in = 75, out = 6, stride = 80;
        Linear<Scalar> layer(in, out), over(in, out);
        const auto weights = random_matrix<Scalar>(rng, out, in);
        layer.weight().set_value(weights);
        over.weight().set_value(weights);
        const Matrix<Scalar> x = random_matrix<Scalar>(rng, samples, in).cwiseMax(0);
        const auto grad_y = random_matrix<Scalar>(rng, samples, out);
        const auto y = forward(layer, x);

        const auto grad_x = backward(layer, x, grad_y);
        Matrix<Scalar> grad_before(samples, in);
        gacc::ReLU<Scalar> relu;
        run_backward<Scalar>(relu, x, x, grad_x, view_of(grad_before));

        const auto in_place_of_x = [&](gacc::Layer<Scalar>* before) {
            Matrix<Scalar> wide = Matrix<Scalar>::Constant(samples, stride, 99);
            wide.leftCols(in) = x;
            const gacc::MatrixView<Scalar> place(wide.data(), samples, in, Eigen::OuterStride<>(stride));
            gacc::Backward<Scalar> call{place, y, samples, gacc::ConstMatrixView<Scalar>(nullptr, 0, 0), grad_y, place, {}};
            call.before = before;
            over.backward(call);
            CHECK((wide.rightCols(stride - in).array() == 99).all());
            return Matrix<Scalar>(wide.leftCols(in));
        };
        CHECK(bytes_of(in_place_of_x(nullptr)) == bytes_of(grad_x));
        CHECK(bytes_of(in_place_of_x(&relu)) == bytes_of(grad_before));
        backward(layer, x, grad_y);
        CHECK(bytes_of(over.weight().grad()) == bytes_of(layer.weight().grad()));
    }
}

TEST_CASE("Linear: the gradients are those of central differences") {
    gacc::Rng rng(4);
    for (int shape = 0; shape < 120; ++shape) {
        // Every width and batch of 1 comes often; the others reach beyond one tile of a kernel.
        const auto in_features = static_cast<Index>(shape % 4 == 0 ? 1 : 1 + rng.below(21));
        const auto out_features = static_cast<Index>(shape % 4 == 1 ? 1 : 1 + rng.below(21));
        const auto samples = static_cast<Index>(shape % 4 == 2 ? 1 : 1 + rng.below(15));
        CAPTURE(in_features);
        CAPTURE(out_features);
        CAPTURE(samples);
        Linear<double> layer(in_features, out_features, {.initialization = gacc::Initialization::uniform_fan_in});
        layer.initialize(rng);
        const auto x = random_matrix<double>(rng, samples, in_features);
        CHECK(worst_gradient_error(layer, x, rng) < 1e-8);  // the gradients are about 1
    }
}

TEST_CASE("Linear: gradients in a model, and the same bytes for any shape and cut") {
    gacc::Rng rng(9);
    for (int trial = 0; trial < 100; ++trial) {
        const gacc::Shape shape = random_shape(rng, 1 + trial % 2);
        const Index out = trial % 4 == 0 ? 1 : 1 + static_cast<Index>(rng.below(40));
        const bool bias = trial % 3 != 0;
        check_layer([&]<class S>() { return Linear<S>(shape.back(), out, {.bias = bias}); }, shape, rng);
    }
}

TEST_CASE("Linear: in float it is the layer in double, but for rounding") {
    gacc::Rng rng(5);
    for (int shape = 0; shape < 50; ++shape) {
        const auto in = static_cast<Index>(1 + rng.below(70)), out = static_cast<Index>(1 + rng.below(40));
        const auto samples = static_cast<Index>(1 + rng.below(40));
        Linear<float> single(in, out);
        Linear<double> exact(in, out);
        const auto weight = random_matrix<float>(rng, out, in), bias = random_matrix<float>(rng, 1, out);
        const auto x = random_matrix<float>(rng, samples, in), grad_y = random_matrix<float>(rng, samples, out);
        single.weight().set_value(weight);
        single.bias().set_value(bias);
        exact.weight().set_value(weight.cast<double>());
        exact.bias().set_value(bias.cast<double>());

        // Sums of up to 71 products of numbers below 1: at most 71 roundings of 71 * 6e-8, and in practice far fewer.
        const double rounding = 2e-5;
        const auto far = [](const Matrix<float>& a, const Matrix<double>& b) {
            return (a.cast<double>() - b).cwiseAbs().maxCoeff();
        };
        const Matrix<double> exact_x = x.cast<double>(), exact_grad_y = grad_y.cast<double>();
        CHECK(far(forward(single, x), forward(exact, exact_x)) < rounding);
        CHECK(far(backward(single, x, grad_y), backward(exact, exact_x, exact_grad_y)) < rounding);
        CHECK(far(single.weight().grad(), exact.weight().grad()) < rounding);
        CHECK(far(single.bias().grad(), exact.bias().grad()) < rounding);
    }
}

TEST_CASE("Linear: says what it is") {
    Linear layer(784, 128);
    CHECK(layer.description() == "Linear(784 -> 128)");
    CHECK(layer.input_shape() == gacc::Shape{784});
    const gacc::LayerPlan plan = layer.plan({784}), of_tokens = layer.plan({64, 784});
    CHECK(plan.y == gacc::Shape{128});
    CHECK(of_tokens.y == gacc::Shape{64, 128});
    CHECK(plan.work == 784 * 128 + 128);
    CHECK(of_tokens.work == 64 * (784 * 128 + 128));
    CHECK(plan.reads_x);
    CHECK_FALSE(plan.reads_y);
    CHECK(plan.overwrites_x);
}

TEST_CASE("Linear: its parameters are weight, out x in, and bias, out") {
    Linear layer(784, 128);
    const auto parameters = layer.parameters();
    REQUIRE(parameters.size() == 2);
    CHECK(parameters[0] == &layer.weight());
    CHECK(parameters[1] == &layer.bias());
    CHECK(layer.weight().name() == "weight");
    CHECK(layer.bias().name() == "bias");
    CHECK(layer.weight().shape() == gacc::Shape{128, 784});
    CHECK(layer.bias().shape() == gacc::Shape{128});
}

TEST_CASE("Linear: He's normal weights have deviation sqrt(2 / in), and the biases are zero") {
    Linear<double> layer(100, 5000);
    gacc::Rng rng(6);
    layer.initialize(rng);
    const Moments moments(layer.weight().value());  // of 500,000 numbers
    const double deviation = std::sqrt(2.0 / 100);
    // Glorot's sqrt(1 / in) is 30 % less, so 0.3 %: three standard errors. A uniform kurtosis is 1.2 less, so 0.012.
    CHECK(std::abs(moments.deviation / deviation - 1) < 0.003);
    CHECK(std::abs(moments.mean / deviation) < 0.005);
    CHECK(std::abs(moments.kurtosis - 3) < 0.012);
    CHECK(layer.bias().value() == Matrix<double>::Zero(1, 5000));
}

TEST_CASE("Linear: uniform_fan_in spreads weights and biases over ±1 / sqrt(in)") {
    Linear<double> layer(100, 5000, {.initialization = gacc::Initialization::uniform_fan_in});
    gacc::Rng rng(7);
    layer.initialize(rng);
    const double bound = 0.1;
    for (auto* parameter : layer.parameters()) {
        CAPTURE(parameter->name());
        const Matrix<double> value = parameter->value();
        CHECK(value.cwiseAbs().maxCoeff() <= bound);
        CHECK(value.maxCoeff() > 0.998 * bound);  // the largest of 5,000 misses the bound by a 2,500th of it
        CHECK(value.minCoeff() < -0.998 * bound);
    }
    const Moments moments(layer.weight().value());
    CHECK(std::abs(moments.deviation / (bound / std::sqrt(3)) - 1) < 0.002);
    CHECK(std::abs(moments.mean / bound) < 0.005);
    CHECK(std::abs(moments.kurtosis - 1.8) < 0.012);
}

TEST_CASE("Linear: gpt2 draws normal weights with deviation 0.02, and initial_scale multiplies them") {
    for (const double scale : {1.0, 0.25}) {
        Linear<double> layer(100, 5000, {.initialization = gacc::Initialization::gpt2, .initial_scale = scale});
        gacc::Rng rng(9);
        layer.initialize(rng);
        const Moments moments(layer.weight().value());
        CHECK(std::abs(moments.deviation / (0.02 * scale) - 1) < 0.003);
        CHECK(std::abs(moments.kurtosis - 3) < 0.012);
        CHECK(layer.bias().value() == Matrix<double>::Zero(1, 5000));
    }
    Linear<double> uniform(10, 300, {.initialization = gacc::Initialization::uniform_fan_in, .initial_scale = 0.5});
    gacc::Rng rng(9);
    uniform.initialize(rng);
    CHECK(uniform.weight().value().cwiseAbs().maxCoeff() <= 0.5 * std::sqrt(0.1));
    CHECK(uniform.bias().value().cwiseAbs().maxCoeff() > 0.9 * std::sqrt(0.1));
}

TEST_CASE("Linear: initialize draws W row by row, then b") {
    Linear<double> layer(2, 3, {.initialization = gacc::Initialization::uniform_fan_in});
    gacc::Rng rng(8), same(8);
    layer.initialize(rng);
    const auto expected = random_matrix<double>(same, 4, 3, -std::sqrt(0.5), std::sqrt(0.5));  // nine numbers are used
    const Matrix<double> weight = layer.weight().value(), bias = layer.bias().value();
    for (Index i = 0; i < 6; ++i) {
        CHECK(weight(i / 2, i % 2) == doctest::Approx(expected(i / 3, i % 3)).epsilon(1e-12));
    }
    for (Index i = 0; i < 3; ++i) { CHECK(bias(0, i) == doctest::Approx(expected(2, i)).epsilon(1e-12)); }
    CHECK(rng.drawn() == 2 * 9);  // words
}

TEST_CASE("Linear: the same seed gives the same values, another seed others, and float rounds what double draws") {
    const auto drawn = [](auto layer, std::uint64_t seed) {
        gacc::Rng rng(seed);
        layer.initialize(rng);
        return layer.weight().value();
    };
    for (const auto how : {gacc::Initialization::he_normal, gacc::Initialization::uniform_fan_in}) {
        const auto values = drawn(Linear<float>(7, 5, {.initialization = how}), 9);
        CHECK(values == drawn(Linear<float>(7, 5, {.initialization = how}), 9));
        CHECK(values != drawn(Linear<float>(7, 5, {.initialization = how}), 10));
        CHECK(values == drawn(Linear<double>(7, 5, {.initialization = how}), 9).cast<float>());
    }
}

TEST_CASE("Linear: initialize leaves the gradients as they are") {
    auto layer = small_layer<float>();
    layer.weight().set_grad(Matrix<float>{{1, 2, 3}, {4, 5, 6}});
    gacc::Rng rng(11);
    layer.initialize(rng);
    CHECK(layer.weight().grad() == Matrix<float>{{1, 2, 3}, {4, 5, 6}});
}

TEST_CASE("Linear: a size below 1 is an error") {
    CHECK_THROWS_WITH_AS(Linear(0, 3), "gacc: Linear: expected 1 or more features, got 0", gacc::ShapeError);
    CHECK_THROWS_WITH_AS(Linear(3, 0), "gacc: Linear: expected 1 or more features, got 0", gacc::ShapeError);
    CHECK_THROWS_WITH_AS(Linear(-5, 3), "gacc: Linear: expected 1 or more features, got -5", gacc::ShapeError);
}

TEST_CASE("Linear: samples of another width are an error") {
    const Linear layer(784, 128);
    CHECK_THROWS_WITH_AS(layer.plan({785}),
                         "gacc: Linear(784 -> 128): expected samples whose last size is 784, got samples of shape 785",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(
        layer.plan({784, 10}),
        "gacc: Linear(784 -> 128): expected samples whose last size is 784, got samples of shape 784 x 10",
        gacc::ShapeError);
    CHECK_THROWS_AS(layer.plan({}), gacc::ShapeError);
}

TEST_CASE("Linear: without a bias y is x Wᵀ, weight is the only parameter, and bias() is an error") {
    Linear layer(3, 2, {.bias = false});
    layer.weight().set_value(Matrix<float>{{1, 2, 3}, {4, 5, 6}});
    const Matrix<float> x{{1, 0, -1}, {2, 1, 0}}, grad_y{{1, -1}, {2, 0.5F}};
    CHECK(forward(layer, x) == Matrix<float>{{-2, -2}, {4, 13}});
    CHECK(backward(layer, x, grad_y) == Matrix<float>{{-3, -3, -3}, {4, 6.5F, 9}});
    CHECK(layer.weight().grad() == Matrix<float>{{5, 2, -1}, {0, 0.5F, 1}});
    CHECK(layer.parameters().size() == 1);
    CHECK(layer.plan({3}).work == 6);
    CHECK_THROWS_WITH_AS(layer.bias(), "gacc: Linear(3 -> 2): expected a layer with a bias, got one with .bias = false",
                         gacc::UsageError);
    gacc::Rng rng(1), same(1);
    layer.initialize(rng);
    Linear with_bias(3, 2);
    with_bias.initialize(same);
    CHECK(layer.weight().value() == with_bias.weight().value());
}

TEST_CASE("Linear: adds the tiles of grad_x to what is there, if it is told to") {
    auto layer = small_layer<float>();
    const Matrix<float> x{{1, 0, -1}, {2, 1, 0}}, grad_y{{1, -1}, {2, 0.5F}}, y = forward(layer, x);
    Matrix<float> grad_x{{100, 200, 300}, {400, 500, 600}};
    gacc::Backward<float> call{x, y, 2, gacc::ConstMatrixView<float>(nullptr, 0, 0), grad_y, view_of(grad_x), {}};
    call.adds = true;
    layer.backward(call);
    CHECK(grad_x == Matrix<float>{{97, 197, 297}, {404, 506.5F, 609}});
}

TEST_CASE("Linear: values of another shape are an error, and change nothing") {
    auto layer = small_layer<float>();
    CHECK_THROWS_WITH_AS(layer.weight().set_value(Matrix<float>::Zero(3, 2)),
                         "gacc: weight: expected a matrix of 2 x 3, got 3 x 2", gacc::ShapeError);
    CHECK_THROWS_WITH_AS(layer.bias().set_value(Matrix<float>::Zero(2, 1)),
                         "gacc: bias: expected a matrix of 1 x 2, got 2 x 1", gacc::ShapeError);
    CHECK(layer.weight().value() == Matrix<float>{{1, 2, 3}, {4, 5, 6}});
    CHECK(layer.bias().value() == Matrix<float>{{10, 20}});
}

TEST_CASE("Linear: one that no memory can hold is refused by name and bytes") {
    if constexpr (sizeof(Index) == 8) {
        CHECK_THROWS_WITH_AS(Linear<float>(Index{1} << 62, 5),
                             "gacc: Linear(4611686018427387904 -> 5): expected memory for more than "
                             "9,223,372,036,854,775,807 bytes of weight, got none; use smaller sizes",
                             gacc::MemoryError);
        CHECK_THROWS_WITH_AS(Linear<double>(1 << 30, 1 << 20),
                             "gacc: Linear(1073741824 -> 1048576): expected memory for 9,007,199,254,740,992 bytes of "
                             "weight, got none; use smaller sizes",
                             gacc::MemoryError);
    }
    CHECK_THROWS_AS(Linear<float>(5, std::numeric_limits<Index>::max()), gacc::MemoryError);
    CHECK_NOTHROW(Linear<float>(62, 5));
}

}  // namespace linear_test
