#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <cstdio>

#include "signum.hpp"
#include "toy_digits.hpp"

// Trains with the optimizer of signum.hpp, and once more from a checkpoint in the middle. Both end with the same bits.

/// A model and its Signum.
struct Training {
    gacc::Rng rng{42};
    gacc::DataPosition position;
    gacc::Sequential<float> model{gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10)};
    gacc::SoftmaxCrossEntropy<float> loss;
    Signum signum{model.parameters(), {.learning_rate = 1e-3}};
    gacc::Checkpoint<float> checkpoint{signum, rng, position};

    Training() { signum.group(gacc::vectors, {.learning_rate = 1e-4}); }

    void run(const auto& data, gacc::Index epochs) {
        const gacc::WarmUp schedule(20, gacc::CosineDecay(1e-3, 168));
        for (; position.epoch < epochs; position.end_epoch()) {
            for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 128}, rng, position)) {
                for (const auto& micro : batch.micro_batches(32)) {
                    loss.forward(model.forward(micro.inputs), micro.labels);
                    model.backward(loss.backward());
                    position.end_micro_batch(micro.size());
                }
                signum.set_learning_rate(schedule(signum.steps()));
                signum.step();
                signum.zero_grad();
                position.end_batch();
            }
        }
    }
};

int main() {
    gacc::Rng rng(1);
    const auto train = toy_digits(6000, rng);
    const auto test = toy_digits(1000, rng);

    Training first, second;
    first.model.initialize(first.rng);
    first.run(train, 2);
    first.checkpoint.save("signum.safetensors");
    second.checkpoint.load("signum.safetensors");
    first.run(train, 4);
    second.run(train, 4);

    for (auto* training : {&first, &second}) {
        gacc::Index correct = 0;
        for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
            correct += gacc::count_correct(training->model.predict(batch.inputs), batch.labels);
        }
        const double sum = training->model.parameters()[0].value().cast<double>().sum();
        std::printf("%td of 1000 right after %td steps, sum of weights %.17g\n", correct, training->signum.steps(), sum);
    }
}
