#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

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

    gacc::DataPosition position;                                                // how far training has come
    gacc::Checkpoint checkpoint(adam, rng, position);
    if (std::filesystem::exists("digits.safetensors")) { checkpoint.load("digits.safetensors"); }

    int micro_batches = 0;
    for (; position.epoch < 6; position.end_epoch()) {
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 128}, rng, position)) {
            for (const auto& micro : batch.from(position.sample).micro_batches(32)) {
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward());
                position.end_micro_batch(micro.size());
                if (++micro_batches == 450) {                         // as if somebody had stopped it
                    checkpoint.save("digits.safetensors");
                    std::printf("stopped in epoch %td, %td samples into batch %td\n", position.epoch + 1, position.sample,
                                position.batch + 1);
                    return 0;
                }
            }
            adam.step();
            adam.zero_grad();
            position.end_batch();
        }
    }

    gacc::Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    std::printf("%td of 1000 right after %td steps\n", correct, adam.steps());
}
