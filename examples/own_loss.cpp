#include <gacc/gacc.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

/// The mean absolute error: the loss of a sample is the mean of |y - t| over its outputs y and targets t.
class MeanAbsoluteError {
public:
    gacc::LossValue<float> forward(const gacc::ConstMatrixView<float>& y, const gacc::ConstMatrixView<float>& t) {
        outputs_ = y.cols();
        grad_.clear();
        losses_.clear();
        double all = 0;
        for (gacc::Index i = 0; i < y.rows(); ++i) {  // every sample by itself, its outputs in order
            float sum = 0;
            for (gacc::Index j = 0; j < outputs_; ++j) {
                const float difference = y(i, j) - t(i, j), distance = std::abs(difference);
                grad_.push_back(distance == 0 ? 0 : difference / distance / static_cast<float>(outputs_));
                sum += distance;
            }
            losses_.push_back(sum / static_cast<float>(outputs_));
            all += static_cast<double>(losses_.back());
        }
        weights_.assign(losses_.size(), 1);
        return {all, static_cast<double>(losses_.size()), losses_, weights_};  // sums, not means
    }

    gacc::LossGradient<float> backward() const {
        return {{grad_.data(), static_cast<gacc::Index>(losses_.size()), outputs_}, weights_};
    }

    /// What it keeps for a sample, for gacc::plan().
    static gacc::Index numbers_per_sample(gacc::Index outputs) { return outputs + 2; }

private:
    gacc::Index outputs_ = 0;
    std::vector<float> grad_;              // samples x outputs
    std::vector<float> losses_, weights_;  // samples
};

/// Points of the plane and the height of a wave there. No sample is stored: each is computed when it is used.
class Waves {
public:
    using scalar_type = float;

    gacc::Index size() const { return 2000; }
    gacc::Index features() const { return 2; }
    gacc::Index target_features() const { return 1; }

    void copy_inputs(gacc::Index sample, std::span<float> row) const {
        gacc::Rng rng(static_cast<std::uint64_t>(sample));  // a sample has the same numbers whenever it is used
        for (float& number : row) { number = static_cast<float>(rng.uniform(-1, 1)); }
    }
    void copy_targets(gacc::Index sample, std::span<float> row) const {
        std::array<float, 2> x{};
        copy_inputs(sample, x);
        row[0] = std::sin(3 * x[0]) * x[1];
    }
};

/// All numbers of a model that is trained with batches of 50, cut into micro-batches of this size.
std::vector<float> trained(const Waves& waves, gacc::Index micro_batch) {
    gacc::Rng rng(1);
    gacc::Sequential model(gacc::Linear(2, 32), gacc::Tanh(), gacc::Linear(32, 1));
    model.initialize(rng);
    MeanAbsoluteError loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-2});
    const auto plan = gacc::plan({.batch_size = 50, .micro_batch = micro_batch}, model, loss, adam, waves);

    gacc::MeanLoss last;
    for (int epoch = 1; epoch <= 20; ++epoch) {
        last = {};
        for (const auto& batch : gacc::shuffled_batches(waves, {.batch_size = 50}, rng)) {
            for (const auto& micro : batch.micro_batches(plan)) {
                last.add(loss.forward(model.forward(micro.inputs), micro.targets));
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }
    }
    std::printf("micro-batches of %td: mean absolute error %.9f\n", micro_batch, last.mean());

    std::vector<float> numbers;
    for (const auto& parameter : model.parameters()) {
        const auto values = parameter.values();
        numbers.insert(numbers.end(), values.span().begin(), values.span().end());
    }
    return numbers;
}

int main() {
    const Waves waves;
    const auto uncut = trained(waves, 50), cut = trained(waves, 7);
    const bool same = std::memcmp(uncut.data(), cut.data(), uncut.size() * sizeof(float)) == 0;
    std::printf("%s bytes\n", same ? "the same" : "different");
    return same ? 0 : 1;
}
