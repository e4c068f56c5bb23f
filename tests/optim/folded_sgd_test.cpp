#include <gacc/optim/folded_sgd.hpp>

#include <gacc/accumulation/folded_backward.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/sgd.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace folded_sgd_test {

using gacc::FoldedSGD;
using gacc::FoldedSGDOptions;
using gacc::Matrix;
using gacc::SGD;

namespace {

/// A model of a matrix of 2 x 3 and a vector of 2, all of one value. Each gradient of a sample is what the test gives.
template <class Scalar>
struct Subject {
    explicit Subject(const FoldedSGDOptions& options) : optimizer(model.parameters(), options), folded(model, optimizer) {
        for (auto& each : model.parameters()) {
            each.set_value(Matrix<Scalar>::Constant(each.rows(), each.cols(), Scalar(1)));
        }
    }
    void backward(double grad, double weight) {
        const Matrix<Scalar> ones = Matrix<Scalar>::Ones(1, 3);
        const Matrix<Scalar> grads = Matrix<Scalar>::Constant(1, 2, static_cast<Scalar>(grad));
        model.forward(ones);
        folded.backward({grads, std::vector<Scalar>{static_cast<Scalar>(weight)}});
    }
    void step() {
        optimizer.step();
        optimizer.zero_grad();
    }
    /// The value of all elements, which must be equal, after a batch of one micro-batch.
    double after(double weight, double grad) {
        optimizer.begin_batch(weight);
        backward(grad, weight);
        step();
        return value();
    }
    double value() {
        const double first = model.parameters()[0].value()(0, 0);
        for (const auto& each : model.parameters()) {
            CHECK((each.value().array() == static_cast<Scalar>(first)).all());
        }
        return first;
    }

    gacc::Sequential<Scalar> model{gacc::Linear<Scalar>(3, 2)};
    FoldedSGD<Scalar> optimizer;
    gacc::FoldedBackward<Scalar> folded;
};

/// A model of three weights, whose gradients are its inputs.
struct ThreeWeights {
    static gacc::Parameters<double> set(gacc::Sequential<double>& model) {
        model.parameters()[0].set_value(Matrix<double>{{1, -0.5, 0.25}});
        return model.parameters();
    }
    void backward(const Matrix<double>& gradient, double weight) {
        const Matrix<double> one = Matrix<double>::Ones(1, 1);
        model.forward(gradient);
        folded.backward({one, std::vector<double>{weight}});
    }

    gacc::Sequential<double> model{gacc::Linear<double>(3, 1, {.bias = false})};
    FoldedSGD<double> optimizer{set(model), {.learning_rate = 0.01, .weight_decay = 0.01}};
    gacc::FoldedBackward<double> folded{model, optimizer};
};

struct Point {
    int step;
    double values[3];
};
// Written by folded_sgd.py.
constexpr Point trajectory[] = {
    {1, {1.00115, -0.4982, 0.246725}},
    {2, {1.0026057183333332, -0.49767601333333333, 0.24552366083333332}},
    {10, {0.9765441014738205, -0.47703671851361223, 0.22226751585018475}},
    {100, {0.5484952517366032, -0.6787889442887264, -0.044093993112408726}},
    {1000, {-1.7938207542191826, -2.214040290897695, -1.996303450372499}},
};

}  // namespace

TEST_CASE_TEMPLATE("FoldedSGD: three steps by hand, in which two tensors of equal gradient move equally", Scalar, float,
                   double) {
    // All of these numbers are exact, and those of SGD.
    Subject<Scalar> plain({.learning_rate = 0.125, .momentum = 0.5});
    plain.optimizer.begin_batch(4);
    plain.backward(8, 3);
    plain.backward(8, 1);
    CHECK(plain.optimizer.moments()[0].stored[0] == 16);  // the sum of the gradients
    plain.step();
    CHECK(plain.value() == 0.5);              // v 4
    CHECK(plain.optimizer.moments()[0].stored[0] == 8);
    CHECK(plain.after(2, -8) == 0.75);        // v 2 - 4
    CHECK(plain.after(2, 0) == 0.875);        // v -1

    Subject<Scalar> decaying({.learning_rate = 0.125, .momentum = 0.5, .weight_decay = 1});
    CHECK(decaying.after(4, 12) == 0.5);      // v 3 + 1
    CHECK(decaying.after(1, 0) == 0.1875);    // v 2 + 0.5
    CHECK(decaying.after(2, 0) == 0.0078125); // v 1.25 + 0.1875
}

TEST_CASE("FoldedSGD: in double it follows SGD over 1,000 batches of unequal weights and micro-batches") {
    ThreeWeights training;
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

TEST_CASE("FoldedSGD: the first step is SGD's to the bit if the weight is a power of 2, later ones are nearly") {
    using gacc::test::random_matrix;
    using gacc::test::values_of;
    const auto make = [] {
        gacc::Sequential<float> model(gacc::Linear<float>(40, 24));
        gacc::Rng rng(7);
        model.initialize(rng);
        return model;
    };
    auto model = make(), kept = make();
    FoldedSGD<float> optimizer(model.parameters(), {.learning_rate = 0.125, .weight_decay = 0.3});
    optimizer.group(gacc::vectors, {.learning_rate = 0.05, .weight_decay = 0});
    gacc::FoldedBackward folded(model, optimizer);
    SGD<float> sgd(kept.parameters(), {.learning_rate = 0.125, .momentum = 0.9, .weight_decay = 0.3});
    sgd.group(gacc::vectors, {.learning_rate = 0.05, .weight_decay = 0});
    gacc::Rng rng(1);
    for (int step = 0; step < 30; ++step) {
        const auto x = random_matrix<float>(rng, 32, 40), grad = random_matrix<float>(rng, 32, 24);
        optimizer.begin_batch(32);
        for (gacc::Index first = 0; first < 32; first += 8) {
            const Matrix<float> part = x.middleRows(first, 8), grads = grad.middleRows(first, 8);
            model.forward(part);
            folded.backward({grads, std::vector<float>(8, 1)});
        }
        kept.forward(x);
        kept.backward({grad, std::vector<float>(32, 1)});
        optimizer.step();
        optimizer.zero_grad();
        sgd.step();
        sgd.zero_grad();
        if (step == 0) { CHECK(values_of(model.parameters()) == values_of(kept.parameters())); }
    }
    CHECK_FALSE(values_of(model.parameters()) == values_of(kept.parameters()));
    for (std::size_t i = 0; i < 2; ++i) {
        const Matrix<float> value = model.parameters()[i].value(), expected = kept.parameters()[i].value();
        CHECK((value - expected).cwiseAbs().maxCoeff() < 1e-5F * expected.cwiseAbs().maxCoeff());
    }
}

TEST_CASE("FoldedSGD: keeps one number for each, and has defaults") {
    const FoldedSGDOptions options;
    CHECK(options.learning_rate == 1e-3);
    CHECK(options.momentum == 0.9);
    CHECK(options.weight_decay == 0);
    Subject<double> subject(options);
    const auto numbers = static_cast<std::size_t>(subject.optimizer.parameters().stored_count());
    CHECK(subject.optimizer.state_bytes() == numbers * sizeof(double));
    REQUIRE(subject.optimizer.moments().size() == 1);
    CHECK(subject.optimizer.moments()[0].name == "velocity");
    CHECK(subject.optimizer.moments()[0].stored.size() == numbers);
    CHECK(subject.optimizer.keep_slice(0, 0) == false);
}

TEST_CASE("FoldedSGD: a velocity too small for the usual form of a number is 0") {
    Subject<float> subject({.momentum = 0.5});
    subject.after(1, 1e-37);
    CHECK(subject.optimizer.moments()[0].stored[0] == 0.5e-37F);
    subject.after(1, 0);
    CHECK(subject.optimizer.moments()[0].stored[0] == 0.25e-37F);
    subject.optimizer.begin_batch(0.25);
    CHECK(subject.optimizer.moments()[0].stored[0] == 0);
    subject.optimizer.begin_batch(1);
    subject.backward(1e-38, 1);
    subject.optimizer.step();
    CHECK(subject.optimizer.moments()[0].stored[0] == 0);
}

TEST_CASE("FoldedSGD: an option out of its range is an error") {
    const auto make = [](FoldedSGDOptions options) { Subject<float> subject(options); };
    CHECK_THROWS_WITH_AS(make({.momentum = 0}),
                         "gacc: FoldedSGD: expected a momentum larger than 0, got 0; use SGD, which keeps no velocity then",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.momentum = 1}),
                         "gacc: FoldedSGD: expected momentum from 0 up to, not including, 1, got 1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.learning_rate = -0.5}),
                         "gacc: FoldedSGD: expected learning_rate of 0 or more, got -0.5", gacc::UsageError);
    CHECK_THROWS_WITH_AS(make({.weight_decay = -1}), "gacc: FoldedSGD: expected weight_decay of 0 or more, got -1",
                         gacc::UsageError);
}

TEST_CASE("FoldedSGD: a step or a weight out of the range of the numbers is an error, and changes nothing") {
    Subject<float> subject({.learning_rate = 1e30});
    subject.optimizer.begin_batch(1e-20);
    subject.backward(0, 1e-20F);
    CHECK_THROWS_AS(subject.optimizer.step(), gacc::UsageError);  // 1e-20F is not 1e-20
    Subject<float> other({.learning_rate = 1e30});
    const double weight = 1e-20F;
    other.optimizer.begin_batch(weight);
    other.backward(0, weight);
    CHECK_THROWS_WITH_AS(other.optimizer.step(),
                         gacc::detail::text("gacc: FoldedSGD::step: expected learning_rate / the weight of the batch in the "
                                            "range of float, got ", 1e30 / weight, "; nothing has changed").c_str(),
                         gacc::UsageError);
    other.optimizer.set_learning_rate(1e-3);
    CHECK_NOTHROW(other.step());
    CHECK_THROWS_WITH_AS(other.optimizer.begin_batch(1e30),
                         gacc::detail::text("gacc: FoldedSGD::begin_batch: expected a weight whose quotient by that of the "
                                            "batch before, ", weight, ", has an inverse in the range of float, got 1e+30")
                             .c_str(),
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(other.backward(0, weight),
                         "gacc: FoldedSGD: expected begin_batch() with the weight of the batch before its first backward, "
                         "got none",
                         gacc::UsageError);
    Subject<float> decaying({.weight_decay = 1e30});
    decaying.optimizer.begin_batch(1e20F);
    decaying.backward(0, 1e20F);
    CHECK_THROWS_WITH_AS(decaying.optimizer.step(),
                         "gacc: FoldedSGD::step: expected weight_decay times the weight of the batch in the range of float, "
                         "got 1e+50; nothing has changed",
                         gacc::UsageError);
}

TEST_CASE("FoldedSGD: the weight may be corrected before the first backward, not after it") {
    Subject<double> subject({.learning_rate = 0.125, .momentum = 0.5});
    subject.after(4, 16);
    CHECK(subject.optimizer.moments()[0].stored[0] == 8);
    subject.optimizer.begin_batch(16);
    CHECK(subject.optimizer.moments()[0].stored[0] == 32);
    subject.optimizer.begin_batch(2);
    CHECK(subject.optimizer.moments()[0].stored[0] == 4);
    subject.backward(1, 1);
    CHECK_THROWS_WITH_AS(subject.optimizer.begin_batch(2),
                         "gacc: FoldedSGD::begin_batch: expected step() with the batch before, whose gradients are in the "
                         "moments, got another batch; load a checkpoint to leave it out",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(subject.optimizer.step(),
                         "gacc: FoldedSGD::step: expected a batch of the weight 2 that begin_batch() was given, got 1; fold "
                         "the rest of it, or load a checkpoint",
                         gacc::UsageError);
    CHECK(subject.optimizer.moments()[0].stored[0] == 5);
    subject.optimizer.zero_grad();  // does not empty the velocity
    CHECK(subject.optimizer.moments()[0].stored[0] == 5);
    CHECK_THROWS_WITH_AS(subject.backward(1, 1),
                         "gacc: FoldedSGD: expected the 1 micro-batches that are in the moments, got a tally of 0; they "
                         "cannot be taken out: load a checkpoint",
                         gacc::UsageError);
}

TEST_CASE("FoldedSGD: its state has the batch that has begun and the weight that is in the velocity") {
    Subject<float> subject({}), other({});
    subject.after(4, 1);
    other.optimizer.set_state(subject.optimizer.state());
    CHECK(other.optimizer.state() == subject.optimizer.state());
    other.optimizer.moments()[0].stored[0] = 1;
    other.optimizer.begin_batch(8);
    CHECK(other.optimizer.moments()[0].stored[0] == 2);  // it knew the 4

    subject.optimizer.begin_batch(8);
    auto words = subject.optimizer.state();
    words.back() = gacc::detail::word(4.0);  // another weight than that of the batch
    CHECK_THROWS_AS(other.optimizer.set_state(words), gacc::DataError);
    words.back() = gacc::detail::word(-8.0);
    CHECK_THROWS_AS(other.optimizer.set_state(words), gacc::DataError);
    words.pop_back();
    CHECK_THROWS_AS(other.optimizer.set_state(words), gacc::DataError);
    words = subject.optimizer.state();
    words[2] = gacc::detail::word(0.0);  // no momentum
    CHECK_THROWS_AS(other.optimizer.set_state(words), gacc::DataError);
}

}  // namespace folded_sgd_test
