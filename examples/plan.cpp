#include <gacc/gacc.hpp>

#include <iostream>

#include "toy_digits.hpp"

int main() {
    gacc::Rng rng(42);
    const auto train = toy_digits(6000, rng);
    const auto test = toy_digits(1000, rng);

    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 3e-3F});

    const auto plan = gacc::plan({.batch_size = 1500, .memory = 2 * gacc::MiB}, model, loss, adam, train);
    std::cout << plan.description();

    for (int epoch = 1; epoch <= 40; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 1500}, rng)) {
            for (const auto& micro : batch.micro_batches(plan)) {
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }
    }

    gacc::Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    std::cout << correct << " of 1000 right after " << adam.steps() << " steps\n";
}
