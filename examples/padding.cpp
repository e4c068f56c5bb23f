// Sequences of different lengths, padded to the longest: which of their digits are the largest?
#include <gacc/gacc.hpp>

#include <algorithm>
#include <cstdio>
#include <span>
#include <vector>

constexpr gacc::Index longest = 8, padding = 10;  // tokens 0 to 9 are digits

/// Sequences of 2 to 8 digits. A label for each token: 1 if no other is larger, else 0.
class Sequences {
public:
    using scalar_type = float;

    Sequences(int count, gacc::Rng& rng) {
        for (int i = 0; i < count; ++i) {
            digits_.emplace_back(2 + rng.below(7));
            for (gacc::Index& digit : digits_.back()) { digit = static_cast<gacc::Index>(rng.below(10)); }
        }
    }

    gacc::Index size() const { return static_cast<gacc::Index>(digits_.size()); }
    gacc::Index features() const { return longest; }
    gacc::Index labels_per_sample() const { return longest; }
    void copy_inputs(gacc::Index sample, std::span<float> row) const {
        std::ranges::fill(row, static_cast<float>(padding));
        std::ranges::copy(digits_[static_cast<std::size_t>(sample)], row.begin());
    }
    void copy_labels(gacc::Index sample, std::span<gacc::Label> labels) const {
        const auto& digits = digits_[static_cast<std::size_t>(sample)];
        std::ranges::fill(labels, -100);  // padding is left out of the loss
        std::ranges::transform(digits, labels.begin(), [largest = std::ranges::max(digits)](gacc::Index digit) {
            return digit == largest ? 1 : 0;
        });
    }

private:
    std::vector<std::vector<gacc::Index>> digits_;
};

int main() {
    gacc::Rng rng(42);
    const Sequences train(3000, rng), test(500, rng);

    gacc::Sequential model(gacc::Input(longest), gacc::Embedding(padding + 1, 32),
                           gacc::TransformerBlock(32, {.heads = 2, .causal = false, .padding_token = padding}),
                           gacc::LayerNorm(32), gacc::Linear(32, 2));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 3e-3});

    for (int epoch = 1; epoch <= 6; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 32}, rng)) {
            for (const auto& micro : batch.micro_batches(8)) {
                loss.forward(model.forward(micro.inputs), micro.labels);  // the mean is that of the digits
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }
    }
    gacc::Accuracy accuracy;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        accuracy.add(model.predict(batch.inputs), batch.labels);
    }
    std::printf("%.1f %% of the digits right\n", 100 * accuracy.value());
}
