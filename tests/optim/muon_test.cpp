#include <gacc/optim/muon.hpp>

#include <gacc/layers/conv2d.hpp>
#include <gacc/optim/adamw.hpp>

#include "support/given_gradients.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace muon_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::Muon;
using gacc::MuonOptions;

namespace {

auto named(const std::string& name) {
    return [name](const auto& parameter) { return parameter.name() == name; };
}

/// One step with these gradients for each sample of a batch of weight 2.
template <class Scalar, class Optimizer>
void step(Optimizer& optimizer, const std::vector<Matrix<Scalar>>& grads) {
    gacc::GradientTally tally = optimizer.parameters().tally();
    tally.template add<Scalar>(gacc::Reduction::mean_over_samples, std::vector<Scalar>{2});
    optimizer.parameters().set_tally(tally);
    for (std::size_t i = 0; i < grads.size(); ++i) { optimizer.parameters()[i].set_grad(2 * grads[i]); }
    optimizer.step();
    optimizer.zero_grad();
}

double moved(double s) {
    for (int i = 0; i < 5; ++i) { s = 3.4445 * s - 4.7750 * std::pow(s, 3) + 2.0315 * std::pow(s, 5); }
    return s;
}

}  // namespace

TEST_CASE("Muon: three steps of a matrix by hand") {
    gacc::Sequential<double> model(gacc::Linear<double>(2, 2, {.bias = false}));
    model.parameters()[0].set_value(Matrix<double>{{1, 1}, {1, 1}});
    Muon<double> muon(model.parameters(), {.learning_rate = 0.5, .momentum = 0.5, .nesterov = false, .weight_decay = 0.25});
    const auto value = [&] { return model.parameters()[0].value(); };
    // Diagonal gradients: the singular values are their sizes, and the directions their signs.
    step<double>(muon, {Matrix<double>{{6, 0}, {0, -8}}});  // m 3, -4
    double first = 0.875 - 0.5 * moved(0.6), second = 0.875 + 0.5 * moved(0.8), rest = 0.875;
    CHECK(value()(0, 0) == doctest::Approx(first).epsilon(1e-14));
    CHECK(value()(1, 1) == doctest::Approx(second).epsilon(1e-14));
    CHECK(value()(0, 1) == doctest::Approx(rest).epsilon(1e-14));
    step<double>(muon, {Matrix<double>{{6.5, 0}, {0, -2}}});  // m 19/4, -3
    const double norm = std::hypot(4.75, 3);
    first = 0.875 * first - 0.5 * moved(4.75 / norm), second = 0.875 * second + 0.5 * moved(3 / norm);
    CHECK(value()(0, 0) == doctest::Approx(first).epsilon(1e-14));
    CHECK(value()(1, 1) == doctest::Approx(second).epsilon(1e-14));
    step<double>(muon, {Matrix<double>{{-4.75, 0}, {0, 0}}});  // m 0, -3/2
    first *= 0.875, second = 0.875 * second + 0.5 * moved(1), rest *= 0.875 * 0.875;
    CHECK(value()(0, 0) == doctest::Approx(first).epsilon(1e-14));
    CHECK(value()(1, 1) == doctest::Approx(second).epsilon(1e-14));
    CHECK(value()(1, 0) == doctest::Approx(rest).epsilon(1e-14));
}

TEST_CASE("Muon: the size of a step, and Nesterov's momentum") {
    const auto after = [](Index rows, Index cols, MuonOptions options, int steps) {
        gacc::Sequential<double> model(gacc::Linear<double>(cols, rows, {.bias = false}));
        model.parameters()[0].set_value(Matrix<double>::Zero(rows, cols));
        options.learning_rate = 0.5;
        Muon<double> muon(model.parameters(), options);
        for (int i = 0; i < steps; ++i) {  // one singular value, then another one
            Matrix<double> grad = Matrix<double>::Zero(rows, cols);
            grad(0, i) = 1;
            step<double>(muon, {grad});
        }
        return model.parameters()[0].value()(0, steps - 1);
    };
    CHECK(after(9, 1, {}, 1) == doctest::Approx(-0.5 * 3 * moved(1)).epsilon(1e-14));
    CHECK(after(1, 9, {}, 1) == doctest::Approx(-0.5 * moved(1)).epsilon(1e-14));
    CHECK(after(9, 1, {.match_rms_adamw = true}, 1) == doctest::Approx(-0.5 * 0.6 * moved(1)).epsilon(1e-14));
    CHECK(after(1, 9, {.match_rms_adamw = true}, 1) == doctest::Approx(-0.5 * 0.6 * moved(1)).epsilon(1e-14));
    // Second step, momentum 1/2: m is (1/4, 1/2), with nesterov d is (1/8, 3/4).
    CHECK(after(1, 2, {.momentum = 0.5, .nesterov = false}, 2) ==
          doctest::Approx(-0.5 * moved(1) * 0.5 / std::hypot(0.25, 0.5)).epsilon(1e-14));
    CHECK(after(1, 2, {.momentum = 0.5}, 2) ==
          doctest::Approx(-0.5 * moved(1) * 0.75 / std::hypot(0.125, 0.75)).epsilon(1e-14));
}

TEST_CASE("Muon: vectors, and the matrices that are named, are updated as AdamW does, to the bit") {
    gacc::Rng rng(1);
    GivenGradients<float> subject, same;
    for (auto* each : {&subject, &same}) { each->set_values(1); }
    const gacc::AdamWOptions adamw{.learning_rate = 0.01, .beta2 = 0.9, .weight_decay = 0.5};
    Muon muon(subject.parameters, {.learning_rate = 0.02, .adamw = adamw}, named("1.weight"));
    gacc::AdamW other(same.parameters, adamw);
    for (int i = 0; i < 3; ++i) {
        std::vector<Matrix<float>> grads;
        for (const auto& parameter : subject.parameters) {
            grads.push_back(random_matrix<float>(rng, parameter.rows(), parameter.cols()));
        }
        step<float>(muon, grads);
        step<float>(other, grads);
    }
    for (const std::size_t i : {1, 2, 3}) { CHECK(subject.parameters[i].value() == same.parameters[i].value()); }
    CHECK(subject.parameters[0].value() != same.parameters[0].value());
}

TEST_CASE("Muon: AdamW's learning rate changes in proportion, and groups have their own") {
    GivenGradients<float> subject;
    Muon muon(subject.parameters,
              {.learning_rate = 0.02, .weight_decay = 0.3, .adamw = {.learning_rate = 0.01, .weight_decay = 0.2}});
    const auto option = [&](const std::string& name) {
        const auto all = muon.named_options();
        return std::ranges::find(all, name, &gacc::OptimizerOption::name)->value;
    };
    CHECK(option("group 1 learning_rate") == 0.01);
    CHECK(option("group 1 weight_decay") == 0.2);
    muon.group(named("1.bias"), {.weight_decay = 0});
    muon.group(named("1.weight"), {.learning_rate = 0.04});
    CHECK(option("group 2 learning_rate") == 0.01);
    CHECK(option("group 2 weight_decay") == 0);
    CHECK(option("group 3 learning_rate") == 0.04);
    CHECK(option("group 3 weight_decay") == 0.3);
    muon.set_learning_rate(0.01);
    CHECK(option("group 1 learning_rate") == 0.005);
    CHECK(option("group 2 learning_rate") == 0.005);
    CHECK(option("group 3 learning_rate") == 0.02);
    CHECK_THROWS_WITH_AS(
        muon.group([](const auto& parameter) { return parameter.name().starts_with("0."); }, {.weight_decay = 0}),
        "gacc: Muon::group: expected parameters that are all updated in one way, got 0.bias and 0.weight",
        gacc::UsageError);
    CHECK_THROWS_WITH_AS(muon.group(named("1.bias"), {.weight_decay = 0}),
                         "gacc: Muon::group: expected parameters that are in no group yet, got 1.bias, which is in group 2",
                         gacc::UsageError);

    Muon other(subject.parameters, {}, named("1.weight"));
    CHECK_THROWS_WITH_AS(other.set_state(Muon(subject.parameters).state()),
                         "gacc: Muon: expected 1.weight in group 1, got it in group 0; make the groups as they were when "
                         "the state was saved",
                         gacc::DataError);
}

TEST_CASE("Muon: the kernels of a convolution are a matrix, with columns in any order") {
    gacc::Rng rng(1);
    gacc::Sequential<double> images(gacc::Input(gacc::Shape{5, 5, 4}), gacc::Conv2d<double>(4, 7, {.bias = false}));
    gacc::Sequential<double> rows(gacc::Linear<double>(36, 7, {.bias = false}));
    const Matrix<double> value = random_matrix<double>(rng, 7, 36), grad = random_matrix<double>(rng, 7, 36);
    for (auto* model : {&images, &rows}) {
        model->parameters()[0].set_value(value);
        Muon<double> muon(model->parameters());
        step<double>(muon, {grad});
    }
    CHECK((images.parameters()[0].value() - rows.parameters()[0].value()).cwiseAbs().maxCoeff() < 1e-14);
}

TEST_CASE("Muon: the threads change no bit, and the padding stays zero") {
    const auto trained = [](int threads) {
        gacc::set_threads(threads);
        gacc::Rng rng(1);
        gacc::Sequential<float> model(gacc::Linear(203, 97), gacc::Linear(97, 110));
        model.initialize(rng);
        Muon<float> muon(model.parameters(), {.learning_rate = 0.02, .clip_norm = 1});
        for (int i = 0; i < 2; ++i) {
            std::vector<Matrix<float>> grads;
            for (const auto& parameter : model.parameters()) {
                grads.push_back(random_matrix<float>(rng, parameter.rows(), parameter.cols()));
            }
            step<float>(muon, grads);
        }
        gacc::set_threads(0);
        for (const auto& parameter : model.parameters()) {
            const auto stored = parameter.stored_values();
            CHECK(std::ranges::count_if(stored, [](float number) { return number != 0; }) <= parameter.size());
        }
        return values_of(model.parameters());
    };
    const auto expected = trained(1);
    for (const int threads : {2, 3, 4}) { CHECK(trained(threads) == expected); }
}

TEST_CASE("Muon: zero gradients only decay, and NaN is seen in the values") {
    GivenGradients<float> subject;
    subject.set_values(1);
    Muon muon(subject.parameters, {.learning_rate = 0.5, .weight_decay = 0.25, .epsilon = 0,
                                   .adamw = {.learning_rate = 0.5, .weight_decay = 0.25}});
    subject.give_constant(1, 0);
    muon.step();
    CHECK(subject.value() == 0.875);
    subject.give_constant(1, std::nan(""));
    muon.step();
    for (const auto& parameter : subject.parameters) {
        CHECK(parameter.value().array().isNaN().all());
        const auto stored = std::as_const(parameter).stored_values();
        CHECK(std::ranges::count_if(stored, [](float number) { return std::isnan(number); }) == parameter.size());
    }
}

TEST_CASE("Muon: with clipping it refuses a gradient that is not finite, and nothing changes") {
    GivenGradients<float> subject;
    subject.set_values(1);
    Muon muon(subject.parameters, {.clip_norm = 1});
    const auto before = muon.state();
    subject.give_constant(1, std::numeric_limits<double>::infinity());
    CHECK_THROWS_WITH_AS(muon.step(),
                         "gacc: Muon::step: expected gradients with a finite norm, got inf; nothing has changed, and "
                         "zero_grad() leaves this batch out",
                         gacc::NonFiniteError);
    CHECK(subject.value() == 1);
    CHECK(muon.state() == before);
    for (const auto& moments : muon.moments()) { CHECK(moments.stored[0] == 0); }
}

TEST_CASE("Muon: it keeps a number for each of a matrix, two for each of AdamW's, and room for the products") {
    GivenGradients<double> subject;
    Muon<double> muon(subject.parameters);
    const auto moments = muon.moments();
    REQUIRE(moments.size() == 3);
    CHECK(moments[0].name == "momentum");
    CHECK(static_cast<Index>(moments[0].stored.size()) == subject.parameters.stored_count());
    CHECK_FALSE(moments[0].parameter.has_value());
    for (const std::size_t i : {1, 2}) {
        CHECK(moments[i].name == "second_moments");
        CHECK(moments[i].parameter == 2 * i - 1);
        CHECK(moments[i].non_negative);
        CHECK(moments[i].stored.size() == std::as_const(subject.parameters[2 * i - 1]).stored_values().size());
    }
    gacc::Sequential<float> model(gacc::Linear(500, 300, {.bias = false}));
    const auto bytes_with = [](std::size_t rows) { return (3 * rows * 500 + 2 * rows * rows) * sizeof(float); };
    constexpr std::size_t panel = gacc::detail::Simd<float>::panel_width;
    CHECK(Muon(model.parameters()).state_bytes() > bytes_with(300));
    CHECK(Muon(model.parameters()).state_bytes() < bytes_with((300 + panel - 1) / panel * panel) + 8'000);
    CHECK_FALSE(muon.keep_slice(0, 16));
}

TEST_CASE("Muon: its defaults are PyTorch's") {
    GivenGradients<float> subject;
    const Muon muon(subject.parameters);
    CHECK(muon.options().learning_rate == 1e-3);
    CHECK(muon.options().momentum == 0.95);
    CHECK(muon.options().nesterov);
    CHECK(muon.options().weight_decay == 0.1);
    CHECK(muon.options().epsilon == 1e-7);
    CHECK_FALSE(muon.options().match_rms_adamw);
    CHECK(muon.options().adamw.learning_rate == gacc::AdamWOptions().learning_rate);
    CHECK(muon.options().clip_norm == std::numeric_limits<double>::infinity());
}

TEST_CASE("Muon: an option out of its range is an error, and so is a model without a matrix for it") {
    GivenGradients<float> subject;
    const auto make = [&](MuonOptions options) { Muon muon(subject.parameters, options); };
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}), "gacc: Muon: expected learning_rate of 0 or more, got -0.5",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.learning_rate = 0}),
                         "gacc: Muon: expected a learning_rate above 0, with which AdamW's shall change in proportion, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.momentum = 1}), "gacc: Muon: expected momentum from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = -1}), "gacc: Muon: expected weight_decay of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.epsilon = -1}), "gacc: Muon: expected epsilon of 0 or more, got -1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.adamw = {.beta2 = 1}}),
                         "gacc: Muon: expected adamw.beta2 from 0 up to, not including, 1, got 1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.adamw = {.clip_norm = 1}}),
                         "gacc: Muon: expected clip_norm of .adamw left out, since clip_norm of Muon clips all gradients "
                         "together, got 1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.adamw = {.moments = gacc::MomentFormat::bfloat16}}),
                         "gacc: Muon: expected moments of .adamw in full, got bfloat16", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.clip_norm = 0}), "gacc: Muon: expected clip_norm larger than 0, got 0", gacc::UsageError);
    const auto all = [](const auto&) { return true; };
    CHECK_THROWS_WITH_AS(Muon(subject.parameters, {}, all),
                         "gacc: Muon: expected one matrix or more that Muon updates, got none; use AdamW", gacc::UsageError);
    Muon large(subject.parameters, {.learning_rate = 3e38, .weight_decay = 0});
    subject.set_values(1);
    subject.give_constant(1, 1);
    CHECK_THROWS_WITH_AS(large.step(),
                         "gacc: Muon::step: expected the size of a step in the range of float, got 3.87298e+38; nothing has "
                         "changed; set a smaller learning rate",
                         gacc::UsageError);
    CHECK(subject.value() == 1);
}

}  // namespace muon_test
