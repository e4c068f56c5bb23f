#include <gacc/gacc.hpp>

#include <cstdio>

#include "toy_digits.hpp"

int main() {
    gacc::Rng rng(42);
    const auto train = toy_digits(6000, rng);
    const auto test = toy_digits(1000, rng);

    gacc::Sequential model(gacc::Linear(784, 512), gacc::ReLU(),
                           gacc::Linear(512, 256), gacc::ReLU(),
                           gacc::Linear(256, 128), gacc::ReLU(),
                           gacc::Linear(128, 10));
    model.initialize(rng);

    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-3F});

    for (int epoch = 1; epoch <= 4; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 128}, rng)) {
            for (const auto& micro : batch.micro_batches(32)) {       // 4 of them; the memory of 32 samples
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward());                      // adds to the gradient buffers
            }
            adam.step();                                              // divides by the samples added, updates
            adam.zero_grad();
        }

        gacc::Index correct = 0;
        for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
            correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
        }
        std::printf("epoch %d: %td of 1000 right after %td steps\n", epoch, correct, adam.steps());
    }
}
