#include <gacc/accumulation/non_finite_guard.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace non_finite_guard_test {

using namespace gacc;
using gacc::test::random_matrix;
using gacc::test::state_of;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

struct Training {
    explicit Training(std::optional<NonFinite> then = std::nullopt) {
        Rng rng(1);
        model.initialize(rng);
        adam.emplace(model.parameters());
        if (then) { guard.emplace(*adam, *then); }
    }
    /// Runs a micro-batch. False if the guard has left it out.
    bool micro_batch(const Matrix<float>& x) {
        const std::vector<Label> labels(static_cast<std::size_t>(x.rows()), 1);
        const auto value = loss.forward(model.forward(x), labels);
        if (guard && !guard->accepts(value)) { return false; }
        model.backward(loss.backward());
        return !guard || guard->accepts_gradients();
    }
    void step() {
        adam->step();
        adam->zero_grad();
    }

    Sequential<float> model{Linear(40, 30), ReLU(), Linear(30, 3)};
    SoftmaxCrossEntropy<float> loss;
    std::optional<Adam<float>> adam;
    std::optional<NonFiniteGuard<float>> guard;
};

/// Inputs whose loss is not finite.
Matrix<float> bad_inputs() {
    Matrix<float> x = Matrix<float>::Ones(2, 40);
    x(1, 7) = not_a_number;
    return x;
}
/// Inputs with a finite loss, but with a gradient that is too large for a float. They do not change the logits.
Matrix<float> steep_inputs(Sequential<float>& model) {
    Matrix<float> w = model.parameters()[0].value();
    w.col(0).setZero();
    model.parameters()[0].set_value(w);
    Matrix<float> x = Matrix<float>::Ones(9, 40);
    x.col(0).setConstant(std::numeric_limits<float>::max());
    return x;
}

}  // namespace

TEST_CASE("NonFiniteGuard: what is finite passes, and nothing is changed") {
    Rng rng(2);
    const auto x = random_matrix<float>(rng, 5, 40);
    for (const NonFinite then : {NonFinite::stop, NonFinite::skip}) {
        Training guarded(then), plain;
        for (int i = 0; i < 6; ++i) {
            CHECK(guarded.micro_batch(x));
            plain.micro_batch(x);
            if (i % 3 == 2) {
                guarded.step();
                plain.step();
            }
            CHECK(state_of(guarded.model.parameters()) == state_of(plain.model.parameters()));
        }
        CHECK(guarded.guard->skipped() == 0);
    }
}

TEST_CASE("NonFiniteGuard: a loss that is not finite stops, named, before it goes backward") {
    Training training(NonFinite::stop);
    const auto before = state_of(training.model.parameters());
    CHECK_THROWS_WITH_AS(training.micro_batch(bad_inputs()),
                         "gacc: NonFiniteGuard: expected a finite loss before step 1, got nan; try a smaller learning "
                         "rate, or skip such micro-batches",
                         NonFiniteError);
    CHECK(state_of(training.model.parameters()) == before);
}

TEST_CASE("NonFiniteGuard: an infinite loss is as bad as one that is not a number, whichever sample it is of") {
    for (const float wrong : {infinity, -infinity, not_a_number}) {
        for (std::size_t at = 0; at < 3; ++at) {
            std::vector<float> losses{1, 2, 3};
            losses[at] = wrong;
            Training stops(NonFinite::stop), skips(NonFinite::skip);
            gacc::LossValue<float> value;
            value.losses = losses;
            CHECK_THROWS_AS(stops.guard->accepts(value), NonFiniteError);
            CHECK_FALSE(skips.guard->accepts(value));
            CHECK(skips.guard->skipped() == 1);
        }
    }
}

TEST_CASE("NonFiniteGuard: a gradient that is not finite stops, with the name of its parameter") {
    Training training(NonFinite::stop);
    Rng rng(2);
    training.micro_batch(random_matrix<float>(rng, 5, 40));
    training.step();
    const auto values = test::values_of(training.model.parameters());
    try {
        training.micro_batch(steep_inputs(training.model));
        FAIL("expected an error");
    } catch (const NonFiniteError& error) {
        const std::string text = error.what();
        CHECK(text.starts_with("gacc: NonFiniteGuard: expected a finite gradient of 0.weight before step 2, got "));
    }
    training.adam->zero_grad();
    CHECK(training.adam->steps() == 1);
}

TEST_CASE("NonFiniteGuard: each number of each parameter is seen") {
    Training training(NonFinite::stop);
    for (auto& parameter : training.model.parameters()) {
        for (const float wrong : {infinity, -infinity, not_a_number}) {
            for (Index i = 0; i < parameter.size(); ++i) {
                Matrix<float> grad = Matrix<float>::Constant(parameter.rows(), parameter.cols(), 1e38F);
                parameter.set_grad(grad);
                CHECK(training.guard->accepts_gradients());
                grad.data()[i] = wrong;
                parameter.set_grad(grad);
                CHECK_THROWS_AS(training.guard->accepts_gradients(), NonFiniteError);
                parameter.zero_grad();
            }
        }
    }
}

TEST_CASE("NonFiniteGuard: with skip the micro-batch leaves the batch as if it had never come") {
    Rng rng(2);
    std::vector<Matrix<float>> good;
    for (int i = 0; i < 4; ++i) { good.push_back(random_matrix<float>(rng, 3, 40)); }
    for (std::size_t when = 0; when <= good.size(); ++when) {
        Training skipping(NonFinite::skip), without;
        const auto steep = steep_inputs(skipping.model);
        steep_inputs(without.model);
        for (int batch = 0; batch < 2; ++batch) {
            for (std::size_t i = 0; i <= good.size(); ++i) {
                if (i == when) {
                    CHECK_FALSE(skipping.micro_batch(bad_inputs()));
                    CHECK_FALSE(skipping.micro_batch(steep));
                    CHECK(state_of(skipping.model.parameters()) == state_of(without.model.parameters()));
                }
                if (i < good.size()) {
                    CHECK(skipping.micro_batch(good[i]));
                    without.micro_batch(good[i]);
                }
            }
            CHECK(state_of(skipping.model.parameters()) == state_of(without.model.parameters()));
            skipping.step();
            without.step();
        }
        CHECK(skipping.guard->skipped() == 4);
        CHECK(test::values_of(skipping.model.parameters()) == test::values_of(without.model.parameters()));
    }
}

TEST_CASE("NonFiniteGuard: a batch that is skipped whole holds nothing") {
    Training training(NonFinite::skip);
    training.micro_batch(bad_inputs());
    CHECK(training.adam->parameters().tally().empty());
    training.micro_batch(steep_inputs(training.model));
    CHECK(training.adam->parameters().tally().empty());
    for (const auto& parameter : training.model.parameters()) { CHECK(parameter.grad().isZero(0)); }
}

TEST_CASE("NonFiniteGuard: only with skip it takes memory, as much as the gradients") {
    Training stopping(NonFinite::stop), skipping(NonFinite::skip);
    CHECK(stopping.guard->bytes() == 0);
    CHECK(skipping.guard->bytes() ==
          static_cast<std::size_t>(skipping.model.parameters().stored_count()) * sizeof(float));
}

TEST_CASE(
    "NonFiniteGuard: with skip, gradients without their losses are an error, for there is nothing to go back to") {
    Training training(NonFinite::skip);
    CHECK_THROWS_WITH_AS(
        training.guard->accepts_gradients(),
        "gacc: NonFiniteGuard::accepts_gradients: expected accepts() with the losses of this micro-batch "
        "before it, got none",
        UsageError);
}

TEST_CASE("NonFiniteGuard: weights whose sum no step can divide by are found, and left out with skip") {
    Rng rng(2);
    const auto x = random_matrix<float>(rng, 3, 40), grad_y = random_matrix<float>(rng, 3, 3);
    const std::vector<float> tiny(3, 1e-40F), ones(3, 1);
    const auto backward = [&](Training& training, const std::vector<float>& weights) {
        training.model.forward(x);
        training.guard->accepts({});
        training.model.backward({grad_y, weights});
        return training.guard->accepts_gradients();
    };
    Training stops(NonFinite::stop), skips(NonFinite::skip), plain(NonFinite::stop);
    CHECK_THROWS_WITH_AS(backward(stops, tiny),
                         "gacc: NonFiniteGuard: expected a finite inverse of the sum of weights before step 1, got "
                         "3.33335e+39; try a smaller learning rate, or skip such micro-batches",
                         NonFiniteError);
    CHECK_FALSE(backward(skips, tiny));
    CHECK(skips.guard->skipped() == 1);
    CHECK(skips.adam->parameters().tally().empty());
    CHECK(backward(skips, ones));
    CHECK(backward(skips, tiny));  // as part of a batch it does no harm
    CHECK(backward(plain, ones));
    CHECK(backward(plain, tiny));
    CHECK(state_of(skips.model.parameters()) == state_of(plain.model.parameters()));

    LossValue<float> value;
    value.weight = static_cast<double>(infinity);
    CHECK_FALSE(skips.guard->accepts(value));
    CHECK_THROWS_WITH_AS(stops.guard->accepts(value),
                         "gacc: NonFiniteGuard: expected a finite sum of weights before step 1, got inf; try a smaller "
                         "learning rate, or skip such micro-batches",
                         NonFiniteError);
}

}  // namespace non_finite_guard_test
