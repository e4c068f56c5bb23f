#include <gacc/accumulation/plan.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/position_embedding.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/layers/tanh.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/clip.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace frozen_test {

using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Sequential;

namespace {

/// Copies x, and counts how often its backward is called.
class Counter : public gacc::Layer<float> {
public:
    explicit Counter(int& calls) : calls_(&calls) {}
    std::string description() const override { return "Counter"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x; }
    void backward(gacc::Backward<float> call) override {
        ++*calls_;
        call.grad_x = call.grad_y;
    }

private:
    int* calls_;
};

/// Copies x, and counts how often its forward is called. Its backward reads neither x nor y.
class Forwards : public gacc::Layer<float> {
public:
    explicit Forwards(int& calls) : calls_(&calls) {}
    std::string description() const override { return "Forwards"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x, .reads_x = false, .reads_y = false}; }
    void forward(gacc::Forward<float> call) const override {
        ++*calls_;
        call.y = call.x;
    }
    void backward(gacc::Backward<float> call) override { call.grad_x = call.grad_y; }

private:
    int* calls_;
};

/// Adds one number to x. It does not check whether it is frozen.
class Careless : public gacc::Layer<float> {
public:
    std::string description() const override { return "Careless"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x; }
    void backward(gacc::Backward<float> call) override {
        shift_.materialize_grads()[0] += call.grad_y.sum();
        if (call.wants_grad_x()) { call.grad_x = call.grad_y; }
    }
    std::vector<gacc::Parameter<float>*> parameters() override { return {&shift_}; }

private:
    gacc::Parameter<float> shift_{"shift", {1}};
};

struct Batch {
    explicit Batch(Index samples, Index features = 6) : inputs(samples, features) {
        gacc::Rng rng(2);
        for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.normal()); }
        for (Index i = 0; i < samples; ++i) { labels.push_back(static_cast<Label>(rng.below(3))); }
    }
    Matrix<float> inputs;
    std::vector<Label> labels;
};

void add_gradients(Sequential<float>& model, const Batch& batch) {
    gacc::SoftmaxCrossEntropy<float> loss;
    loss.forward(model.forward(batch.inputs), batch.labels);
    model.backward(loss.backward());
}

void initialize(Sequential<float>& model) {
    gacc::Rng rng(1);
    model.initialize(rng);
}

Sequential<float> perceptron() {
    return Sequential<float>(gacc::Linear(6, 8), gacc::ReLU(), gacc::Linear(8, 5), gacc::ReLU(), gacc::Linear(5, 3));
}

bool below_last(const gacc::Parameter<float>& parameter) { return !parameter.name().starts_with("4."); }

std::string message(const auto& f) {
    try {
        f();
    } catch (const gacc::Error& error) { return error.what(); }
    return "nothing";
}

}  // namespace

TEST_CASE("Frozen: parameters keep their values, and the others learn as if nothing were frozen") {
    auto some = perceptron(), all = perceptron();
    some.freeze(below_last);
    initialize(some);
    initialize(all);
    const Batch batch(7);
    add_gradients(some, batch);
    add_gradients(all, batch);
    const auto parameters = some.parameters();
    for (const std::size_t i : {4, 5}) { CHECK(parameters[i].grad() == all.parameters()[i].grad()); }
    for (const std::size_t i : {0, 1, 2, 3}) {
        CHECK(parameters[i].is_frozen());
        CHECK(parameters[i].grad().isZero(0));
    }

    const Matrix<float> first = parameters[0].value(), last = parameters[4].value();
    gacc::Adam adam(parameters);
    CHECK(adam.parameters().size() == 2);
    CHECK(adam.all_parameters().size() == 6);
    adam.step();
    CHECK(parameters[0].value() == first);
    CHECK(parameters[4].value() != last);
}

TEST_CASE("Frozen: each parameter of each layer by itself leaves the gradients of all others the same") {
    using namespace gacc;
    const auto make = [] {
        return Sequential<float>(Input(4), Embedding(5, 6), PositionEmbedding(4, 6), LayerNorm(6), Linear(6, 6),
                                 GroupNorm(2, 6), Linear(6, 3));
    };
    Matrix<float> inputs(3, 4);
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(i % 5); }
    const auto gradients = [&](Sequential<float>& model) {
        initialize(model);
        SoftmaxCrossEntropy<float> loss;
        const std::vector<Label> labels{0, 1, 2, 0, 1, 2, 0, 1, 2, 2, 1, 0};
        loss.forward(model.forward(inputs), labels);
        model.backward(loss.backward());
        std::vector<Matrix<float>> all;
        for (auto& parameter : model.parameters()) { all.push_back(parameter.grad()); }
        return all;
    };
    auto model = make();
    const auto expected = gradients(model);
    REQUIRE(expected.size() == 10);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK_FALSE(expected[i].isZero(0));
        auto other = make();
        const std::string name = model.parameters()[i].name();
        other.freeze([&](const auto& parameter) { return parameter.name() == name; });
        const auto got = gradients(other);
        for (std::size_t j = 0; j < got.size(); ++j) { CHECK((i == j ? got[j].isZero(0) : got[j] == expected[j])); }
    }
}

TEST_CASE("Frozen: the backward pass stops where nothing below is trained") {
    int calls = 0;
    Sequential<float> model(gacc::Linear(6, 8), Counter(calls), gacc::Linear(8, 3));
    model.freeze([](const auto& parameter) { return parameter.name().starts_with("0."); });
    initialize(model);
    const Batch batch(2);
    add_gradients(model, batch);
    CHECK(calls == 0);

    Sequential<float> trained(gacc::Linear(6, 8), Counter(calls), gacc::Linear(8, 3));
    trained.freeze([](const auto& parameter) { return parameter.name().starts_with("2."); });
    initialize(trained);
    add_gradients(trained, batch);
    CHECK(calls > 0);
    CHECK_FALSE(trained.parameters()[0].grad().isZero(0));
}

TEST_CASE("Frozen: no gradients and no moments are held, as the plan says to the byte") {
    const auto before = gacc::memory::live();
    auto model = perceptron();
    model.freeze(below_last);
    initialize(model);
    gacc::Adam adam(model.parameters());
    const auto plan = gacc::plan({.batch_size = 16}, model, gacc::SoftmaxCrossEntropy(), adam);
    const auto now = gacc::memory::live();
    using enum gacc::memory::Kind;
    for (const auto kind : {parameters, gradients, moments}) { CHECK(plan.bytes[kind] == now[kind] - before[kind]); }
    CHECK(plan.bytes[moments] == 2 * plan.bytes[gradients]);
    CHECK(plan.bytes[gradients] == static_cast<std::size_t>(adam.parameters().stored_count()) * sizeof(float));
    CHECK(plan.bytes[gradients] < plan.bytes[parameters]);
}

TEST_CASE("Frozen: activations that no backward pass reads are not kept, and the plan says so to the byte") {
    using gacc::memory::Kind;
    const auto made = [](bool frozen) {
        Sequential<float> model(gacc::Linear(6, 64), gacc::Tanh(), gacc::Residual(gacc::Linear(64, 32), gacc::ReLU(), gacc::Linear(32, 64)),
                                gacc::LayerNorm(64), gacc::Linear(64, 16), gacc::Tanh(), gacc::Linear(16, 3));
        if (frozen) { model.freeze([](const auto& of) { return of.name() < "4"; }); }
        initialize(model);
        return model;
    };
    const auto sizes = [](Sequential<float>& model) {
        std::vector<Index> kept;
        for (const auto& each : model.activations()) { kept.push_back(each.kept ? each.width : 0); }
        return kept;
    };
    auto all = made(false), some = made(true);
    CHECK(sizes(all) == std::vector<Index>{64, 32, 64, 64, 16, 3});
    CHECK(sizes(some) == std::vector<Index>{0, 0, 0, 64, 16, 3});  // the trained Linear reads the norm's y
    CHECK(all.summary().find("not kept") == std::string::npos);
    CHECK(some.summary().find("not kept") != std::string::npos);

    for (const Index samples : {5, 300}) {  // of one block and of three
        for (const auto recomputation : {gacc::Recomputation::never, gacc::Recomputation::always}) {
            auto model = made(true), same = made(false);
            const Batch batch(samples);
            gacc::Adam adam(model.parameters());
            const auto before = gacc::memory::live();
            const auto plan = gacc::plan({.batch_size = samples, .micro_batch = samples, .recomputation = recomputation},
                                         model, gacc::SoftmaxCrossEntropy(), adam);
            add_gradients(model, batch);
            CHECK(gacc::memory::live()[Kind::activations] - before[Kind::activations] == plan.bytes[Kind::activations]);
            add_gradients(same, batch);
            const auto parameters = model.parameters();
            for (std::size_t i = 0; i < parameters.size(); ++i) {
                if (!parameters[i].is_frozen()) { CHECK(parameters[i].grad() == same.parameters()[i].grad()); }
            }
            if (recomputation == gacc::Recomputation::never) {
                CHECK(plan.recomputed == 0);
                const auto lines = [](Index numbers) { return gacc::detail::row_stride<float>(numbers); };
                const Index block = std::min<Index>(samples, 128);
                const Index kept = samples * (lines(64) + lines(2) + lines(16) + lines(3));  // 2: of the norm
                const Index frozen = block * (2 * lines(64) + lines(32));  // x, the branch and the sum over it
                CHECK(plan.bytes[Kind::activations] == static_cast<std::size_t>(kept + frozen) * sizeof(float));
            }
        }
    }
}

TEST_CASE("Frozen: layers below the trained ones are not called again in the backward pass") {
    int calls = 0;
    Sequential<float> model;
    model.add(gacc::Input(3, 4));
    model.add(gacc::Linear(4, 4));
    model.add(Forwards(calls));
    model.add(gacc::PositionEmbedding(3, 4));  // reads neither x nor y
    model.add(gacc::Linear(4, 3));
    model.freeze([](const auto& of) { return of.name().starts_with("0."); });
    initialize(model);
    const Index samples = 200;  // of several blocks
    Matrix<float> x = Matrix<float>::Ones(samples, 12);
    const std::vector<Label> labels(static_cast<std::size_t>(samples) * 3, 1);
    gacc::SoftmaxCrossEntropy<float> loss;
    loss.forward(model.forward(x), labels);
    const int forward = calls;
    model.backward(loss.backward());
    CHECK(forward > 1);
    CHECK(calls == forward);
}

TEST_CASE("Frozen: trained again after a plan, activations that were not kept are computed again") {
    auto model = perceptron(), same = perceptron();
    model.freeze(below_last);
    initialize(model);
    initialize(same);
    const Batch batch(300);
    {
        gacc::Adam adam(model.parameters());
        gacc::plan({.batch_size = 300, .micro_batch = 300}, model, gacc::SoftmaxCrossEntropy(), adam);
    }
    model.unfreeze([](const auto&) { return true; });
    add_gradients(model, batch);
    add_gradients(same, batch);
    for (std::size_t i = 0; i < 6; ++i) { CHECK(model.parameters()[i].grad() == same.parameters()[i].grad()); }
}

TEST_CASE("Frozen: trained again, they have gradients again, also after a forward pass") {
    auto model = perceptron(), all = perceptron();
    initialize(model);
    initialize(all);
    model.freeze(below_last);
    const Batch batch(3);
    add_gradients(model, batch);
    model.parameters().zero_grad();
    model.unfreeze([](const auto&) { return true; });
    add_gradients(model, batch);
    add_gradients(all, batch);
    for (std::size_t i = 0; i < 6; ++i) { CHECK(model.parameters()[i].grad() == all.parameters()[i].grad()); }
}

TEST_CASE("Frozen: parameters count for nothing in the norm of gradients") {
    auto model = perceptron();
    model.freeze(below_last);
    initialize(model);
    add_gradients(model, Batch(3));
    gacc::GradientNorm<float> norm(model.parameters());
    double squares = 0;
    for (auto& parameter : model.parameters()) { squares += parameter.grad().cast<double>().squaredNorm(); }
    CHECK(squares > 0);
    CHECK(std::abs(norm() - std::sqrt(squares)) < 1e-6);
}

TEST_CASE("Frozen: a copy of a model is frozen where the model is") {
    auto model = perceptron();
    model.freeze(below_last);
    Sequential<float> copy = model;
    CHECK(copy.parameters().trained().size() == 2);
}

TEST_CASE("Frozen: a checkpoint has the values of all and the gradients and moments of the trained") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run.safetensors";
    gacc::Rng rng(1);
    gacc::DataPosition position;
    auto model = perceptron();
    model.freeze(below_last);
    initialize(model);
    gacc::Adam adam(model.parameters());
    add_gradients(model, Batch(4));
    gacc::Checkpoint(adam, rng, position).save(path);

    auto other = perceptron();
    other.freeze(below_last);
    gacc::Adam again(other.parameters());
    gacc::Checkpoint(again, rng, position).load(path);
    for (std::size_t i = 0; i < 6; ++i) {
        CHECK(other.parameters()[i].value() == model.parameters()[i].value());
        CHECK(other.parameters()[i].grad() == model.parameters()[i].grad());
    }
    auto all = perceptron();
    gacc::Adam of_all(all.parameters());
    gacc::Checkpoint checkpoint(of_all, rng, position);
    CHECK_THROWS_AS(checkpoint.load(path), gacc::CheckpointError);
}

TEST_CASE("Frozen: what cannot be is refused with what to do") {
    auto model = perceptron();
    {
        gacc::Adam adam(model.parameters());
        CHECK(message([&] { model.freeze(below_last); }) ==
              "gacc: Sequential::freeze: expected a model whose parameters no handle and no optimizer refers to, got "
              "one with; freeze before the optimizer is made");
        CHECK(model.parameters().trained().size() == 6);
    }
    {
        const auto handle = model.parameters();
        CHECK_THROWS_AS(model.freeze(below_last), gacc::UsageError);
    }
    model.freeze([](const auto&) { return true; });
    CHECK(message([&] { gacc::Adam adam(model.parameters()); }) == "gacc: Adam: expected parameters to train, got none");

    Sequential<float> careless(gacc::Linear(6, 3), Careless());
    careless.freeze([](const auto& parameter) { return parameter.name() == "1.shift"; });
    initialize(careless);
    CHECK(message([&] { add_gradients(careless, Batch(2)); }) ==
          "gacc: 1.shift: expected gradients to be asked of parameters that are trained, got a frozen one; leave it out "
          "where is_frozen()");
    CHECK(careless.parameters().tally().partial());
}

TEST_CASE("Frozen: a choice that throws changes nothing") {
    auto model = perceptron();
    model.freeze([](const auto& parameter) { return parameter.name() == "0.weight"; });
    const auto throws = [](const auto& parameter) {
        if (parameter.name() == "2.bias") { throw 1; }
        return true;
    };
    CHECK_THROWS_AS(model.unfreeze(throws), int);
    CHECK_THROWS_AS(model.freeze(throws), int);
    const auto parameters = model.parameters();
    for (const auto& parameter : parameters) { CHECK(parameter.is_frozen() == (parameter.name() == "0.weight")); }
}

TEST_CASE("Frozen: a layer that is added later and uses frozen values is frozen too") {
    Sequential<float> model;
    model.add(gacc::Input(3));
    model.add(gacc::Embedding(5, 4));
    model.freeze([](const auto&) { return true; });
    model.add(gacc::Linear(4, 5, {.bias = false, .shares = "0.weight"}));
    model.add(gacc::Linear(5, 2));
    const auto parameters = model.parameters();
    CHECK(parameters.trained().size() == 2);
    Index count = 0;
    for (const auto& parameter : parameters.with_gradients()) {
        CHECK(!parameter.is_frozen());
        ++count;
    }
    CHECK(count == 2);
}

}  // namespace frozen_test
