#include <gacc/accumulation/accumulator.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adamw.hpp>
#include <gacc/optim/schedule.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

// Known bugs of other trainers, each of which shows only with several micro-batches: docs/accumulation.md names them.
namespace once_a_batch_test {

using gacc::Index;
using gacc::Label;
using gacc::Matrix;

namespace {

struct Result {
    std::vector<double> rates;  // of the steps made
    std::vector<std::byte> values;
};

/// Three batches of 12 samples with weight decay and a schedule; each batch in micro-batches of these sizes.
Result train(const std::vector<Index>& cut, double clip_norm) {
    gacc::Rng rng(1);
    gacc::Sequential<double> model(gacc::Linear<double>(5, 4));
    model.initialize(rng);
    const Matrix<double> inputs = gacc::test::random_matrix<double>(rng, 36, 5);
    std::vector<Label> labels(36);
    for (Label& label : labels) { label = static_cast<Label>(rng.below(4)); }

    gacc::SoftmaxCrossEntropy<double> loss;
    gacc::AdamW<double> adamw(model.parameters(), {.epsilon = 1, .weight_decay = 0.1, .clip_norm = clip_norm});
    gacc::Accumulator accumulator(adamw, gacc::EverySamples{12});
    const gacc::LinearDecay schedule(0.5, 4);
    Result result;
    for (Index batch = 0, first = 0; batch < 3; ++batch) {
        for (const Index samples : cut) {
            const auto part =
                std::span(labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(samples));
            loss.forward(model.forward(inputs.middleRows(first, samples)), part);
            model.backward(loss.backward());
            adamw.set_learning_rate(schedule(adamw.steps()));
            const Index before = adamw.steps();
            accumulator.update();
            if (adamw.steps() > before) { result.rates.push_back(adamw.options().learning_rate); }
            first += samples;
        }
    }
    result.values = gacc::test::values_of(model.parameters());
    return result;
}

const std::vector<std::vector<Index>> cuts{{4, 4, 4}, {5, 5, 2}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};

}  // namespace

TEST_CASE("Once a batch: a schedule counts batches, not micro-batches") {
    for (const auto& cut : cuts) { CHECK(train(cut, 1).rates == std::vector<double>{0.5, 0.375, 0.25}); }
}

TEST_CASE("Once a batch: clipping and weight decay do not depend on the cut") {
    const Result whole = train({12}, 0.01);
    CHECK(whole.values != train({12}, std::numeric_limits<double>::infinity()).values);
    for (const auto& cut : cuts) { CHECK(train(cut, 0.01).values == whole.values); }
}

}  // namespace once_a_batch_test
