#include <gacc/model/sequential.hpp>

#include <gacc/layers/embedding.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/optim/adam.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace sequential_test {

using namespace gacc::test;
using gacc::ConstMatrixView;
using gacc::Index;
using gacc::Label;
using gacc::Linear;
using gacc::Matrix;
using gacc::MatrixView;
using gacc::ReLU;
using gacc::Sequential;

namespace {

/// y = tanh(x), as a user writes it. Its backward reads y.
template <bool InPlace = false>
class Tanh : public gacc::Layer<double> {
public:
    std::string description() const override { return "Tanh"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override {
        return {.y = x, .reads_x = false, .elementwise = InPlace};
    }
    void forward(gacc::Forward<double> call) const override { call.y = call.x.array().tanh(); }
    void backward(gacc::Backward<double> call) override {
        call.grad_x = call.grad_y.array() * (1 - call.y.array().square());
    }
};

/// A 5-7-6-4 perceptron with first values.
Sequential<float> perceptron(std::uint64_t seed = 1) {
    Sequential model(Linear(5, 7), ReLU(), Linear(7, 6), ReLU(), Linear(6, 4));
    gacc::Rng rng(seed);
    model.initialize(rng);
    return model;
}

/// A gradient for model.backward, with weight 1 for each sample.
template <class Scalar>
gacc::LossGradient<Scalar> gradient_of(const Matrix<Scalar>& grad_y, const std::vector<Scalar>& ones) {
    return {grad_y, std::span(ones).first(static_cast<std::size_t>(grad_y.rows()))};
}

/// The largest absolute error of a model's gradients, for the function sum of (grad_y * outputs) with a random grad_y.
double worst_model_error(Sequential<double>& model, const Matrix<double>& x, gacc::Rng& rng) {
    const auto parameters = model.parameters();
    const Matrix<double> y = model.forward(x);
    const auto grad_y = random_matrix<double>(rng, y.rows(), y.cols());
    parameters.zero_grad();
    model.backward(gradient_of(grad_y, std::vector<double>(100, 1.0)));
    double worst = 0;
    for (auto& parameter : parameters) {
        const Matrix<double> value = parameter.value();
        const auto expected = central_differences(
            value,
            [&](const Matrix<double>& at) {
                parameter.set_value(at);
                return grad_y.cwiseProduct(model.predict(x)).sum();
            },
            1e-5);  // small, so that no ReLU is near its kink; rounding then leaves 1e-11 |f|
        parameter.set_value(value);
        worst = std::max(worst, (parameter.grad() - expected).cwiseAbs().maxCoeff());
    }
    return worst;
}

}  // namespace

TEST_CASE("Sequential: an example worked by hand, forward and backward") {
    Sequential model(Linear(2, 2), ReLU(), Linear(2, 1));
    const auto parameters = model.parameters();
    parameters[0].set_value(Matrix<float>{{1, -1}, {2, 1}});
    parameters[1].set_value(Matrix<float>{{0, -4}});
    parameters[2].set_value(Matrix<float>{{3, 5}});
    parameters[3].set_value(Matrix<float>{{1}});

    const Matrix<float> x{{3, 1}, {1, 3}};  // hidden: (2, 3) and (-2, 1), after the ReLU (2, 3) and (0, 1)
    CHECK(model.forward(x) == Matrix<float>{{22}, {6}});
    const Matrix<float> grad_y{{1}, {10}};
    model.backward(gradient_of(grad_y, {1, 1}));
    CHECK(parameters[2].grad() == Matrix<float>{{2, 13}});
    CHECK(parameters[3].grad() == Matrix<float>{{11}});
    CHECK(parameters[0].grad() == Matrix<float>{{9, 3}, {5 * 3 + 50 * 1, 5 * 1 + 50 * 3}});
    CHECK(parameters[1].grad() == Matrix<float>{{3, 55}});
}

TEST_CASE("Sequential: its parameters have the names of a state_dict") {
    auto model = perceptron();
    const auto parameters = model.parameters();
    const std::vector<std::string> names{"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"};
    REQUIRE(parameters.size() == names.size());
    for (std::size_t i = 0; i < names.size(); ++i) { CHECK(parameters[i].name() == names[i]); }
    CHECK(parameters.count() == 5 * 7 + 7 + 7 * 6 + 6 + 6 * 4 + 4);
}

TEST_CASE("Sequential: layers may be added one by one, and asked for") {
    Sequential<float> model;
    model.add(Linear(5, 7));
    model.add(ReLU());
    model.add(Linear(7, 4));
    CHECK(model.size() == 3);
    CHECK(model[0].description() == "Linear(5 -> 7)");
    CHECK(model[1].description() == "ReLU");
    CHECK(model.parameters()[2].name() == "2.weight");
}

TEST_CASE("Sequential: takes its scalar from its layers") {
    static_assert(std::is_same_v<decltype(Sequential(Linear(2, 3), ReLU())), Sequential<float>>);
    static_assert(std::is_same_v<decltype(Sequential(Linear<double>(2, 3), ReLU<double>())), Sequential<double>>);
    static_assert(std::is_constructible_v<Sequential<double>, Linear<double>, ReLU<double>>);
    static_assert(!std::is_constructible_v<Sequential<double>, Linear<double>, ReLU<float>>);
}

TEST_CASE("Sequential: initialize draws in model order, whichever layer was made first") {
    Linear last(7, 4), first(5, 7);
    Sequential model(std::move(first), ReLU(), std::move(last));
    gacc::Rng rng(3);
    model.initialize(rng);

    Linear one(5, 7), two(7, 4);
    gacc::Rng same(3);
    one.initialize(same);
    two.initialize(same);
    CHECK(model.parameters()[0].value() == one.weight().value());
    CHECK(model.parameters()[2].value() == two.weight().value());
    CHECK(rng.drawn() == same.drawn());
}

TEST_CASE("Sequential: backward adds up over micro-batches, and so does the tally") {
    auto model = perceptron();
    const auto parameters = model.parameters();
    gacc::Rng rng(4);
    const auto x = random_matrix<float>(rng, 6, 5), grad_y = random_matrix<float>(rng, 6, 4);
    const std::vector<float> weights{1, 2, 0, 1, 0.5, 1};

    model.forward(x);
    model.backward({grad_y, weights});
    const Matrix<float> once = parameters[2].grad();
    CHECK(parameters.tally().weight() == 5.5);
    CHECK(parameters.tally().samples() == 6);
    CHECK(parameters.tally().micro_batches() == 1);

    model.forward(x);
    model.backward({grad_y, weights});
    // The second sum continues from the first one: a few roundings of 6e-8 each.
    CHECK(once.cwiseAbs().maxCoeff() > 0.1);
    CHECK((parameters[2].grad() - 2 * once).cwiseAbs().maxCoeff() < 1e-5);
    CHECK(parameters.tally().weight() == 11);
    CHECK(parameters.tally().samples() == 12);
    CHECK(parameters.tally().micro_batches() == 2);

    parameters.zero_grad();
    CHECK(parameters[2].grad().isZero(0));
    CHECK(parameters.tally().empty());
}

TEST_CASE("Sequential: the gradients are those of central differences, for 100 random shapes") {
    gacc::Rng rng(5);
    const auto width = [&] { return static_cast<Index>(1 + rng.below(7)); };
    for (int shape = 0; shape < 100; ++shape) {
        const Index in = width(), hidden = width(), other = width(), out = width();
        const Index samples = shape % 4 == 0 ? 1 : width();
        CAPTURE(shape);
        // With biases: without them the input of a unit behind dead units would be 0, where ReLU has its kink.
        const gacc::LinearOptions biased{.initialization = gacc::Initialization::uniform_fan_in};
        Sequential model(Linear<double>(in, hidden, biased), ReLU<double>(), Linear<double>(hidden, other, biased),
                         ReLU<double>(), Linear<double>(other, out, biased));
        model.initialize(rng);
        CHECK(worst_model_error(model, random_matrix<double>(rng, samples, in), rng) < 1e-8);
    }
}

TEST_CASE("Sequential: one layer is a model") {
    Sequential model(Linear<double>(3, 2));
    gacc::Rng rng(6);
    model.initialize(rng);
    CHECK(worst_model_error(model, random_matrix<double>(rng, 4, 3), rng) < 1e-8);
}

TEST_CASE("Sequential: a ReLU after a ReLU changes nothing") {
    Sequential one(Linear<double>(3, 6), ReLU<double>(), Linear<double>(6, 2));
    Sequential two(Linear<double>(3, 6), ReLU<double>(), ReLU<double>(), Linear<double>(6, 2));
    gacc::Rng rng(7), same(7);
    one.initialize(rng);
    two.initialize(same);
    const auto x = random_matrix<double>(rng, 5, 3), grad_y = random_matrix<double>(rng, 5, 2);
    CHECK(one.forward(x) == two.forward(x));
    one.backward(gradient_of(grad_y, std::vector<double>(5, 1)));
    two.backward(gradient_of(grad_y, std::vector<double>(5, 1)));
    CHECK(state_of(one.parameters()) == state_of(two.parameters()));
}

TEST_CASE("Sequential: the ReLU may be last") {
    Sequential model(Linear<double>(3, 6), ReLU<double>());
    gacc::Rng rng(8);
    model.initialize(rng);
    CHECK(worst_model_error(model, random_matrix<double>(rng, 5, 3), rng) < 1e-8);
}

TEST_CASE("Sequential: a ReLU does not write over the y that a user's layer reads in backward") {
    gacc::Rng rng(9);
    Sequential model(Linear<double>(3, 6), Tanh(), ReLU<double>(), Linear<double>(6, 2));
    model.initialize(rng);
    CHECK(worst_model_error(model, random_matrix<double>(rng, 5, 3), rng) < 1e-8);
}

TEST_CASE("Sequential: a user's layer may work in place") {
    gacc::Rng rng(10), same(10);
    Sequential in_place(Linear<double>(3, 6), Tanh<true>(), ReLU<double>(), Tanh<true>(), Linear<double>(6, 2));
    Sequential apart(Linear<double>(3, 6), Tanh(), ReLU<double>(), Tanh(), Linear<double>(6, 2));
    in_place.initialize(rng);
    apart.initialize(same);
    const auto x = random_matrix<double>(rng, 5, 3);
    CHECK(worst_model_error(in_place, x, rng) < 1e-8);
    CHECK((in_place.predict(x) - apart.predict(x)).cwiseAbs().maxCoeff() < 1e-12);
}

TEST_CASE("Sequential: the number of samples may change from one micro-batch to the next") {
    auto model = perceptron(), fresh = perceptron();
    gacc::Rng rng(11);
    const std::vector<float> ones(100, 1);
    for (const Index samples : {3, 40, 1, 7}) {
        const auto x = random_matrix<float>(rng, samples, 5), grad_y = random_matrix<float>(rng, samples, 4);
        const Matrix<float> y = model.forward(x);
        CHECK(bytes_of(y) == bytes_of(fresh.predict(x)));
        model.backward(gradient_of(grad_y, ones));
    }
    CHECK(model.parameters().tally().samples() == 51);
}

TEST_CASE("Sequential: inputs are read again in backward, so their rows may lie apart but not move") {
    auto model = perceptron(), same = perceptron();
    gacc::Rng rng(12);
    const auto wide = random_matrix<float>(rng, 9, 8), grad_y = random_matrix<float>(rng, 9, 4);
    const Matrix<float> narrow = wide.middleCols(2, 5);
    const std::vector<float> ones(9, 1);
    CHECK(model.forward(wide.middleCols(2, 5)) == same.forward(narrow));
    model.backward(gradient_of(grad_y, ones));
    same.backward(gradient_of(grad_y, ones));
    CHECK(state_of(model.parameters()) == state_of(same.parameters()));
}

TEST_CASE("Sequential: predict on a const model is forward") {
    auto model = perceptron();
    const auto& constant = model;
    gacc::Rng rng(13);
    for (const Index samples : {1, 5, 128}) {
        const auto x = random_matrix<float>(rng, samples, 5);
        const Matrix<float> y = model.forward(x);
        CHECK(bytes_of(constant.predict(x)) == bytes_of(y));
    }
}

TEST_CASE("Sequential: predict takes any number of samples") {
    auto model = perceptron();
    gacc::Rng rng(14);
    const auto x = random_matrix<float>(rng, 301, 5);
    const Matrix<float> y = model.forward(x), predicted = model.predict(x);
    REQUIRE(predicted.rows() == 301);
    CHECK(std::memcmp(predicted.data(), y.data(), static_cast<std::size_t>(y.size()) * sizeof(float)) == 0);
}

TEST_CASE("Sequential: to predict more samples than memory can hold is an error that says so") {
    const Sequential<float> model(Linear<float>(1, 1000));
    const auto refusal = [&](Index samples) -> std::string {
        const float x = 1;
        try {
            model.predict(gacc::ConstMatrixView<float>(&x, samples, 1, 0));
        } catch (const gacc::MemoryError& error) { return error.what(); }
        return "predicted";
    };
    constexpr Index most = gacc::detail::largest_size;
    for (const Index samples : {most / 4000 + 1, most / 2, most}) {
        const std::string text = refusal(samples);
        CAPTURE(text);
        CHECK(text.starts_with("gacc: Sequential::predict: expected memory for "));
        CHECK(text.ends_with(" bytes of outputs, got none; predict fewer samples at a time"));
    }

    // So many rows that an Index cannot count them.
    constexpr Index tokens = Index{1} << 20;
    const std::vector<float> x(tokens);
    const gacc::ConstMatrixView<float> far_too_many(x.data(), Index{1} << 44, tokens, 0);
    CHECK_THROWS_AS(Sequential<float>(gacc::Input(tokens), gacc::Embedding<float>(2, 1)).predict(far_too_many),
                    gacc::MemoryError);
}

TEST_CASE("Sequential: predict between forward and backward does not disturb them") {
    auto model = perceptron(), same = perceptron();
    gacc::Rng rng(15);
    const auto x = random_matrix<float>(rng, 6, 5), other = random_matrix<float>(rng, 50, 5);
    const auto grad_y = random_matrix<float>(rng, 6, 4);
    const std::vector<float> ones(6, 1);
    model.forward(x);
    model.predict(other);
    model.backward(gradient_of(grad_y, ones));
    same.forward(x);
    same.backward(gradient_of(grad_y, ones));
    CHECK(state_of(model.parameters()) == state_of(same.parameters()));
}

TEST_CASE("Sequential: several threads may predict with one model") {
    const auto model = perceptron();
    gacc::Rng rng(16);
    std::vector<Matrix<float>> inputs, outputs(4);
    for (int i = 0; i < 4; ++i) { inputs.push_back(random_matrix<float>(rng, 200 + i, 5)); }
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int again = 0; again < 20; ++again) { outputs[i] = model.predict(inputs[i]); }
        });
    }
    for (auto& thread : threads) { thread.join(); }
    for (std::size_t i = 0; i < 4; ++i) { CHECK(bytes_of(outputs[i]) == bytes_of(model.predict(inputs[i]))); }
}

TEST_CASE("Sequential: a handle to the parameters stays valid when the model moves") {
    auto original = perceptron();
    const auto parameters = original.parameters();
    const auto before = values_of(parameters);
    Sequential model(std::move(original));
    static_assert(std::is_same_v<decltype(model), Sequential<float>>);
    CHECK(values_of(model.parameters()) == before);

    gacc::Rng rng(17);
    const auto x = random_matrix<float>(rng, 3, 5), grad_y = random_matrix<float>(rng, 3, 4);
    model.forward(x);
    model.backward(gradient_of(grad_y, {1, 1, 1}));
    CHECK(parameters.tally().samples() == 3);
    CHECK_FALSE(parameters[0].grad().isZero(0));
    parameters[5].set_value(Matrix<float>{{1, 2, 3, 4}});
    CHECK(model.parameters()[5].value() == Matrix<float>{{1, 2, 3, 4}});

    parameters.zero_grad();
    auto assigned = perceptron(2);
    assigned = std::move(model);
    assigned.forward(x);
    assigned.backward(gradient_of(grad_y, {1, 1, 1}));
    CHECK(parameters.tally().samples() == 3);
    CHECK(assigned.parameters()[5].value() == Matrix<float>{{1, 2, 3, 4}});
}

TEST_CASE("Sequential: a model may move between forward and backward") {
    auto model = perceptron(), original = perceptron();
    gacc::Rng rng(18);
    const auto x = random_matrix<float>(rng, 3, 5), grad_y = random_matrix<float>(rng, 3, 4);
    const std::vector<float> ones(3, 1);
    model.forward(x);
    model.backward(gradient_of(grad_y, ones));
    original.forward(x);
    auto moved = std::move(original);
    moved.backward(gradient_of(grad_y, ones));
    CHECK(state_of(moved.parameters()) == state_of(model.parameters()));
}

TEST_CASE("Sequential: layers whose widths do not fit are an error, and the model stays as it was") {
    CHECK_THROWS_WITH_AS(Sequential(Linear(3, 4), ReLU(), Linear(5, 2)),
                         "gacc: Linear(5 -> 2): expected samples whose last size is 5, got samples of shape 4",
                         gacc::ShapeError);
    Sequential model(Linear(3, 4));
    CHECK_THROWS_WITH_AS(model.add(Linear(5, 2)),
                         "gacc: Linear(5 -> 2): expected samples whose last size is 5, got samples of shape 4",
                         gacc::ShapeError);
    CHECK(model.size() == 1);
    const Matrix<float> x = Matrix<float>::Ones(2, 3);
    CHECK(model.predict(x).cols() == 4);
}

TEST_CASE("Sequential: a first layer of unknown width is an error") {
    CHECK_THROWS_WITH_AS(Sequential(ReLU(), Linear(3, 4)),
                         "gacc: Sequential: expected a first layer with a known number of features, or an Input before it, got ReLU",
                         gacc::ShapeError);
}

TEST_CASE("Sequential: a layer added to a model in use is an error, and is not added") {
    const auto text = "gacc: Sequential::add: expected all layers before the model is used, got ReLU after";
    Sequential asked(Linear(3, 4));
    asked.parameters();
    CHECK_THROWS_WITH_AS(asked.add(ReLU()), text, gacc::UsageError);
    CHECK(asked.size() == 1);

    Sequential used(Linear(3, 4));
    used.parameters()[0].set_value(Matrix<float>::Ones(4, 3));
    const Matrix<float> x = Matrix<float>::Ones(2, 3);
    used.forward(x);
    CHECK_THROWS_WITH_AS(used.add(ReLU()), text, gacc::UsageError);
    CHECK(used.size() == 1);
}

TEST_CASE("Sequential: a model without layers is an error") {
    Sequential<float> model;
    const Matrix<float> x = Matrix<float>::Ones(2, 3);
    const auto text = "gacc: Sequential: expected a model with layers, got none; add one";
    CHECK_THROWS_WITH_AS(model.forward(x), text, gacc::UsageError);
    CHECK_THROWS_WITH_AS(model.predict(x), text, gacc::UsageError);
    CHECK_NOTHROW(model.add(Linear(3, 4)));  // the failed calls do not count as use
}

TEST_CASE("Sequential: inputs that do not fit are an error, and the forward before them still counts") {
    Sequential model(Linear(784, 128), ReLU(), Linear(128, 10)), same(Linear(784, 128), ReLU(), Linear(128, 10));
    gacc::Rng rng(19), equal(19);
    model.initialize(rng);
    same.initialize(equal);
    const auto x = random_matrix<float>(rng, 2, 784), wrong = random_matrix<float>(rng, 32, 785);
    const auto grad_y = random_matrix<float>(rng, 2, 10);
    const std::vector<float> ones(2, 1);
    const auto text =
        "gacc: Linear(784 -> 128): expected 784 features a sample, got a micro-batch of shape 32 x 785 "
        "(samples x features)";

    CHECK_THROWS_AS(model.predict(x.leftCols(783)), gacc::ShapeError);
    const auto y = model.forward(x);
    const auto before = state_of(model.parameters());
    const Matrix<float> y_before = y;
    CHECK_THROWS_WITH_AS(model.forward(wrong), text, gacc::ShapeError);
    CHECK_THROWS_WITH_AS(model.predict(wrong), text, gacc::ShapeError);
    CHECK_THROWS_WITH_AS(model.forward(x.topRows(0)), "gacc: Linear(784 -> 128): expected one sample or more, got none",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(model.predict(x.topRows(0)), "gacc: Linear(784 -> 128): expected one sample or more, got none",
                         gacc::ShapeError);
    CHECK(state_of(model.parameters()) == before);
    CHECK(y == y_before);

    model.backward(gradient_of(grad_y, ones));
    same.forward(x);
    same.backward(gradient_of(grad_y, ones));
    CHECK(state_of(model.parameters()) == state_of(same.parameters()));
}

TEST_CASE("Sequential: backward without a forward, or twice after one, is an error, and adds nothing") {
    auto model = perceptron();
    const Matrix<float> x = Matrix<float>::Ones(2, 5), grad_y = Matrix<float>::Ones(2, 4);
    const std::vector<float> ones(2, 1);
    const auto text = "gacc: Sequential::backward: expected a forward before every backward, got none";
    CHECK_THROWS_WITH_AS(model.backward(gradient_of(grad_y, ones)), text, gacc::UsageError);
    CHECK(model.parameters().tally().empty());

    model.forward(x);
    model.backward(gradient_of(grad_y, ones));
    const auto before = state_of(model.parameters());
    CHECK_THROWS_WITH_AS(model.backward(gradient_of(grad_y, ones)), text, gacc::UsageError);
    CHECK(state_of(model.parameters()) == before);
}

TEST_CASE("Sequential: a gradient of another shape is an error, adds nothing, and the right one may follow") {
    auto model = perceptron();
    const Matrix<float> x = Matrix<float>::Ones(2, 5), right = Matrix<float>::Ones(2, 4);
    const Matrix<float> short_one = Matrix<float>::Ones(1, 4), narrow = Matrix<float>::Ones(2, 3);
    const std::vector<float> one(1, 1), two(2, 1);
    model.forward(x);
    const auto before = state_of(model.parameters());
    CHECK_THROWS_WITH_AS(
        model.backward({short_one, one}),
        "gacc: Sequential::backward: expected a gradient of shape 2 x 4 and as many weights as samples, "
        "got 1 x 4 and 1",
        gacc::ShapeError);
    CHECK_THROWS_WITH_AS(
        model.backward({narrow, two}),
        "gacc: Sequential::backward: expected a gradient of shape 2 x 4 and as many weights as samples, "
        "got 2 x 3 and 2",
        gacc::ShapeError);
    CHECK_THROWS_WITH_AS(
        model.backward({right, one}),
        "gacc: Sequential::backward: expected a gradient of shape 2 x 4 and as many weights as samples, "
        "got 2 x 4 and 1",
        gacc::ShapeError);
    CHECK(state_of(model.parameters()) == before);
    CHECK_NOTHROW(model.backward({right, two}));
}

TEST_CASE("Sequential: two reductions in one batch are an error, and the gradients stay as they were") {
    auto model = perceptron();
    gacc::SoftmaxCrossEntropy sums, means({.reduction = gacc::Reduction::mean_of_micro_batch_means});
    const Matrix<float> x = Matrix<float>::Ones(2, 5);
    const std::vector<Label> labels{1, 2};
    sums.forward(model.forward(x), labels);
    model.backward(sums.backward());
    means.forward(model.forward(x), labels);
    const auto before = state_of(model.parameters());
    CHECK_THROWS_WITH_AS(model.backward(means.backward()),
                         "gacc: backward: expected the reduction of the micro-batches added before, got another one; "
                         "step and zero_grad first",
                         gacc::UsageError);
    CHECK(state_of(model.parameters()) == before);
}

namespace {

/// Throws if the flag is set; else y = x. Its width is known, so it may be the first layer.
class Failing : public gacc::Layer<float> {
public:
    explicit Failing(const bool& fail) : fail_(&fail) {}
    gacc::Shape input_shape() const override { return {2}; }
    std::string description() const override { return "Failing"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override {
        if (*fail_) { throw std::runtime_error("forward"); }
        call.y = call.x;
    }
    void backward(gacc::Backward<float> call) override {
        if (*fail_) { throw std::runtime_error("backward"); }
        if (call.wants_grad_x()) { call.grad_x = call.grad_y; }
    }

private:
    const bool* fail_;
};

}  // namespace

TEST_CASE(
    "Sequential: a forward in which a layer throws is no forward, and a backward in which one throws counts for none") {
    bool fail = false;
    gacc::Sequential model(gacc::Linear(2, 2), Failing(fail));
    const auto parameters = model.parameters();
    parameters[0].set_value(gacc::Matrix<float>::Ones(2, 2));
    const gacc::Matrix<float> inputs = gacc::Matrix<float>::Ones(3, 2);
    const std::vector<float> weights = {1, 1, 1};
    model.forward(inputs);
    fail = true;
    CHECK_THROWS_AS(model.forward(inputs), std::runtime_error);
    fail = false;
    CHECK_THROWS_AS(model.backward({inputs, weights}), gacc::UsageError);

    model.forward(inputs);
    fail = true;
    CHECK_THROWS_AS(model.backward({inputs, weights}), std::runtime_error);
    CHECK(parameters.tally().empty());
}

TEST_CASE("Sequential: after a backward in which a layer threw, neither backward nor step until zero_grad") {
    bool fail = false;
    // Gradients of the last Linear are there when the layer before it throws.
    Sequential model(Linear(2, 2), Failing(fail), Linear(2, 2)), same(Linear(2, 2), Failing(fail), Linear(2, 2));
    gacc::Rng rng(20), equal(20);
    model.initialize(rng);
    same.initialize(equal);
    gacc::Adam adam(model.parameters());
    const auto x = random_matrix<float>(rng, 3, 2), grad_y = random_matrix<float>(rng, 3, 2);
    const std::vector<float> ones(3, 1);
    const std::string expected =
        "expected the gradients of whole micro-batches, got parts of one whose backward threw; call zero_grad() and "
        "begin the batch again, or load a checkpoint";

    for (const int whole_ones : {0, 1}) {
        for (int i = 0; i < whole_ones; ++i) {
            model.forward(x);
            model.backward(gradient_of(grad_y, ones));
        }
        model.forward(x);
        fail = true;
        CHECK_THROWS_AS(model.backward(gradient_of(grad_y, ones)), std::runtime_error);
        fail = false;
        const auto before = state_of(model.parameters());
        CHECK_THROWS_WITH_AS(adam.step(), ("gacc: Adam::step: " + expected).c_str(), gacc::UsageError);
        model.forward(x);
        CHECK_THROWS_WITH_AS(model.backward(gradient_of(grad_y, ones)), ("gacc: backward: " + expected).c_str(),
                             gacc::UsageError);
        CHECK(state_of(model.parameters()) == before);
        CHECK(adam.steps() == 0);
        adam.zero_grad();
    }

    model.forward(x);
    model.backward(gradient_of(grad_y, ones));
    same.forward(x);
    same.backward(gradient_of(grad_y, ones));
    CHECK(state_of(model.parameters()) == state_of(same.parameters()));
    CHECK_NOTHROW(adam.step());
}

TEST_CASE("Sequential: a backward after a step and without zero_grad is an error, and adds nothing") {
    auto model = perceptron();
    gacc::Adam adam(model.parameters());
    const Matrix<float> x = Matrix<float>::Ones(2, 5), grad_y = Matrix<float>::Ones(2, 4);
    const std::vector<float> ones(2, 1);
    model.forward(x);
    model.backward(gradient_of(grad_y, ones));
    model.forward(x);
    model.backward(gradient_of(grad_y, ones));  // part of the same batch
    adam.step();
    const auto before = state_of(model.parameters());
    model.forward(x);  // may come before zero_grad
    CHECK_THROWS_WITH_AS(model.backward(gradient_of(grad_y, ones)),
                         "gacc: backward: expected zero_grad() after step(), got the gradients of the batch before; "
                         "call zero_grad() after step()",
                         gacc::UsageError);
    CHECK(state_of(model.parameters()) == before);
    adam.zero_grad();
    CHECK_NOTHROW(model.backward(gradient_of(grad_y, ones)));
}

TEST_CASE("Sequential: training a model that was never initialized is an error, predicting is not") {
    Sequential model(Linear(5, 7), ReLU(), Linear(7, 4));
    const Matrix<float> x = Matrix<float>::Ones(2, 5);
    const auto text = [](const std::string& name) {
        return "gacc: Sequential::forward: expected parameters with first values, got " + name +
               " without; call model.initialize(rng) first, or load or set its parameters";
    };
    CHECK_THROWS_WITH_AS(model.forward(x), text("0.weight").c_str(), gacc::UsageError);
    CHECK(model.predict(x).isZero(0));
    const auto parameters = model.parameters();
    CHECK(state_of(parameters) == state_of(Sequential(Linear(5, 7), ReLU(), Linear(7, 4)).parameters()));
    parameters[1].set_value(Matrix<float>::Ones(1, 7));
    CHECK_THROWS_WITH_AS(model.forward(x), text("0.weight").c_str(), gacc::UsageError);
    parameters[0].set_value(Matrix<float>::Ones(7, 5));
    CHECK_THROWS_WITH_AS(model.forward(x), text("2.weight").c_str(), gacc::UsageError);
    parameters[2].stored_values()[0] = 1;
    CHECK_NOTHROW(model.forward(x));  // the last bias may stay zero

    Sequential drawn(Linear(5, 7));
    gacc::Rng rng(1);
    drawn.initialize(rng);
    CHECK_NOTHROW(drawn.forward(x));
}

namespace {

/// y = x + b, whose b starts at the zeros of a new parameter.
struct Shift : gacc::Layer<float> {
    std::string description() const override { return "Shift"; }
    gacc::Shape input_shape() const override { return {5}; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x.rowwise() + b.value().row(0); }
    void backward(gacc::Backward<float> call) override { b.set_grad(b.grad() + call.grad_y.colwise().sum()); }
    std::vector<gacc::Parameter<float>*> parameters() override { return {&b}; }
    gacc::Parameter<float> b{"b", {5}};
};

}  // namespace

TEST_CASE("Sequential: initialize says that the zeros of a layer that draws nothing are meant") {
    Sequential model{Shift()};
    const Matrix<float> x = Matrix<float>::Ones(2, 5);
    CHECK_THROWS_WITH_AS(model.forward(x),
                         "gacc: Sequential::forward: expected parameters with first values, got 0.b without; call "
                         "model.initialize(rng) first, or load or set its parameters",
                         gacc::UsageError);
    gacc::Rng rng(1);
    model.initialize(rng);
    CHECK(model.forward(x) == x);
}

TEST_CASE("Sequential: counts the forwards whose backward never came") {
    auto model = perceptron();
    const Matrix<float> x = Matrix<float>::Ones(2, 5), grad_y = Matrix<float>::Ones(2, 4);
    const std::vector<float> ones(2, 1);
    CHECK(model.forwards_without_backward() == 0);
    for (int i = 0; i < 3; ++i) {
        model.forward(x);
        CHECK(model.forwards_without_backward() == 1);
        model.backward(gradient_of(grad_y, ones));
        CHECK(model.forwards_without_backward() == 0);
    }
    model.forward(x);
    model.forward(x);
    model.predict(x);
    model.backward(gradient_of(grad_y, ones));
    CHECK(model.forwards_without_backward() == 1);
    CHECK_THROWS_AS(model.backward(gradient_of(grad_y, ones)), gacc::UsageError);
    model.parameters().zero_grad();
    model.forward(x);
    CHECK(model.forwards_without_backward() == 2);
}

TEST_CASE("Sequential: one that was moved from says so, and can be moved into") {
    auto model = perceptron();
    Sequential<float> moved = std::move(model);
    const Matrix<float> x = Matrix<float>::Ones(2, 5);
    gacc::Rng rng(1);
    const auto refused = [](const auto& call) {
        CHECK_THROWS_WITH_AS(
            call(), "gacc: Sequential: expected a model, got one that was moved from; use the one it moved to",
            gacc::UsageError);
    };
    refused([&] { model.forward(x); });
    refused([&] { model.predict(x); });
    refused([&] { model.initialize(rng); });
    refused([&] { model.parameters(); });
    refused([&] { model.add(ReLU()); });
    refused([&] { model.size(); });
    refused([&] { model.lay_out(1, {}); });
    const auto expected = moved.predict(x);
    model = std::move(moved);
    CHECK(model.predict(x) == expected);
    refused([&] { moved.predict(x); });
}

TEST_CASE("Sequential: its parameters live as long as a handle to them") {
    std::optional<gacc::Parameters<float>> handle;
    {
        auto model = perceptron();
        handle.emplace(model.parameters());
    }
    const Matrix<float> before = (*handle)[0].value();
    CHECK(before.allFinite());
    (*handle)[0].set_value(2 * before);
    handle->zero_grad();
    CHECK(handle->tally().empty());
    CHECK((*handle)[0].value() == 2 * before);
}

TEST_CASE("Sequential: a copy made in the middle of a batch has no gradients") {
    gacc::Rng rng(1);
    gacc::Sequential<double> model(gacc::Linear<double>(3, 2));
    model.initialize(rng);
    const Matrix<double> x{{1, 2, 3}}, grad{{1, -1}};
    const std::vector<double> ones{1};
    model.forward(x);
    model.backward({grad, ones});
    const Matrix<double> once = model.parameters()[0].grad();
    gacc::Sequential<double> copy = model;
    CHECK(copy.parameters()[0].grad().isZero(0));
    copy.forward(x);
    copy.backward({grad, ones});
    CHECK(copy.parameters()[0].grad() == once);
    CHECK(copy.parameters().tally().samples() == 1);
    CHECK(model.parameters()[0].grad() == once);
}

TEST_CASE("Sequential: a model without layers can be copied, and layers added to the copy") {  // this crashed
    const Sequential<float> empty;
    Sequential<float> copy = empty;
    CHECK(copy.size() == 0);
    copy = empty;
    copy.add(Linear<float>(2, 3));
    CHECK(copy.out_features() == 3);
    CHECK(empty.size() == 0);
}

TEST_CASE("Sequential: a copy has parameters of its own") {
    auto model = perceptron();
    const Matrix<float> x = Matrix<float>::Ones(3, 5);
    const Matrix<float> before = model.predict(x);
    Sequential<float> copy = model;
    CHECK(copy.predict(x) == before);
    copy.parameters()[0].set_value(Matrix<float>::Zero(7, 5));
    CHECK(model.predict(x) == before);
    CHECK(copy.predict(x) != before);

    std::vector<Sequential<float>> several;
    for (int i = 0; i < 5; ++i) { several.push_back(model); }
    several.erase(several.begin());
    CHECK(several[3].predict(x) == before);
    struct Holder {
        Sequential<float> model;
    };
    const Holder holder{several[1]}, second = holder;
    CHECK(second.model.predict(x) == before);
}

TEST_CASE("Sequential: assigned to, it takes the values in place where an optimizer refers to them") {
    auto model = perceptron(1), other = perceptron(2);
    gacc::Adam adam(model.parameters());
    const Matrix<float> x = Matrix<float>::Ones(3, 5), grad_y = Matrix<float>::Ones(3, 4);
    const std::vector<float> ones(3, 1);
    model = other;
    CHECK(model.predict(x) == other.predict(x));
    model.forward(x);
    model.backward(gradient_of(grad_y, ones));
    adam.step();  // changes the values of this model only
    CHECK(model.predict(x) != other.predict(x));
    model = std::move(other);
    CHECK(model.predict(x) == other.predict(x));  // NOLINT: it was copied

    Sequential<float> deeper(Linear(5, 7), Linear(7, 4));
    const auto before = values_of(model.parameters());
    CHECK_THROWS_WITH_AS(model = deeper,
                         "gacc: Sequential: expected a model of the same parameters to assign to one whose parameters a "
                         "handle or an optimizer refers to, got another",
                         gacc::UsageError);
    CHECK(values_of(model.parameters()) == before);

    Sequential<float> free;
    free = deeper;
    CHECK(free.size() == 2);
    free = perceptron(3);
    CHECK(free.size() == 5);
}

}  // namespace sequential_test
