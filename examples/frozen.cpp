// Fine-tuning: a copy of a trained model trains only its last layer on other data.
#include <gacc/gacc.hpp>

#include <cstdio>

#include "toy_digits.hpp"

void train(gacc::Sequential<float>& model, const auto& data, gacc::Rng& rng) {
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());  // keeps no moments of frozen parameters
    for (int epoch = 1; epoch <= 4; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 128}, rng)) {
            for (const auto& micro : batch.micro_batches(32)) {
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }
    }
    const gacc::Index moments = static_cast<gacc::Index>(adam.state_bytes());
    std::printf("%td of %td numbers trained, %td bytes of moments\n", adam.parameters().count(),
                model.parameters().count(), moments);
}

gacc::Index correct(const gacc::Sequential<float>& model, const auto& data) {
    gacc::Index all = 0;
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 100})) {
        all += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    return all;
}

int main() {
    gacc::Rng rng(42);
    const auto data = toy_digits(6000, rng), other = toy_digits(2000, rng), test = toy_digits(1000, rng);

    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
    model.initialize(rng);
    train(model, data, rng);
    std::printf("%td of 1000 right\n", correct(model, test));

    gacc::Sequential tuned = model;  // a copy with its own parameters
    tuned.freeze([](const auto& parameter) { return parameter.name().starts_with("0."); });
    train(tuned, other, rng);
    std::printf("%td of 1000 right\n", correct(tuned, test));
}
