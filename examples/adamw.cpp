// Another optimizer: groups of parameters, a schedule, clipping, and a step after every fourth micro-batch.
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

    gacc::AdamW adamw(model.parameters(), {.weight_decay = 0.1, .clip_norm = 1});
    adamw.group(gacc::vectors, {.weight_decay = 0});  // biases and norms do not decay
    const gacc::WarmUp schedule(20, gacc::CosineDecay(3e-3, 168));

    gacc::Accumulator accumulator(adamw, gacc::EveryMicroBatches{4});
    for (int epoch = 1; epoch <= 4; ++epoch) {
        for (const auto& micro : gacc::shuffled_batches(train, {.batch_size = 32}, rng)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            model.backward(loss.backward());
            adamw.set_learning_rate(schedule(adamw.steps()));
            accumulator.update();
        }
        accumulator.flush();
    }

    gacc::Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    std::printf("%td of 1000 right after %td steps\n", correct, adamw.steps());
}
