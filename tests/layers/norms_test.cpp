#include <gacc/layers/batch_norm.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/rms_norm.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace norms_test {

using namespace gacc::test;
using gacc::GroupNorm;
using gacc::Index;
using gacc::LayerNorm;
using gacc::Matrix;
using gacc::RMSNorm;
using gacc::Shape;

namespace {

template <class L>
L initialized(L layer) {
    gacc::Rng rng(1);
    layer.initialize(rng);
    return layer;
}

}  // namespace

TEST_CASE("LayerNorm: an example by hand") {
    auto layer = initialized(LayerNorm<double>(3, {.epsilon = 0}));
    layer.weight().set_value(Matrix<double>{{1, 2, 3}});
    layer.parameters()[1]->set_value(Matrix<double>{{10, 20, 30}});
    const double step = std::sqrt(1.5);  // 1 / deviation of 1, 2, 3
    const auto y = forward(layer, Matrix<double>{{1, 2, 3}, {6, 4, 2}});
    CHECK((y - Matrix<double>{{10 - step, 20, 30 + 3 * step}, {10 + step, 20, 30 - 3 * step}}).cwiseAbs().maxCoeff() <
          1e-14);
    CHECK(layer.parameters().size() == 2);
    CHECK(LayerNorm<double>(3, {.bias = false}).parameters().size() == 1);
}

TEST_CASE("RMSNorm: an example by hand") {
    auto layer = initialized(RMSNorm<double>(2, {.epsilon = 0}));
    layer.weight().set_value(Matrix<double>{{1, 10}});
    const auto y = forward(layer, Matrix<double>{{3, 4}});
    const double root = std::sqrt(12.5);
    CHECK((y - Matrix<double>{{3 / root, 40 / root}}).cwiseAbs().maxCoeff() < 1e-14);
    CHECK(layer.parameters().size() == 1);
}

TEST_CASE("GroupNorm: an example by hand, over the rows of a sample") {
    const auto layer = initialized(GroupNorm<double>(2, 2, {.epsilon = 0}));
    const Matrix<double> x{{1, 10}, {3, 20}, {0, 5}, {4, 5.5}};  // two samples of two rows
    const auto y = forward(layer, x, {2, 2});
    CHECK((y - Matrix<double>{{-1, -1}, {1, 1}, {-1, -1}, {1, 1}}).cwiseAbs().maxCoeff() < 1e-13);
}

TEST_CASE("norms: gradients of central differences, and the same bytes for every cut") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 100; ++trial) {
        Shape shape = random_shape(rng, 1 + trial % 2);
        shape.back() += 1;  // of one number the gradient is 0 but for epsilon, and its differences are not
        const Index features = shape.back();
        check_layer([&]<class S>() { return LayerNorm<S>(features, {.epsilon = 1}); }, shape, rng);
        check_layer([&]<class S>() { return LayerNorm<S>(features, {.epsilon = 1, .bias = false}); }, shape, rng);
        check_layer([&]<class S>() { return RMSNorm<S>(features, {.epsilon = 1}); }, shape, rng);
        const Index groups = 1 + static_cast<Index>(rng.below(3));
        shape.back() = groups * features;
        check_layer([&]<class S>() { return GroupNorm<S>(groups, groups * features, {.epsilon = 1}); }, shape, rng);
    }
}

TEST_CASE("FrozenBatchNorm: y is scaled by the given statistics, for every cut") {
    const gacc::FrozenBatchNorm<double> layer({2, 1}, {1, 0}, {3, 5}, {4, 1}, 0);
    CHECK(forward(layer, Matrix<double>{{3, 5}, {5, 6}}) == Matrix<double>{{1, 0}, {3, 1}});
    gacc::Rng rng(3);
    for (int trial = 0; trial < 100; ++trial) {
        const Shape shape = random_shape(rng, 1 + trial % 2);
        std::vector<double> ones(static_cast<std::size_t>(shape.back()), 1), others;
        for (std::size_t i = 0; i < ones.size(); ++i) { others.push_back(static_cast<double>(i) + 0.5); }
        check_layer([&]<class S>() { return gacc::FrozenBatchNorm<S>(others, ones, others, others); }, shape, rng);
    }
}

TEST_CASE("FrozenBatchNorm: each feature has its own statistics, also where a Linear puts tiles of gradients") {
    constexpr Index features = 100;
    std::vector<double> weight, zeros(features, 0), ones(features, 1);
    for (Index i = 0; i < features; ++i) { weight.push_back(static_cast<double>(i + 1)); }
    gacc::Sequential model(gacc::Linear<double>(1, features),
                           gacc::FrozenBatchNorm<double>(weight, zeros, zeros, ones, 0),
                           gacc::Linear<double>(features, 1));
    auto parameters = model.parameters();
    parameters[0].set_value(Matrix<double>::Ones(features, 1));
    parameters[2].set_value(Matrix<double>::Ones(1, features));
    for (const Index samples : {1, 20}) {
        const Matrix<double> x = Matrix<double>::Constant(samples, 1, 2), grad_y = Matrix<double>::Ones(samples, 1);
        parameters.zero_grad();
        CHECK(model.forward(x)(samples - 1, 0) == 2 * 5050);
        model.backward({grad_y, std::vector<double>(static_cast<std::size_t>(samples), 1)});
        const Matrix<double> grad = parameters[0].grad();
        for (Index i = 0; i < features; ++i) {
            CAPTURE(i);
            CHECK(grad(i, 0) == static_cast<double>(samples) * 2 * weight[static_cast<std::size_t>(i)]);
        }
    }
}

TEST_CASE("norms: what they cannot be made of, or take, is an error") {
    CHECK_THROWS_WITH_AS(LayerNorm(0), "gacc: LayerNorm: expected 1 or more features, got 0", gacc::ShapeError);
    CHECK_THROWS_WITH_AS(RMSNorm(3, {.epsilon = -1}), "gacc: RMSNorm: expected a finite epsilon of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(GroupNorm(3, 32),
                         "gacc: GroupNorm: expected groups that divide the channels, got 3 groups of 32 channels",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(LayerNorm(8).plan({4, 7}),
                         "gacc: LayerNorm(8): expected samples whose last size is 8, got samples of shape 4 x 7",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(gacc::FrozenBatchNorm<float>({1}, {1}, {1}, {-1}),
                         "gacc: FrozenBatchNorm: expected finite numbers and a variance larger than 0, got weight 1, "
                         "bias 1, mean 1 and variance -1 of feature 0",
                         gacc::UsageError);
}

}  // namespace norms_test
