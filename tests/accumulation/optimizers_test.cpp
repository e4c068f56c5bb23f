// The promise that neither the cut nor the number of threads changes one bit, for every optimizer with groups.

#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <span>
#include <type_traits>
#include <vector>

namespace optimizers_test {

using namespace gacc;

namespace {

/// The parameters after three steps over one batch of 60 samples through 97-203-10, large enough for several threads.
template <class Optimizer, class Options>
std::vector<std::byte> train(const Options& options, const std::vector<Index>& cut, int threads) {
    using Scalar = typename Optimizer::scalar_type;
    set_threads(threads);
    Rng rng(1);
    const auto inputs = test::random_matrix<Scalar>(rng, 60, 97);
    std::vector<Label> labels;
    std::vector<Scalar> weights;
    for (int i = 0; i < 60; ++i) {
        labels.push_back(static_cast<Label>(rng.below(10)));
        weights.push_back(static_cast<Scalar>(rng.uniform()));
    }
    Sequential<Scalar> model(Linear<Scalar>(97, 203), ReLU<Scalar>(), Linear<Scalar>(203, 10));
    model.initialize(rng);
    SoftmaxCrossEntropy<Scalar> loss;
    Optimizer optimizer(model.parameters(), options);
    optimizer.group(vectors, {.learning_rate = 0.2});
    for (int step = 0; step < 3; ++step) {
        std::size_t first = 0;
        for (const Index size : cut) {
            const auto count = static_cast<std::size_t>(size);
            const Matrix<Scalar> x = inputs.middleRows(static_cast<Index>(first), size);
            loss.forward(model.forward(x), std::span(labels).subspan(first, count),
                         std::span(weights).subspan(first, count));
            model.backward(loss.backward());
            first += count;
        }
        optimizer.step();
        optimizer.zero_grad();
    }
    return test::values_of(model.parameters());
}

template <class Optimizer, class Options>
void check(const Options& options) {
    const int before = threads();
    const auto expected = train<Optimizer>(options, {60}, 1);
    for (const std::vector<Index>& cut : {std::vector<Index>{60}, {1, 59}, {7, 20, 3, 30}, std::vector<Index>(60, 1)}) {
        for (const int threads : {1, 2, 3, 4}) { CHECK(train<Optimizer>(options, cut, threads) == expected); }
    }
    set_threads(before);
}

}  // namespace

TEST_CASE_TEMPLATE("Invariance: the cut and the threads do not change a bit with any optimizer", Scalar, float, double) {
    check<Adam<Scalar>, AdamOptions>({.learning_rate = 0.05, .clip_norm = 0.1});
    check<AdamW<Scalar>, AdamWOptions>({.learning_rate = 0.05, .weight_decay = 0.1});
    if constexpr (std::is_same_v<Scalar, float>) {
        check<Adam<float>, AdamOptions>({.learning_rate = 0.05, .moments = MomentFormat::bfloat16});
        check<AdamW<float>, AdamWOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .moments = MomentFormat::bfloat16});
    }
    check<AdamW<Scalar>, AdamWOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 0.1});
    check<Lion<Scalar>, LionOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 0.1});
    check<RMSprop<Scalar>, RMSpropOptions>(
        {.learning_rate = 0.05, .momentum = 0.9, .centered = true, .weight_decay = 0.1, .clip_norm = 0.1});
    check<NAdam<Scalar>, NAdamOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 0.1});
    check<Adafactor<Scalar>, AdafactorOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 0.1});
    check<Muon<Scalar>, MuonOptions>({.learning_rate = 0.05, .clip_norm = 0.1});
    check<SGD<Scalar>, SGDOptions>({.learning_rate = 0.05});
    check<SGD<Scalar>, SGDOptions>({.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.1});
    check<SGD<Scalar>, SGDOptions>(
        {.learning_rate = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1, .clip_norm = 0.1});
}

TEST_CASE("Invariance: audit has nothing to say of an optimizer but AdamA") {
    Rng rng(1);
    Sequential<float> model(Linear(6, 9), ReLU(), Linear(9, 3));
    model.initialize(rng);
    struct Batch {
        Matrix<float> inputs;
        std::vector<Label> labels;
    };
    const Batch batch{test::random_matrix<float>(rng, 5, 6), {0, 1, 2, 1, 0}};
    const auto parameters = model.parameters();
    const AdamOptions rounded{.moments = MomentFormat::bfloat16};
    SoftmaxCrossEntropy<float> loss;
    const auto audit = gacc::audit(model, loss, batch, 2, SGD(parameters), Adam(parameters),
                                   Adam<float>(parameters, rounded), AdamW(parameters), Lion(parameters), RMSprop(parameters),
                                   NAdam(parameters), Adafactor(parameters), Muon(parameters), FoldedSGD(parameters));
    CHECK(audit.same());
    CHECK(audit.notes.empty());
    CHECK(gacc::audit(model, loss, batch, 2, SGD(parameters), AdamA(parameters)).notes.size() == 1);
}

TEST_CASE("Optimizers: state_bytes() are the bytes measured, when they are made and after a step") {
    Sequential<float> model(Linear(97, 203), ReLU(), Linear(203, 10));
    Rng rng(1);
    model.initialize(rng);
    const auto inputs = test::random_matrix<float>(rng, 5, 97);
    const std::vector<Label> labels{1, 2, 3, 4, 5};
    const auto measured = [] { return memory::live()[memory::Kind::moments]; };
    const auto check_bytes = [&]<class Optimizer, class Options>(const Options& options) {
        const std::size_t before = measured();
        Optimizer optimizer(model.parameters(), options);
        CHECK(measured() - before == optimizer.state_bytes());
        SoftmaxCrossEntropy<float> loss;
        loss.forward(model.forward(inputs), labels);
        model.backward(loss.backward());
        optimizer.step();
        optimizer.zero_grad();
        CHECK(measured() - before == optimizer.state_bytes());
        CHECK(plan({.batch_size = 5}, model, loss, optimizer).bytes[memory::Kind::moments] == optimizer.state_bytes());
    };
    check_bytes.operator()<Lion<float>>(LionOptions{.clip_norm = 1});
    check_bytes.operator()<RMSprop<float>>(RMSpropOptions{.momentum = 0.9, .centered = true});
    check_bytes.operator()<NAdam<float>>(NAdamOptions());
    check_bytes.operator()<Adafactor<float>>(AdafactorOptions{.clip_norm = 1});
    check_bytes.operator()<Muon<float>>(MuonOptions{.clip_norm = 1});
}

}  // namespace optimizers_test
