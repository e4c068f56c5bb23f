// Residual branches, norms and dropout, with a validation after each epoch.
#include <gacc/gacc.hpp>

#include <cstdio>

#include "toy_digits.hpp"

int main() {
    gacc::Rng rng(42);
    const auto digits = toy_digits(7000, rng);
    const auto parts = gacc::split(digits, 0.9, rng);  // 6300 for training, 700 for validation; copies no sample

    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(),
                           gacc::Residual(gacc::LayerNorm(128), gacc::Linear(128, 256), gacc::GELU(),
                                          gacc::Dropout(0.1), gacc::Linear(256, 128)),
                           gacc::Linear(128, 10));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());

    for (int epoch = 1; epoch <= 4; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(parts.train, {.batch_size = 128}, rng)) {
            for (const auto& micro : batch.micro_batches(32)) {
                loss.forward(model.forward(micro.inputs), micro.labels);  // forward draws the dropout masks
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }

        gacc::MeanLoss mean_loss;
        gacc::Accuracy accuracy;
        for (const auto& batch : gacc::ordered_batches(parts.test, {.batch_size = 100})) {
            const auto outputs = model.predict(batch.inputs);  // predict drops nothing
            mean_loss.add(loss.value(outputs, batch.labels));
            accuracy.add(outputs, batch.labels);
        }
        std::printf("epoch %d: validation loss %.3f, %td of %td right\n", epoch, mean_loss.mean(), accuracy.correct(),
                    accuracy.counted());
    }
}
