// Other optimizers, and the memory that they take: Muon, AdamW with moments in bfloat16, and AdamA without gradients.
#include <gacc/gacc.hpp>

#include <cstdio>

#include "toy_digits.hpp"

int main() {
    gacc::Rng rng(42);
    const auto train = toy_digits(6000, rng);
    const auto test = toy_digits(1000, rng);

    gacc::Sequential first(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 128), gacc::ReLU(),
                           gacc::Linear(128, 10));
    first.initialize(rng);
    auto second = first, third = first;
    gacc::SoftmaxCrossEntropy loss;

    // Vectors, and here the last layer too, are updated by AdamW.
    gacc::Muon muon(first.parameters(), {.learning_rate = 0.02}, [](const auto& p) { return p.name() == "4.weight"; });
    gacc::AdamW adamw(second.parameters(), {.learning_rate = 3e-3, .moments = gacc::MomentFormat::bfloat16});
    gacc::AdamA adama(third.parameters(), {.learning_rate = 3e-3});
    gacc::FoldedBackward folded(third, adama);  // the gradient of a layer goes into the moments as soon as it is there

    for (int epoch = 1; epoch <= 4; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 128}, rng)) {
            adama.begin_batch(static_cast<double>(batch.size()));
            for (const auto& micro : batch.micro_batches(32)) {
                loss.forward(first.forward(micro.inputs), micro.labels);
                first.backward(loss.backward());
                loss.forward(second.forward(micro.inputs), micro.labels);
                second.backward(loss.backward());
                loss.forward(third.forward(micro.inputs), micro.labels);
                folded.backward(loss.backward());
            }
            muon.step();
            muon.zero_grad();
            adamw.step();
            adamw.zero_grad();
            adama.step();
            adama.zero_grad();
        }
    }

    const auto show = [&](auto& model, const auto& optimizer) {
        gacc::Index correct = 0;
        for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
            correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
        }
        const auto bytes = gacc::plan({.batch_size = 128, .micro_batch = 32}, model, loss, optimizer).bytes;
        std::printf("%-5s %td of 1000 right, %zu bytes of gradients, %zu of moments\n", optimizer.name().c_str(), correct,
                    bytes[gacc::memory::Kind::gradients], bytes[gacc::memory::Kind::moments]);
    };
    show(first, muon);
    show(second, adamw);
    show(third, adama);
}
