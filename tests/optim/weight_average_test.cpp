#include <gacc/optim/weight_average.hpp>

#include <gacc/accumulation/plan.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

namespace weight_average_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::WeightAverage;

namespace {

template <class Scalar>
std::vector<Matrix<Scalar>> values(const gacc::Parameters<Scalar>& parameters) {
    std::vector<Matrix<Scalar>> all;
    for (const auto& each : parameters) { all.push_back(each.value()); }
    return all;
}

}  // namespace

TEST_CASE("WeightAverage: is the first weights, and then moves a part of the way to each") {
    GivenGradients<double> subject;
    subject.set_values(8);
    gacc::SGD sgd(subject.parameters, {.learning_rate = 1});
    WeightAverage average(sgd, {.decay = 0.75});
    double expected = 0;
    for (int step = 1; step <= 5; ++step) {
        subject.give_constant(1, 2);
        sgd.step();
        CHECK(average.update());
        const double value = 8 - 2 * step;
        expected = step == 1 ? value : expected + 0.25 * (value - expected);
        average.swap();
        CHECK(average.in_model());
        CHECK(subject.value() == expected);
        average.swap();
        CHECK(subject.value() == value);
        CHECK(average.updates() == step);
        sgd.zero_grad();
    }
}

TEST_CASE_TEMPLATE("WeightAverage: follows the formula", Scalar, float, double) {
    GivenGradients<Scalar> subject;
    gacc::Rng rng(3);
    for (auto& each : subject.parameters) { each.set_value(random_matrix<Scalar>(rng, each.rows(), each.cols())); }
    gacc::SGD<Scalar> sgd(subject.parameters, {.learning_rate = 0.3});
    WeightAverage<Scalar> average(sgd, {.decay = 0.9});
    std::vector<Matrix<double>> expected;
    for (int step = 0; step < 30; ++step) {
        subject.give(1, [&](const auto& each) { return random_matrix<Scalar>(rng, each.rows(), each.cols()); });
        sgd.step();
        sgd.zero_grad();
        average.update();
        for (std::size_t i = 0; i < subject.parameters.size(); ++i) {
            const Matrix<double> value = subject.parameters[i].value().template cast<double>();
            if (step == 0) {
                expected.push_back(value);
            } else {
                expected[i] = 0.9 * expected[i] + 0.1 * value;
            }
        }
    }
    average.swap();
    for (std::size_t i = 0; i < subject.parameters.size(); ++i) {
        const double largest =
            (subject.parameters[i].value().template cast<double>() - expected[i]).cwiseAbs().maxCoeff();
        CHECK(largest < 20 * std::numeric_limits<Scalar>::epsilon());  // 30 roundings of numbers up to 3
    }
}

TEST_CASE("WeightAverage: is updated once a step, however often it is told") {
    GivenGradients<float> subject;
    subject.set_values(1);
    gacc::SGD<float> sgd(subject.parameters, {.learning_rate = 0.5});
    WeightAverage<float> average(sgd, {.decay = 0.5});
    CHECK_FALSE(average.update());
    for (int step = 0; step < 2; ++step) {
        subject.give_constant(1, 1);
        sgd.step();
        sgd.zero_grad();
        CHECK(average.update());
        for (int again = 0; again < 3; ++again) { CHECK_FALSE(average.update()); }
    }
    CHECK(average.updates() == 2);
    average.swap();
    CHECK(subject.value() == 0.25);  // half way from 0.5 to 0
}

TEST_CASE("WeightAverage: the cut and the number of threads change not one bit") {
    gacc::Rng data(5);
    const Matrix<float> x = random_matrix<float>(data, 24, 300);
    std::vector<gacc::Label> labels;
    for (int i = 0; i < 24; ++i) { labels.push_back(static_cast<gacc::Label>(data.below(7))); }
    const auto train = [&](Index micro_batch, int threads) {
        gacc::set_threads(threads);
        gacc::Sequential<float> model(gacc::Linear<float>(300, 201), gacc::ReLU<float>(), gacc::Linear<float>(201, 7));
        gacc::Rng rng(1);
        model.initialize(rng);
        gacc::SoftmaxCrossEntropy<float> loss;
        gacc::Adam<float> adam(model.parameters());
        WeightAverage<float> average(adam, {.decay = 0.6});
        for (int step = 0; step < 4; ++step) {
            for (Index first = 0; first < 24; first += micro_batch) {
                const Index count = std::min<Index>(micro_batch, 24 - first);
                const auto own = std::span(labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
                loss.forward(model.forward(x.middleRows(first, count)), own);
                model.backward(loss.backward());
                average.update();  // too often
            }
            adam.step();
            adam.zero_grad();
            average.update();
        }
        gacc::set_threads(1);
        return average.state();
    };
    const gacc::State expected = train(24, 1);
    CHECK(train(24, 1) == expected);
    for (const int threads : {1, 2, 3}) {
        CHECK(train(5, threads) == expected);
        CHECK(train(1, threads) == expected);
    }
}

TEST_CASE("WeightAverage: a checkpoint keeps it, also while the averages are in the model") {
    const TemporaryFolder folder;
    for (const bool swapped : {false, true}) {
        GivenGradients<float> subject, other;
        gacc::Rng rng(2), other_rng(9);
        for (auto& each : subject.parameters) { each.set_value(random_matrix<float>(rng, each.rows(), each.cols())); }
        gacc::Adam<float> adam(subject.parameters), other_adam(other.parameters);
        WeightAverage<float> average(adam, {.decay = 0.5}), other_average(other_adam, {.decay = 0.5});
        gacc::DataPosition position, other_position;
        gacc::Checkpoint checkpoint(adam, rng, position), resumed(other_adam, other_rng, other_position);
        checkpoint.keep("average", average);
        resumed.keep("average", other_average);
        const auto step = [](auto& of, auto& optimizer, auto& its_average) {
            of.give_constant(1, 0.5);
            optimizer.step();
            optimizer.zero_grad();
            its_average.update();
        };
        step(subject, adam, average);
        step(subject, adam, average);
        if (swapped) { average.swap(); }
        checkpoint.save(folder.path() / "run.safetensors");
        resumed.load(folder.path() / "run.safetensors");
        CHECK(other_average.in_model() == swapped);
        if (swapped) {
            average.swap();
            other_average.swap();
        }
        step(subject, adam, average);
        step(other, other_adam, other_average);
        CHECK(average.state() == other_average.state());
        CHECK(values(subject.parameters) == values(other.parameters));
    }
}

TEST_CASE("WeightAverage: a state of other weights is refused, and changes nothing") {
    GivenGradients<float> subject;
    subject.set_values(1);
    gacc::SGD<float> sgd(subject.parameters);
    WeightAverage<float> average(sgd);
    const gacc::State before = average.state();
    for (gacc::State wrong : {gacc::State(before.begin(), before.end() - 1), gacc::State{}, before}) {
        if (wrong.size() == before.size()) { wrong[2] = 2; }
        CHECK_THROWS_WITH_AS(average.set_state(wrong),
                             "gacc: WeightAverage: expected the state of an average of these weights, got other words",
                             gacc::DataError);
        CHECK(average.state() == before);
    }
}

TEST_CASE("WeightAverage: training on the averages is refused") {
    GivenGradients<float> subject;
    gacc::SGD<float> sgd(subject.parameters);
    WeightAverage<float> average(sgd);
    average.swap();
    CHECK_THROWS_WITH_AS(average.update(),
                         "gacc: WeightAverage::update: expected the model to have its own weights, got the averages; call "
                         "swap() before you train on",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(WeightAverage<float>(sgd, {.decay = 1}),
                         "gacc: WeightAverage: expected a decay from 0 up to, not including, 1, got 1", gacc::UsageError);
    CHECK_THROWS_AS(WeightAverage<float>(sgd, {.decay = -0.1}), gacc::UsageError);
}

TEST_CASE("WeightAverage: takes the memory that it says and the plan counts") {
    gacc::Sequential<float> model(gacc::Linear<float>(30, 20), gacc::Linear<float>(20, 7));
    const gacc::SoftmaxCrossEntropy<float> loss;
    gacc::Adam<float> adam(model.parameters());
    const auto kind = gacc::memory::Kind::moments;
    const std::size_t before = gacc::memory::live()[kind];
    const WeightAverage<float> average(adam);
    CHECK(gacc::memory::live()[kind] - before == average.state_bytes());
    const auto without = gacc::plan({.batch_size = 8}, model, loss, adam), with = gacc::plan({.batch_size = 8}, model, loss, adam, average);
    CHECK(with.bytes[kind] == without.bytes[kind] + average.state_bytes());
}

}  // namespace weight_average_test
