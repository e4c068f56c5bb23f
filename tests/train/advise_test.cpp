#include <gacc/train/advise.hpp>

#include <gacc/data/dataset.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/optim/adam.hpp>

#include "support/gradient_check.hpp"
#include "support/random_samples.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace advise_test {

using gacc::Index;

TEST_CASE("advise: measures micro-batches up to what a budget allows, and leaves the model alone") {
    gacc::Sequential<float> model(gacc::Linear(6, 64), gacc::ReLU(), gacc::Linear(64, 2));
    gacc::Rng rng(2);
    model.initialize(rng);
    const auto before = gacc::test::state_of(model.parameters());
    const auto data = gacc::test::samples_of_two_classes(200);
    const gacc::SoftmaxCrossEntropy<float> loss;
    const auto adam = [](const gacc::Parameters<float>& parameters) { return gacc::Adam<float>(parameters, {.beta2 = 0.99}); };

    const auto advice = gacc::advise({.batch_size = 96, .seconds = 0, .noise_seconds = 0.01}, model, loss, adam, data);
    CHECK(gacc::test::state_of(model.parameters()) == before);
    CHECK_FALSE(advice.needs_accumulation());
    REQUIRE(advice.rates.size() >= 6);
    CHECK(advice.rates.back().micro_batch == 96);
    for (std::size_t i = 1; i < advice.rates.size(); ++i) {
        CHECK(advice.rates[i].micro_batch > advice.rates[i - 1].micro_batch);
        CHECK(advice.rates[i].bytes > advice.rates[i - 1].bytes);
        CHECK(advice.rates[i].samples_per_second > 0);
    }
    CHECK(advice.uncut_bytes == advice.rates.back().bytes);
    CHECK(advice.samples_per_second > 0);
    CHECK(advice.slowest <= advice.samples_per_second);
    CHECK(advice.fastest >= advice.samples_per_second);
    CHECK(advice.fastest > advice.slowest);
    CHECK(advice.beta2.value() == 0.99);
    CHECK(advice.noise_batches >= 8);
    CHECK(advice.noise_scale.value() > 0);

    const std::size_t budget = advice.rates[advice.rates.size() - 2].bytes;
    const auto tight = gacc::advise({.batch_size = 96, .memory = budget, .seconds = 0, .noise_seconds = 0}, model, loss,
                                    adam, data);
    CHECK(tight.needs_accumulation());
    CHECK(tight.noise_batches == 0);
    CHECK(tight.rates.back().bytes <= budget);
    CHECK(tight.plan.bytes.total() <= budget);
    CHECK(tight.plan.micro_batches > 1);
    CHECK_THROWS_AS(gacc::advise({.batch_size = 96, .memory = 100}, model, loss, adam, data), gacc::MemoryError);
    CHECK_THROWS_AS(gacc::advise({.batch_size = 96, .seconds = -1}, model, loss, adam, data), gacc::UsageError);
    CHECK_THROWS_WITH_AS(gacc::advise({.batch_size = 96}, model, loss, adam, gacc::test::samples_of_two_classes(0)),
                         "gacc: advise: expected data to train on, got no samples", gacc::UsageError);
}

}  // namespace advise_test
