#include <gacc/gacc.hpp>
#include <gacc/io/safetensors.hpp>

#include <cstdio>
#include <limits>

#include "toy_digits.hpp"

int main() {
    gacc::Rng rng(42);
    auto glitches = gacc::Tensor<float>({4, 784});  // a sensor that fails now and then
    glitches.matrix().row(2).setConstant(std::numeric_limits<float>::infinity());
    const std::vector<gacc::Label> any(4, 0);
    const auto train = toy_digits(6000, rng);
    const auto test = toy_digits(1000, rng);

    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());
    gacc::NonFiniteGuard guard(adam, gacc::NonFinite::skip);          // or stop, which throws and names the gradient

    const auto add_gradients = [&](const gacc::ConstMatrixView<float>& inputs, std::span<const gacc::Label> labels) {
        if (!guard.accepts(loss.forward(model.forward(inputs), labels))) { return; }
        model.backward(loss.backward());
        guard.accepts_gradients();                                    // if not, they are what they were before
    };
    for (int epoch = 1; epoch <= 6; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 128}, rng)) {
            for (const auto& micro : batch.micro_batches(32)) { add_gradients(micro.inputs, micro.labels); }
            add_gradients(std::as_const(glitches).matrix(), any);
            adam.step();
            adam.zero_grad();
        }
    }

    gacc::save_safetensors("weights.safetensors", model.parameters());  // Python loads it: 0.weight, 0.bias, ...
    gacc::Sequential same(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
    gacc::load_safetensors("weights.safetensors", same.parameters());

    gacc::Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        correct += gacc::count_correct(same.predict(batch.inputs), batch.labels);
    }
    std::printf("%td of 1000 right, %td micro-batches left out\n", correct, guard.skipped());
}
