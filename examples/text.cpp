// Predicts the next character of a text from those before it, in windows of 16 characters: a small GPT.
#include <gacc/gacc.hpp>

#include <cstdio>
#include <string>

int main() {
    std::string sums;  // "3+4=7;12+9=21;..."
    gacc::Rng rng(42);
    for (int i = 0; i < 2000; ++i) {
        const auto a = rng.below(20), b = rng.below(20);
        sums += std::to_string(a) + "+" + std::to_string(b) + "=" + std::to_string(a + b) + ";";
    }
    const gacc::Text text(sums);
    const auto [training, validation] = text.split(0.9);
    const gacc::TextDataset train(training, {.tokens = 16}), held_out(validation, {.tokens = 16});
    const auto characters = text.vocabulary().size();

    gacc::Sequential model(gacc::Input(16), gacc::Embedding(characters, 32), gacc::PositionEmbedding(16, 32),
                           gacc::TransformerBlock(32, {.heads = 2}), gacc::TransformerBlock(32, {.heads = 2}),
                           gacc::LayerNorm(32), gacc::Linear(32, characters));
    model.initialize(rng);
    gacc::LinearCrossEntropy loss;  // as SoftmaxCrossEntropy, without the logits in memory
    gacc::AdamW adamw(model.parameters(), {.learning_rate = 3e-3});

    for (int epoch = 1; epoch <= 3; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 32}, rng)) {
            for (const auto& micro : batch.micro_batches(8)) {
                loss.forward(model.forward_features(micro.inputs), micro.labels);  // a label a character
                model.backward(loss.backward());
            }
            adamw.step();
            adamw.zero_grad();
        }
        gacc::MeanLoss mean;
        for (const auto& batch : gacc::ordered_batches(held_out, {.batch_size = 32})) {
            mean.add(loss.value(model.predict_features(batch.inputs), batch.labels));
        }
        std::printf("epoch %d: validation loss %.3f a character\n", epoch, mean.mean());
    }
}
