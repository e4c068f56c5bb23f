#include <gacc/gacc.hpp>

#include <cstdio>

int main() {
    gacc::Rng rng(1);
    gacc::Tensor<float> points({500, 2});  // samples x features, row-major
    std::vector<gacc::Label> labels(500);
    std::vector<float> weights(500);  // how much each sample counts
    for (gacc::Index i = 0; i < 500; ++i) {
        const double x = rng.normal(), y = rng.normal();
        points.matrix().row(i) << static_cast<float>(x), static_cast<float>(y);
        labels[static_cast<std::size_t>(i)] = x * y > 0 ? 1 : 0;
        weights[static_cast<std::size_t>(i)] = x > 0 ? 1.0F : 2.0F;
    }
    const gacc::TensorDataset<float> data(points, labels);

    gacc::Sequential model(gacc::Linear(2, 32), gacc::ReLU(), gacc::Linear(32, 2));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-2F});
    // Batches of 20 at first, later of 100. The policy is asked after each micro-batch, so batches end where one ends.
    gacc::Accumulator accumulator(adam, [](const gacc::Accumulated& held) {
        return held.samples >= (held.steps < 100 ? 20 : 100);
    });

    for (int epoch = 0; epoch < 20; ++epoch) {
        for (const auto& micro : gacc::shuffled_batches(data, {.batch_size = 10}, rng)) {
            std::vector<float> weight;
            for (const gacc::Index sample : micro.samples) { weight.push_back(weights[static_cast<std::size_t>(sample)]); }
            loss.forward(model.forward(micro.inputs), micro.labels, weight);
            model.backward(loss.backward());
            accumulator.update();
        }
        accumulator.flush();
    }
    std::printf("%td of 500 right\n", gacc::count_correct(model.predict(std::as_const(points).matrix()), labels));
}
