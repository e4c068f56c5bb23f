#include <gacc/layers/embedding.hpp>
#include <gacc/layers/flatten.hpp>
#include <gacc/layers/position_embedding.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace embedding_test {

using namespace gacc::test;
using gacc::Embedding;
using gacc::Index;
using gacc::Matrix;
using gacc::PositionEmbedding;
using gacc::Sequential;
using gacc::Shape;

TEST_CASE("Embedding: y is a row of weights for every token, and gradients go to these rows") {
    Embedding layer(3, 2);
    layer.weight().set_value(Matrix<float>{{1, 2}, {3, 4}, {5, 6}});
    Sequential<float> model;
    model.add(gacc::Input(3));
    model.add(layer);
    const Matrix<float> x{{2, 0, 2}, {1, 1, 0}};
    CHECK(model.forward(x) == Matrix<float>{{5, 6}, {1, 2}, {5, 6}, {3, 4}, {3, 4}, {1, 2}});
    const Matrix<float> grad_y{{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 50}, {6, 60}};
    const std::vector<float> ones(6, 1);
    model.backward({grad_y, ones});
    CHECK(model.parameters()[0].grad() == Matrix<float>{{8, 80}, {9, 90}, {4, 40}});
    CHECK(model.parameters().tally().samples() == 2);
    CHECK(model.parameters().tally().weight() == 6);
    CHECK(model.output_shape() == Shape{3, 2});
}

TEST_CASE("Embedding: what is no token is an error that says so") {
    Sequential<float> model;
    model.add(gacc::Input(1));
    model.add(Embedding(3, 2));
    for (const float bad : {3.0F, -1.0F, 0.5F}) {
        const Matrix<float> x = Matrix<float>::Constant(1, 1, bad);
        CHECK_THROWS_WITH_AS(model.predict(x),
                             ("gacc: Embedding(3, 2): expected tokens from 0 to 2, got " + gacc::detail::text(bad)).c_str(),
                             gacc::DataError);
    }
    CHECK_THROWS_WITH_AS(
        Embedding(3, 2).plan({4, 4}),
        "gacc: Embedding(3, 2): expected samples with one size, their tokens, got samples of shape 4 x 4",
        gacc::ShapeError);
    CHECK_THROWS_WITH_AS(Embedding(0, 2), "gacc: Embedding: expected sizes of 1 or more, got 0", gacc::ShapeError);
}

TEST_CASE("Embedding: gradients of central differences, and the same bytes for every cut and any threads") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        const Index vocabulary = 1 + static_cast<Index>(rng.below(50)), features = 1 + static_cast<Index>(rng.below(40));
        const Index tokens = rng.below(4) == 0 ? 1 : 1 + static_cast<Index>(rng.below(9));
        const auto check = [&]<class S>(Index samples) {
            Sequential<S> model(gacc::Input(tokens), Embedding<S>(vocabulary, features),
                                PositionEmbedding<S>(tokens, features), gacc::Linear<S>(features, 5));
            model.initialize(rng);
            Matrix<S> x(samples, tokens);
            for (Index i = 0; i < x.size(); ++i) {
                x.data()[i] = static_cast<S>(rng.below(static_cast<std::uint64_t>(vocabulary)));
            }
            check_model(model, x, rng);
        };
        check.template operator()<double>(2);
        check.template operator()<float>(1 + static_cast<Index>(rng.below(40)));
    }
}

TEST_CASE("Embedding: first weights are normal with the deviation that is asked for") {
    for (const double deviation : {1.0, 0.02}) {
        gacc::Embedding<double> layer(500, 200, {.deviation = deviation});
        gacc::Rng rng(3);
        layer.initialize(rng);
        const Matrix<double> value = layer.weight().value();
        CHECK(std::abs(std::sqrt(value.squaredNorm() / 1e5) / deviation - 1) < 0.01);  // of 100,000: 0.2 %
    }
}

TEST_CASE("PositionEmbedding: adds a row for every position; gradients for any shape and cut") {
    PositionEmbedding layer(3, 2);
    layer.weight().set_value(Matrix<float>{{1, 2}, {3, 4}, {5, 6}});
    CHECK(forward(layer, Matrix<float>{{0, 0}, {10, 10}, {1, 1}, {1, 1}}, {2, 2}) ==
          Matrix<float>{{1, 2}, {13, 14}, {2, 3}, {4, 5}});
    gacc::Rng rng(2);
    for (int trial = 0; trial < 100; ++trial) {
        const Shape shape = random_shape(rng, 2);
        check_layer([&]<class S>() { return PositionEmbedding<S>(shape[0] + 1, shape[1]); }, shape, rng);
    }
    CHECK_THROWS_WITH_AS(layer.plan({4, 2}),
                         "gacc: PositionEmbedding(3, 2): expected samples of at most 3 x 2, got samples of shape 4 x 2",
                         gacc::ShapeError);
}

TEST_CASE("Flatten: an image gives channel after channel, as PyTorch's; gradients for any shape and cut") {
    const gacc::Flatten<float> layer;
    const Matrix<float> x{{1, 10}, {2, 20}, {3, 30}, {4, 40}};  // 2 x 2 pixels with 2 channels
    CHECK(forward(layer, x, {2, 2, 2}) == Matrix<float>{{1, 2, 3, 4, 10, 20, 30, 40}});
    CHECK(forward(layer, x, {4, 2}) == Matrix<float>{{1, 10, 2, 20, 3, 30, 4, 40}});
    gacc::Rng rng(3);
    for (int trial = 0; trial < 100; ++trial) {
        check_layer([]<class S>() { return gacc::Flatten<S>(); }, random_shape(rng, 1 + trial % 3), rng);
    }
}

}  // namespace embedding_test
