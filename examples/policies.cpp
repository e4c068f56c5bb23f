// When is a batch full? By weight (or tokens), by a schedule, or by the measured noise of the gradients.
#include <gacc/gacc.hpp>

#include <cstdio>

#include "toy_digits.hpp"

/// Trains with the policy that `make(noise)` returns.
template <class Make>
void train(const char* name, const Make& make) {
    gacc::Rng rng(42);
    const auto train = toy_digits(6000, rng);
    const auto test = toy_digits(1000, rng);

    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());
    gacc::NoiseScale noise(adam.parameters());

    gacc::Accumulator accumulator(adam, make(noise), gacc::LastBatch::carry_over);
    for (int epoch = 1; epoch <= 8; ++epoch) {
        for (const auto& micro : gacc::shuffled_batches(train, {.batch_size = 16}, rng)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            noise.backward(model, loss.backward());  // model.backward(loss.backward()), measured
            accumulator.update();
        }
        accumulator.end_epoch();
    }

    gacc::Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    std::printf("%-9s %td of 1000 right after %td steps", name, correct, adam.steps());
    if (const auto scale = noise.value()) { std::printf(", noise scale %.0f", *scale); }
    std::printf("\n");
}

int main() {
    train("weight", [](auto&) { return gacc::EveryWeight{128}; });  // tokens, for a language model
    train("warm-up", [](auto&) {
        return gacc::BatchSchedule(gacc::BatchWarmUp({.first = 32, .last = 256, .steps = 300}));
    });
    train("adaptive", [](auto& noise) {
        return gacc::AdaptiveBatch(noise, {.smallest = 32, .largest = 256});
    });
}
