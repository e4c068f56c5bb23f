#include <gacc/accumulation/noise_scale.hpp>

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace noise_scale_test {

using gacc::Index;
using gacc::Matrix;
using gacc::NoiseScale;
using gacc::NoiseScaleOptions;
using gacc::test::state_of;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A model whose gradient of a sample is the sample: a Linear with one output, whose gradient is 1. Sample numbers are
/// normal with mean 0.1 and deviations from 0.5 to 1.5.
template <class Scalar>
struct KnownNoise {
    explicit KnownNoise(Index features) : model(gacc::Linear<Scalar>(features, 1, {.bias = false})) {
        gacc::Rng first(3);
        model.initialize(first);
    }
    Index features() { return model.in_features(); }
    double deviation(Index i) { return 0.5 + static_cast<double>(i) / static_cast<double>(features() - 1); }
    double trace() {
        double sum = 0;
        for (Index i = 0; i < features(); ++i) { sum += deviation(i) * deviation(i); }
        return sum;
    }
    double square() { return 0.01 * static_cast<double>(features()); }

    Matrix<Scalar> draw(Index samples) {
        Matrix<Scalar> x(samples, features());
        for (Index r = 0; r < samples; ++r) {
            for (Index i = 0; i < features(); ++i) { x(r, i) = static_cast<Scalar>(0.1 + deviation(i) * rng.normal()); }
        }
        return x;
    }
    void micro_batch(NoiseScale<Scalar>& noise, Index samples, Scalar weight = 1) {
        const Matrix<Scalar> x = draw(samples), ones = Matrix<Scalar>::Constant(samples, 1, weight);
        model.forward(x);
        noise.backward(model, {ones, std::vector<Scalar>(static_cast<std::size_t>(samples), weight)});
    }
    bool batch(NoiseScale<Scalar>& noise, const std::vector<Index>& cut) {
        for (const Index samples : cut) { micro_batch(noise, samples); }
        const bool measured = noise.end_batch();
        model.parameters().zero_grad();
        return measured;
    }

    gacc::Sequential<Scalar> model;
    gacc::Rng rng{7};
};

/// A small perceptron with a data set, for what does not depend on known noise.
struct Training {
    Training() {
        gacc::Rng rng(1);
        model.initialize(rng);
        inputs = gacc::test::random_matrix<float>(rng, 64, 40);
        for (auto& label : labels) { label = static_cast<gacc::Label>(rng.below(3)); }
    }
    gacc::LossGradient<float> loss_of(Index first, Index count) {
        loss.forward(model.forward(inputs.middleRows(first, count)),
                     std::span(labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
        return loss.backward();
    }

    gacc::Sequential<float> model{gacc::Linear(40, 300), gacc::ReLU(), gacc::Linear(300, 3)};
    gacc::SoftmaxCrossEntropy<float> loss;
    gacc::Adam<float> adam{model.parameters()};
    Matrix<float> inputs;
    std::vector<gacc::Label> labels = std::vector<gacc::Label>(64);
};

}  // namespace

TEST_CASE("NoiseScale: within 5 % of a known covariance, for equal and ragged cuts") {
    for (const std::vector<Index>& cut : {std::vector<Index>{32, 32, 32}, {32, 32, 32, 5}, {5, 32, 1}}) {
        KnownNoise<double> known(40);
        NoiseScale<double> noise(known.model.parameters(), {.one_in = 1, .half_life = infinity});
        for (int i = 0; i < 2000; ++i) { REQUIRE(known.batch(noise, cut)); }
        CHECK(noise.estimates() == 2000);
        CHECK(noise.trace() == doctest::Approx(known.trace()).epsilon(0.01));
        CHECK(noise.gradient_square() == doctest::Approx(known.square()).epsilon(0.05));
        CHECK(noise.value().value() == doctest::Approx(known.trace() / known.square()).epsilon(0.05));
    }
}

TEST_CASE("NoiseScale: so it is where a part of a large gradient is looked at, in turn") {
    KnownNoise<float> known(6000);
    NoiseScale<float> noise(known.model.parameters(), {.one_in = 4, .half_life = infinity});
    CHECK(noise.state_bytes() < std::as_const(known.model.parameters()[0]).stored_values().size() * sizeof(float) / 3);
    for (int i = 0; i < 40; ++i) { known.batch(noise, {8, 8, 8, 1}); }
    CHECK(noise.trace() == doctest::Approx(known.trace()).epsilon(0.01));
    CHECK(noise.value().value() == doctest::Approx(known.trace() / known.square()).epsilon(0.05));
}

TEST_CASE("NoiseScale: by hand, with weights") {
    KnownNoise<double> known(1);
    NoiseScale<double> noise(known.model.parameters(), {.one_in = 1, .half_life = 1});
    const auto give = [&](double x, double weight) {
        const Matrix<double> input = Matrix<double>::Constant(1, 1, x);
        known.model.forward(input);
        const Matrix<double> grad = Matrix<double>::Constant(1, 1, weight);
        noise.backward(known.model, {grad, std::vector<double>{weight}});
    };
    give(2, 1);
    give(7, 0);  // counts for nothing
    give(4, 3);
    CHECK(noise.end_batch());
    known.model.parameters().zero_grad();
    // B = 4, q = 1/4 * 4 + 3/4 * 16 = 13, Q = (1/4 * 2 + 3/4 * 4)^2 = 12.25, K = 2
    CHECK(noise.trace() == doctest::Approx(4 * 0.75));
    CHECK(noise.gradient_square() == doctest::Approx(2 * 12.25 - 13));
    give(1, 1);
    give(1, 1);
    CHECK(noise.end_batch());  // no noise, |G|^2 = 1; the estimate before counts half
    CHECK(noise.trace() == doctest::Approx(3.0 / 2 / 1.5));
    CHECK(noise.gradient_square() == doctest::Approx((11.5 / 2 + 1) / 1.5));
    CHECK(noise.value().value() == doctest::Approx(1.5 / 6.75));
}

TEST_CASE("NoiseScale: one micro-batch gives no estimate, and nothing is known before the first") {
    KnownNoise<double> known(8);
    NoiseScale<double> noise(known.model.parameters());
    CHECK_FALSE(noise.value());
    CHECK_FALSE(known.batch(noise, {32}));
    CHECK(noise.estimates() == 0);
    CHECK_FALSE(noise.value());
    CHECK(known.batch(noise, {16, 16}));
    CHECK(noise.estimates() == 1);
}

TEST_CASE("NoiseScale: a batch that is given up leaves nothing behind") {
    KnownNoise<double> known(8), other(8);
    NoiseScale<double> noise(known.model.parameters()), fresh(other.model.parameters());
    known.micro_batch(noise, 9);
    known.model.parameters().zero_grad();
    other.rng = known.rng.copy();
    known.batch(noise, {4, 4, 3});
    other.batch(fresh, {4, 4, 3});
    CHECK(noise.value() == fresh.value());
}

TEST_CASE("NoiseScale: changes no bit of the gradients, and does not depend on threads") {
    Training plain, measured, alone;
    NoiseScale<float> noise(measured.adam.parameters()), noise_alone(alone.adam.parameters());
    for (int step = 0; step < 12; ++step) {
        for (const Index first : {0, 20, 40}) {
            plain.model.backward(plain.loss_of(first, 20));
            gacc::set_threads(3);
            noise.backward(measured.model, measured.loss_of(first, 20));
            gacc::set_threads(1);
            noise_alone.backward(alone.model, alone.loss_of(first, 20));
            gacc::set_threads(0);
            CHECK(state_of(plain.model.parameters()) == state_of(measured.model.parameters()));
        }
        noise.end_batch();
        noise_alone.end_batch();
        for (Training* training : {&plain, &measured, &alone}) {
            training->adam.step();
            training->adam.zero_grad();
        }
    }
    CHECK(noise.state() == noise_alone.state());
    CHECK(noise.value().value() > 0);
}

TEST_CASE("NoiseScale: resumes to the bit in the middle of a batch") {
    const TemporaryFolder folder;
    Training training;
    gacc::Rng rng(1);
    gacc::DataPosition position;
    NoiseScale<float> noise(training.adam.parameters());
    gacc::Checkpoint checkpoint(training.adam, rng, position);
    checkpoint.keep("noise_scale", noise);
    const auto go_on = [](Training& of, NoiseScale<float>& with) {
        with.backward(of.model, of.loss_of(24, 17));
        with.end_batch();
        of.adam.step();
        of.adam.zero_grad();
    };
    for (int step = 0; step < 3; ++step) {
        training.model.parameters().zero_grad();
        noise.backward(training.model, training.loss_of(0, 24));
        if (step < 2) { go_on(training, noise); }
    }
    checkpoint.save(folder.path() / "c.safetensors");

    Training resumed;
    NoiseScale<float> again(resumed.adam.parameters());
    gacc::Checkpoint other(resumed.adam, rng, position);
    other.keep("noise_scale", again);
    other.load(folder.path() / "c.safetensors");
    go_on(training, noise);
    go_on(resumed, again);
    CHECK(again.state() == noise.state());
    CHECK(again.estimates() == 3);

    CHECK_THROWS_AS(again.set_state(std::vector<std::uint64_t>(3)), gacc::DataError);
}

TEST_CASE("NoiseScale: a micro-batch that a guard refuses does not count") {
    Training training, other;
    NoiseScale<float> noise(training.adam.parameters()), fresh(other.adam.parameters());
    gacc::NonFiniteGuard guard(training.adam, gacc::NonFinite::skip);
    for (const Index first : {0, 10, 20}) {
        const auto value = training.loss.forward(training.model.forward(training.inputs.middleRows(first, 10)),
                                                 std::span(training.labels).subspan(static_cast<std::size_t>(first), 10));
        REQUIRE(guard.accepts(value));
        Matrix<float> grad = training.loss.backward().grad;
        if (first == 10) { grad(3, 1) = std::numeric_limits<float>::infinity(); }
        noise.backward(training.model, {grad, std::vector<float>(10, 1)});
        if (!guard.accepts_gradients()) { noise.leave_out(); }
        if (first != 10) { fresh.backward(other.model, other.loss_of(first, 10)); }
    }
    CHECK(guard.skipped() == 1);
    CHECK(noise.end_batch());
    CHECK(fresh.end_batch());
    CHECK(noise.trace() == fresh.trace());
    CHECK(noise.gradient_square() == fresh.gradient_square());
}

TEST_CASE("NoiseScale: lanes change the order of the sums, not what is measured") {
    Training training, other;
    NoiseScale<float> noise(training.adam.parameters(), {.one_in = 1});
    NoiseScale<float> without(other.adam.parameters(), {.one_in = 1});
    gacc::Lanes<float> lanes(training.adam.parameters(), 3);
    lanes.begin_batch(60);
    for (Index lane = 0; lane < 3; ++lane) {
        lanes.begin_lane();
        for (const Index first : {20 * lane, 20 * lane + 15}) {
            const Index count = first % 20 == 0 ? 15 : 5;
            noise.backward(training.model, training.loss_of(first, count));
            without.backward(other.model, other.loss_of(first, count));
        }
        lanes.end_lane();
    }
    lanes.join();
    CHECK(noise.end_batch());
    CHECK(without.end_batch());
    CHECK(noise.trace() == doctest::Approx(without.trace()).epsilon(1e-4));
    CHECK(noise.gradient_square() == doctest::Approx(without.gradient_square()).epsilon(1e-4));
}

TEST_CASE("NoiseScale: lanes that several machines measure give the bits of one") {
    const auto measure = [](Training& training, NoiseScale<float>& noise, gacc::Lanes<float>& lanes) {
        lanes.begin_batch(60);
        for (Index lane = lanes.first(); lane < lanes.last(); ++lane) {
            lanes.begin_lane();
            noise.backward(training.model, training.loss_of(12 * lane, 7));
            noise.backward(training.model, training.loss_of(12 * lane + 7, 5));
            lanes.end_lane();
        }
    };
    Training one;
    NoiseScale<float> noise(one.adam.parameters());
    gacc::Lanes<float> lanes(one.adam.parameters(), 5);
    measure(one, noise, lanes);
    lanes.join();

    std::vector<NoiseScale<float>::Sums> all;
    for (const auto& [first, last] : {std::pair<Index, Index>{0, 2}, {2, 3}, {3, 5}}) {
        Training machine;
        NoiseScale<float> part(machine.adam.parameters());
        gacc::Lanes<float> some(machine.adam.parameters(), 5, first, last);
        measure(machine, part, some);
        REQUIRE(static_cast<Index>(part.lanes().size()) == last - first);
        all.insert(all.end(), part.lanes().begin(), part.lanes().end());
        if (last < 5) { continue; }
        machine.model.parameters().set_tally(one.model.parameters().tally());
        CHECK(part.end_batch(all, noise.sample().square()));
        CHECK(noise.end_batch());
        CHECK(part.state() == noise.state());
        CHECK(part.lanes().empty());
    }
}

TEST_CASE("GradientSample: the copies of slices make one whose square is that of all gradients") {
    Training whole;
    whole.model.backward(whole.loss_of(0, 20));
    gacc::detail::GradientSample<float> expected(whole.model.parameters(), 4);
    const Index end = whole.model.parameters().stored_count();
    for (const Index cut : {Index{0}, Index{8}, Index{760}, Index{768}, Index{776}, Index{1016}, end - 8, end}) {
        const auto slice = [&](Training& training, Index first, Index last) {
            training.model.backward(training.loss_of(0, 20));
            Index number = 0;
            for (auto& parameter : training.model.parameters()) {
                for (float& grad : parameter.grad_storage()) {
                    if (number < first || number >= last) { grad = 100; }  // of other machines
                    ++number;
                }
            }
        };
        Training left, right;
        slice(left, 0, cut);
        slice(right, cut, end);
        gacc::detail::GradientSample<float> of_left(left.model.parameters(), 4), of_right(right.model.parameters(), 4);
        for (const Index phase : {0, 3}) {
            for (auto* sample : {&expected, &of_left, &of_right}) {
                sample->set_phase(phase);
                sample->remember();
            }
            const auto from = of_right.copy(cut, end), to = of_left.copy(cut, end);
            REQUIRE(from.size() == to.size());
            CHECK(of_left.copy(0, cut).size() + to.size() == of_left.copy(0, end).size());
            std::ranges::copy(from, to.begin());
            CHECK(of_left.square_of_copy() == expected.square());
        }
    }
}

TEST_CASE("NoiseScale: its copy is in the plan, to the byte") {
    Training training;
    NoiseScale<float> noise(training.adam.parameters(), {.one_in = 2});
    const auto with = gacc::plan({.batch_size = 64, .micro_batch = 16}, training.model, training.loss, training.adam, noise);
    const auto without = gacc::plan({.batch_size = 64, .micro_batch = 16}, training.model, training.loss, training.adam);
    CHECK(with.bytes.total() - without.bytes.total() == noise.state_bytes());
}

TEST_CASE("NoiseScale: refuses options out of range, and micro-batches that it has not seen") {
    Training training;
    const auto parameters = training.adam.parameters();
    const auto make = [&](NoiseScaleOptions options) { NoiseScale<float>(parameters, options); };
    CHECK_THROWS_WITH_AS(make({.one_in = 0}), "gacc: NoiseScale: expected a one_in from 1 to 1024, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.half_life = 0}), "gacc: NoiseScale: expected a half_life larger than 0, got 0",
                         gacc::UsageError);
    NoiseScale<float> noise(parameters);
    training.model.backward(training.loss_of(0, 10));
    noise.backward(training.model, training.loss_of(10, 10));
    CHECK_THROWS_WITH_AS(noise.end_batch(),
                         "gacc: NoiseScale::end_batch: expected the 2 micro-batches of the batch to come through "
                         "NoiseScale::backward, got 1",
                         gacc::UsageError);
}

}  // namespace noise_scale_test
