#include <gacc/accumulation/audit.hpp>
#include <gacc/accumulation/gradient_check.hpp>
#include <gacc/accumulation/non_finite_guard.hpp>
#include <gacc/accumulation/plan.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/io/model_file.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/position_embedding.hpp>
#include <gacc/layers/tanh.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/clip.hpp>
#include <gacc/optim/sgd.hpp>

#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace shared_values_test {

using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Sequential;

namespace {

constexpr Index tokens = 3, vocabulary = 7, width = 5;

/// A model from tokens to logits, with one matrix for both ends or with two.
template <class Scalar>
Sequential<Scalar> language_model(const std::string& shares) {
    return Sequential<Scalar>(gacc::Input(tokens), gacc::Embedding<Scalar>(vocabulary, width),
                              gacc::PositionEmbedding<Scalar>(tokens, width), gacc::LayerNorm<Scalar>(width),
                              gacc::Linear<Scalar>(width, width), gacc::Tanh<Scalar>(),
                              gacc::Linear<Scalar>(width, vocabulary, {.bias = false, .shares = shares}));
}

template <class Scalar>
struct Batch {
    explicit Batch(Index samples) : inputs(samples, tokens) {
        gacc::Rng rng(3);
        for (Index i = 0; i < inputs.size(); ++i) {
            inputs.data()[i] = static_cast<Scalar>(rng.below(vocabulary));
            labels.push_back(static_cast<Label>(rng.below(vocabulary)));
        }
    }
    std::span<const Label> labels_of(Index first, Index count) const {
        return std::span(labels).subspan(static_cast<std::size_t>(first * tokens), static_cast<std::size_t>(count * tokens));
    }
    Matrix<Scalar> inputs;
    std::vector<Label> labels;
};

template <class Scalar>
void add_gradients(Sequential<Scalar>& model, const Batch<Scalar>& batch, Index first, Index count,
                   const std::type_identity_t<gacc::GradientReady<Scalar>>& ready = {}) {
    gacc::SoftmaxCrossEntropy<Scalar> loss;
    loss.forward(model.forward(batch.inputs.middleRows(first, count)), batch.labels_of(first, count));
    model.backward(loss.backward(), ready);
}

template <class Scalar>
std::vector<std::byte> values(Sequential<Scalar>& model) {
    std::vector<std::byte> bytes;
    for (auto& parameter : model.parameters()) {
        const Matrix<Scalar> value = parameter.value();
        gacc::test::append_bytes(bytes, value.data(), value.size());
    }
    return bytes;
}

template <class Scalar>
Sequential<Scalar> initialized(const std::string& shares) {
    auto model = language_model<Scalar>(shares);
    gacc::Rng rng(1);
    model.initialize(rng);
    return model;
}

std::string message(const auto& f) {
    try {
        f();
    } catch (const gacc::Error& error) { return error.what(); }
    return "nothing";
}

}  // namespace

TEST_CASE_TEMPLATE("Shared values: the gradient is the sum of both layers' gradients", Scalar, float, double) {
    auto tied = initialized<Scalar>("0.weight"), apart = language_model<Scalar>("");
    const auto of_tied = tied.parameters();
    const auto of_apart = apart.parameters();
    CHECK(of_tied.size() == 6);
    CHECK(of_apart.size() == 7);
    for (std::size_t i = 0; i < of_tied.size(); ++i) { of_apart[i].set_value(of_tied[i].value()); }
    of_apart[6].set_value(of_tied[0].value());

    const Batch<Scalar> batch(9);
    CHECK(tied.predict(batch.inputs) == apart.predict(batch.inputs));
    for (const Index first : {0, 4}) {
        add_gradients(tied, batch, first, first == 0 ? 4 : 5);
        add_gradients(apart, batch, first, first == 0 ? 4 : 5);
    }
    const Matrix<Scalar> sum = of_apart[0].grad() + of_apart[6].grad();
    CHECK(of_tied[0].grad() == sum);
    for (auto& parameter : of_tied) { gacc::detail::ModelParameter<Scalar>::join_grads(parameter); }
    CHECK(of_tied[0].grad() == sum);
    for (std::size_t i = 1; i < of_tied.size(); ++i) { CHECK(of_tied[i].grad() == of_apart[i].grad()); }

    of_tied.zero_grad();
    CHECK(of_tied[0].grad().isZero(0));
}

TEST_CASE("Shared values: no cut and no number of threads changes a bit") {
    const auto trained = [](Index micro_batch, int threads) {
        gacc::set_threads(threads);
        auto model = initialized<float>("0.weight");
        gacc::Adam adam(model.parameters(), {.clip_norm = 0.1});
        const Batch<float> batch(23);
        for (int step = 0; step < 3; ++step) {
            for (Index first = 0; first < 23; first += micro_batch) {
                add_gradients(model, batch, first, std::min(micro_batch, 23 - first));
            }
            adam.step();
            adam.zero_grad();
        }
        gacc::set_threads(0);
        return values(model);
    };
    const auto whole = trained(23, 1);
    for (const Index micro_batch : {1, 4, 7, 23}) {
        for (const int threads : {1, 3}) { CHECK(trained(micro_batch, threads) == whole); }
    }
}

TEST_CASE("Shared values: gradients are those of central differences, and the audit finds the same bits") {
    auto model = initialized<double>("0.weight");
    const Batch<double> batch(4);
    gacc::SoftmaxCrossEntropy<double> loss;
    const auto check = gacc::check_gradients(model, loss, batch.inputs, batch.labels);
    CHECK_MESSAGE(check.agree(), check.description());
    CHECK(check.parameters.size() == 6);
    const auto audit = gacc::audit(model, loss, batch.inputs, batch.labels, 3);
    CHECK_MESSAGE(audit.same(), audit.description());
}

TEST_CASE("Shared values: planned bytes are measured bytes, with a gradient buffer more") {
    const auto before = gacc::memory::live();
    auto model = initialized<float>("0.weight");
    gacc::Adam adam(model.parameters());
    const auto plan = gacc::plan({.batch_size = 8}, model, gacc::SoftmaxCrossEntropy(), adam);
    const auto now = gacc::memory::live();
    using enum gacc::memory::Kind;
    for (const auto kind : {parameters, gradients, moments}) { CHECK(plan.bytes[kind] == now[kind] - before[kind]); }
    CHECK(plan.bytes[moments] == 2 * plan.bytes[parameters]);
    const auto matrix = static_cast<std::size_t>(adam.parameters()[0].grad_storage().size()) * sizeof(float);
    CHECK(plan.bytes[gradients] == plan.bytes[parameters] + matrix);
}

TEST_CASE("Shared values: training goes on to the bit from a checkpoint in the middle of a batch") {
    const TemporaryFolder folder;
    const Batch<float> batch(8);
    const auto run = [&](bool interrupted) {
        auto model = initialized<float>("0.weight");
        gacc::Adam adam(model.parameters());
        gacc::Rng rng(1);
        gacc::DataPosition position;
        add_gradients(model, batch, 0, 5);
        if (!interrupted) {
            add_gradients(model, batch, 5, 3);
            adam.step();
            return values(model);
        }
        gacc::Checkpoint(adam, rng, position).save(folder.path() / "run.safetensors");
        auto second = initialized<float>("0.weight");
        gacc::Adam again(second.parameters());
        gacc::Checkpoint(again, rng, position).load(folder.path() / "run.safetensors");
        add_gradients(second, batch, 5, 3);
        again.step();
        return values(second);
    };
    CHECK(run(true) == run(false));
}

TEST_CASE("Shared values: a guard that leaves a micro-batch out takes its gradients from both buffers") {
    auto model = initialized<float>("0.weight"), other = initialized<float>("0.weight");
    const Batch<float> batch(6);
    gacc::Adam adam(model.parameters());
    gacc::NonFiniteGuard guard(adam, gacc::NonFinite::skip);
    CHECK(guard.state_bytes() == static_cast<std::size_t>(adam.parameters().stored_gradients()) * sizeof(float));
    gacc::SoftmaxCrossEntropy<float> loss;
    for (const Index first : {0, 3}) {
        CHECK(guard.accepts(loss.forward(model.forward(batch.inputs.middleRows(first, 3)), batch.labels_of(first, 3))));
        const auto of_loss = loss.backward();
        Matrix<float> grad = of_loss.grad;
        if (first == 3) { grad(0, 0) = std::numeric_limits<float>::infinity(); }
        model.backward({grad, of_loss.sample_weights});
        CHECK(guard.accepts_gradients() == (first == 0));
    }
    add_gradients(other, batch, 0, 3);
    CHECK(model.parameters()[0].grad() == other.parameters()[0].grad());
}

TEST_CASE("Shared values: a copy of a model shares within itself") {
    auto model = initialized<float>("0.weight");
    Sequential<float> copy = model;
    const Matrix<float> before = model.parameters()[0].value();
    copy.parameters()[0].set_value(2 * before);
    CHECK(model.parameters()[0].value() == before);
    auto doubled = initialized<float>("0.weight");
    doubled.parameters()[0].set_value(2 * before);
    const Batch<float> batch(2);
    CHECK(copy.predict(batch.inputs) == doubled.predict(batch.inputs));
    CHECK(copy.predict(batch.inputs) != model.predict(batch.inputs));
}

TEST_CASE("Shared values: a copy finds them also where their parameter has another name by now") {
    auto model = initialized<float>("0.weight");
    gacc::detail::ModelParameter<float>::rename(model.parameters()[0], "embedding");
    Sequential<float> copy = model;
    const Batch<float> batch(2);
    CHECK(copy.predict(batch.inputs) == model.predict(batch.inputs));
}

TEST_CASE("Shared values: a model that shares them does not take the values of one that does not") {
    auto model = initialized<float>("0.weight");
    const auto apart = initialized<float>("");
    const gacc::Adam adam(model.parameters());
    const auto before = values(model);
    CHECK_THROWS_AS(model = apart, gacc::UsageError);
    CHECK(values(model) == before);
}

TEST_CASE("Shared values: the norm of gradients is that of the sums") {
    auto model = initialized<double>("0.weight");
    add_gradients(model, Batch<double>(3), 0, 3);
    double squares = 0;
    for (auto& parameter : model.parameters()) { squares += parameter.grad().squaredNorm(); }
    gacc::GradientNorm<double> norm(model.parameters());
    CHECK(std::abs(norm() - std::sqrt(squares)) < 1e-12);
}

TEST_CASE("Shared values: a step goes along the sum of both gradients") {
    auto model = initialized<float>("0.weight");
    gacc::SGD sgd(model.parameters(), {.learning_rate = 0.5});
    add_gradients(model, Batch<float>(5), 0, 5);
    const Matrix<float> before = model.parameters()[0].value(), sum = model.parameters()[0].grad();
    sgd.step();
    CHECK((model.parameters()[0].value() - (before - sum * (0.5F / 15))).cwiseAbs().maxCoeff() < 1e-6);  // of about 0.1
    CHECK((sum * (0.5F / 15)).cwiseAbs().maxCoeff() > 1e-3);
}

TEST_CASE("Shared values: a refused step and a norm in the middle of a batch change nothing, and the batch goes on") {
    const Batch<float> batch(9);
    const auto trained = [&](bool refused) {
        auto model = initialized<float>("0.weight");
        gacc::Adam adam(model.parameters(), {.clip_norm = 0.1});
        gacc::GradientNorm<float> norm(model.parameters());
        add_gradients(model, batch, 0, 4);
        if (refused) {
            adam.set_learning_rate(1e38);  // 1e39 with the correction of the first step
            for (int i = 0; i < 2; ++i) {
                const auto before = gacc::test::state_of(model.parameters());
                CHECK_THROWS_AS(adam.step(), gacc::UsageError);
                norm();
                CHECK(gacc::test::state_of(model.parameters()) == before);
                CHECK(adam.steps() == 0);
            }
            adam.set_learning_rate(1e-3);
        }
        add_gradients(model, batch, 4, 5);
        adam.step();
        return gacc::test::state_of(model.parameters());
    };
    CHECK(trained(true) == trained(false));
}

TEST_CASE("Shared values: a model file has them once, and a loaded model shares them") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "model.safetensors";
    auto model = initialized<float>("0.weight");
    gacc::save_model(path, model);
    auto loaded = gacc::load_model(path);
    CHECK(loaded.parameters().size() == 6);
    CHECK(values(loaded) == values(model));
    loaded.parameters()[0].set_value(Matrix<float>::Zero(vocabulary, width));
    const Batch<float> batch(1);
    CHECK(loaded.predict(batch.inputs).isZero(0));
    CHECK(model.summary().find("total") != std::string::npos);
}

TEST_CASE("Shared values: each gradient is told ready once, when both layers have added to it") {
    auto model = initialized<float>("0.weight");
    const Batch<float> batch(4);
    std::vector<std::string> names;
    add_gradients(model, batch, 0, 2, [&](auto& parameter) { names.push_back(parameter.name()); });
    CHECK(names == std::vector<std::string>{"3.weight", "3.bias", "2.weight", "2.bias", "1.weight", "0.weight"});

    // After ready() nothing more is added to the gradient.
    auto other = initialized<float>("0.weight");
    std::map<std::string, Matrix<float>> told;
    add_gradients(other, batch, 0, 2, [&](auto& parameter) { told[parameter.name()] = parameter.grad(); });
    for (auto& parameter : other.parameters()) { CHECK(told.at(parameter.name()) == parameter.grad()); }
}

TEST_CASE("Shared values: frozen, neither layer has gradients of them") {
    auto model = language_model<float>("0.weight");
    model.freeze([](const auto& parameter) { return parameter.name() == "0.weight"; });
    gacc::Rng rng(1);
    model.initialize(rng);
    const auto parameters = model.parameters();
    for (auto& parameter : parameters.with_gradients()) { CHECK(parameter.name() != "0.weight"); }
    CHECK(parameters.stored_gradients() < parameters.stored_count());
    const Matrix<float> before = parameters[0].value();
    gacc::Adam adam(parameters);
    add_gradients(model, Batch<float>(2), 0, 2);
    adam.step();
    CHECK(parameters[0].value() == before);
}

TEST_CASE("Shared values: names and shapes that do not fit are refused, and nothing has changed") {
    auto model = Sequential<float>(gacc::Input(tokens), gacc::Embedding<float>(vocabulary, width));
    CHECK(message([&] { model.add(gacc::Linear<float>(width, vocabulary, {.shares = "1.weight"})); }) ==
          "gacc: Sequential: expected a parameter \"1.weight\", whose values 1.weight uses, got none; add its layer before");
    CHECK(message([&] { model.add(gacc::Linear<float>(width, 6, {.shares = "0.weight"})); }) ==
          "gacc: 1.weight: expected a parameter of shape [6 x 5] to share, got 0.weight of [7 x 5]");
    CHECK(model.size() == 1);
    model.add(gacc::Linear<float>(width, vocabulary, {.shares = "0.weight"}));
    CHECK(model.parameters().size() == 2);

    gacc::Linear<float> alone(width, vocabulary, {.shares = "0.weight"});
    CHECK(message([&] { alone.weight().value(); }) ==
          "gacc: weight: expected a layer in a model that has \"0.weight\", whose values it uses, got one outside");
}

}  // namespace shared_values_test
