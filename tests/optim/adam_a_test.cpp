#include <gacc/optim/adam_a.hpp>

#include <gacc/accumulation/folded_backward.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adamw.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace adam_a_test {

using gacc::AdamA;
using gacc::AdamAOptions;
using gacc::Index;
using gacc::Matrix;

namespace {

/// A model of three weights, whose gradients are its inputs.
template <class Scalar>
struct ThreeWeights {
    explicit ThreeWeights(const AdamAOptions& options) : optimizer(set(model), options), folded(model, optimizer) {}

    static gacc::Parameters<Scalar> set(gacc::Sequential<Scalar>& model) {
        model.parameters()[0].set_value(Matrix<Scalar>{{Scalar(1), Scalar(-0.5), Scalar(0.25)}});
        return model.parameters();
    }
    void backward(const Matrix<Scalar>& gradient, double weight) {
        const Matrix<Scalar> one = Matrix<Scalar>::Ones(1, 1);
        model.forward(gradient);
        folded.backward({one, std::vector<Scalar>{static_cast<Scalar>(weight)}});
    }

    gacc::Sequential<Scalar> model{gacc::Linear<Scalar>(3, 1, {.bias = false})};
    AdamA<Scalar> optimizer;
    gacc::FoldedBackward<Scalar> folded;
};

struct Point {
    int step;
    double values[3];
};
// Written by adam_a.py.
constexpr Point trajectory[] = {
    {1, {1.0046384840055667, -0.49068663372337884, 0.2379752029691396}},
    {2, {1.008289971067396, -0.4894816730927789, 0.2354713692221522}},
    {10, {0.991896394912999, -0.475279651648614, 0.21133158648672856}},
    {100, {0.8639653412815327, -0.5398059769830263, 0.12418055376542311}},
    {1000, {-0.052420394155624855, -1.3107094007160083, -0.7137512255287954}},
};

}  // namespace

TEST_CASE("AdamA: follows its authors' formula over 1,000 batches of unequal micro-batches") {
    ThreeWeights<double> training(
        {.learning_rate = 0.01, .beta2 = 0.99, .epsilon = 1e-3, .weight_decay = 0.01});
    const auto* point = trajectory;
    double worst = 0;
    for (int step = 1; step <= 1000; ++step) {
        const int micros = 1 + step % 4;
        double total = 0;
        for (int k = 0; k < micros; ++k) { total += 1 + (step + k) % 3; }
        training.optimizer.begin_batch(total);
        for (int k = 0; k < micros; ++k) {
            Matrix<double> gradient(1, 3);
            for (int i = 0; i < 3; ++i) { gradient(0, i) = ((7 * step + 3 * k + 5 * i + step * k) % 11 - 4.75) / 4; }
            training.backward(gradient, 1 + (step + k) % 3);
        }
        training.optimizer.step();
        training.optimizer.zero_grad();
        if (step != point->step) { continue; }
        const Matrix<double> value = training.model.parameters()[0].value();
        for (int i = 0; i < 3; ++i) { worst = std::max(worst, std::abs(value(0, i) - point->values[i])); }
        if (step < 1000) { ++point; }
    }
    CHECK(worst < 1e-12);
}

TEST_CASE_TEMPLATE("AdamA: a batch of one micro-batch is a step of AdamW, to the bit", Scalar, float, double) {
    ThreeWeights<Scalar> training({.learning_rate = 0.01, .weight_decay = 0.1});
    gacc::Sequential<Scalar> model(gacc::Linear<Scalar>(3, 1, {.bias = false}));
    gacc::AdamW<Scalar> adamw(ThreeWeights<Scalar>::set(model), {.learning_rate = 0.01, .weight_decay = 0.1});
    gacc::Rng rng(1);
    for (int step = 0; step < 20; ++step) {
        const auto gradient = gacc::test::random_matrix<Scalar>(rng, 1, 3);
        training.optimizer.begin_batch(3);
        training.backward(gradient, 3);
        const Matrix<Scalar> one = Matrix<Scalar>::Ones(1, 1);
        model.forward(gradient);
        model.backward({one, std::vector<Scalar>{3}});
        training.optimizer.step();
        training.optimizer.zero_grad();
        adamw.step();
        adamw.zero_grad();
    }
    CHECK(gacc::test::values_of(training.model.parameters()) == gacc::test::values_of(model.parameters()));
}

TEST_CASE("AdamA: v depends on the cut, and m does not") {
    // Two micro-batches of gradient 2, of a batch of 4: g = 1/2 + 1/2. v is half of 1², and Adam's is 1².
    ThreeWeights<double> training({.beta1 = 0, .beta2 = 0});
    training.optimizer.begin_batch(4);
    for (int k = 0; k < 2; ++k) { training.backward(Matrix<double>::Constant(1, 3, 2), 2); }
    CHECK(training.optimizer.moments()[0].stored[0] == 1);
    CHECK(training.optimizer.moments()[1].stored[0] == 0.5);
}

TEST_CASE("AdamA: its defaults are Adam's") {
    const AdamAOptions options;
    CHECK(options.learning_rate == 1e-3);
    CHECK(options.beta1 == 0.9);
    CHECK(options.beta2 == 0.999);
    CHECK(options.epsilon == 1e-8);
    CHECK(options.weight_decay == 0);
    CHECK(ThreeWeights<float>(options).optimizer.keep_slice(0, 0) == false);
}

TEST_CASE("AdamA: the weight of a batch must be known, and be right") {
    ThreeWeights<float> training({});
    const auto& one = Matrix<float>::Ones(1, 3);
    CHECK_THROWS_WITH_AS(training.backward(one, 2),
                         "gacc: AdamA: expected begin_batch() with the weight of the batch before its first backward, "
                         "got none",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(training.optimizer.begin_batch(0),
                         "gacc: AdamA::begin_batch: expected a weight larger than 0 that has an inverse in the range of "
                         "float, got 0",
                         gacc::UsageError);
    CHECK_THROWS_AS(training.optimizer.begin_batch(std::numeric_limits<double>::infinity()), gacc::UsageError);
    CHECK_THROWS_AS(training.optimizer.begin_batch(1e-40), gacc::UsageError);
    training.optimizer.begin_batch(4);
    training.backward(one, 2);
    CHECK_THROWS_WITH_AS(training.optimizer.step(),
                         "gacc: AdamA::step: expected a batch of the weight 4 that begin_batch() was given, got 2; fold "
                         "the rest of it, or load a checkpoint",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(training.optimizer.begin_batch(4),
                         "gacc: AdamA::begin_batch: expected step() with the batch before, whose gradients are in the "
                         "moments, got another batch; load a checkpoint to leave it out",
                         gacc::UsageError);
    training.backward(one, 2);
    CHECK_NOTHROW(training.optimizer.step());
    CHECK(training.optimizer.steps() == 1);
    training.optimizer.begin_batch(2);
    CHECK_THROWS_AS(training.backward(one, 2), gacc::UsageError);  // zero_grad() is missing
    training.optimizer.zero_grad();
    CHECK_NOTHROW(training.backward(one, 2));
}

TEST_CASE("AdamA: a batch cannot be left out by zero_grad()") {
    ThreeWeights<float> training({});
    training.optimizer.begin_batch(4);
    training.backward(Matrix<float>::Ones(1, 3), 2);
    training.optimizer.zero_grad();
    const auto text = "gacc: AdamA: expected the 1 micro-batches that are in the moments, got a tally of 0; they cannot be "
                      "taken out: load a checkpoint";
    CHECK_THROWS_WITH_AS(training.backward(Matrix<float>::Ones(1, 3), 2), text, gacc::UsageError);
    CHECK_THROWS_AS(training.optimizer.step(), gacc::UsageError);
}

TEST_CASE("AdamA: without a FoldedBackward, a step says what is missing") {
    gacc::Sequential<float> model(gacc::Linear(3, 1, {.bias = false}));
    AdamA<float> optimizer(ThreeWeights<float>::set(model));
    optimizer.begin_batch(1);
    const Matrix<float> x = Matrix<float>::Ones(1, 3), one = Matrix<float>::Ones(1, 1);
    model.forward(x);
    model.backward({one, std::vector<float>{1}});
    CHECK_THROWS_WITH_AS(optimizer.step(),
                         "gacc: AdamA: expected the 0 micro-batches that are in the moments, got a tally of 1; call "
                         "FoldedBackward::backward() in place of the model's",
                         gacc::UsageError);
}

TEST_CASE("AdamA: its state has the batch that has begun") {
    ThreeWeights<float> training({}), other({});
    training.optimizer.begin_batch(4);
    training.backward(Matrix<float>::Ones(1, 3), 2);
    other.optimizer.set_state(training.optimizer.state());
    CHECK(other.optimizer.state() == training.optimizer.state());
    CHECK_THROWS_AS(other.optimizer.begin_batch(4), gacc::UsageError);
    auto words = training.optimizer.state();
    words[words.size() - 3] = 0;  // a micro-batch of a batch that has not begun
    CHECK_THROWS_AS(other.optimizer.set_state(words), gacc::DataError);
    words = training.optimizer.state();
    words.back() = 2;  // neither 0 nor 1
    CHECK_THROWS_AS(other.optimizer.set_state(words), gacc::DataError);
    words.pop_back();
    CHECK_THROWS_AS(other.optimizer.set_state(words), gacc::DataError);
}

}  // namespace adam_a_test
