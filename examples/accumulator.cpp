#include <gacc/gacc.hpp>

#include <cstdio>

#include "toy_digits.hpp"

int main() {
    gacc::Rng rng(42);
    const auto train = toy_digits(6000, rng);
    const auto test = toy_digits(1000, rng);

    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
    model.initialize(rng);

    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());

    gacc::Accumulator accumulator(adam, gacc::EverySamples{128});    // or EveryMicroBatches{4}, or your own callable
    for (int epoch = 1; epoch <= 8; ++epoch) {
        for (const auto& micro : gacc::shuffled_batches(train, {.batch_size = 32}, rng)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            model.backward(loss.backward());
            accumulator.update();                                     // steps and zeroes when the policy says so
        }
        accumulator.flush();                                          // the last, smaller batch is a batch like any other
    }

    gacc::Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    std::printf("%td of 1000 right after %td steps\n", correct, adam.steps());
}
