// Rows of numbers as targets: from a CSV file to the error on test data, with two cuts of the same batches.
#include <gacc/gacc.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace {

/// Houses with an area in m², rooms, an age in years, and a price that depends on them, with some noise.
void write_houses(const std::filesystem::path& path) {
    gacc::Rng rng(7);
    std::ofstream file(path);
    file << "street,area,rooms,age,price\n";
    for (int i = 0; i < 600; ++i) {
        const double area = rng.uniform(0.3, 2), rooms = rng.uniform(0.1, 0.8), age = rng.uniform(0, 1);
        const double price = 2 * area + rooms - area * age + 0.05 * rng.normal();
        file << "\"Street " << i << ", left\"," << area << ',' << rooms << ',' << age << ',' << price << '\n';
    }
}

/// The mean loss on test data after training with micro-batches of at most `micro_batch` samples.
double train(const gacc::RegressionDataset<float>& houses, gacc::Index micro_batch) {
    gacc::Rng rng(42);
    const auto split = gacc::split(houses, 0.8, rng);  // 480 for training, 120 for the test

    gacc::Sequential model(gacc::Linear(3, 32), gacc::ReLU(), gacc::Linear(32, 1));
    model.initialize(rng);
    gacc::MeanSquaredError loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-2});

    for (int epoch = 1; epoch <= 100; ++epoch) {
        for (const auto& batch : gacc::shuffled_batches(split.train, {.batch_size = 64}, rng)) {
            for (const auto& micro : batch.micro_batches(micro_batch)) {
                loss.forward(model.forward(micro.inputs), micro.targets);
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }
    }
    gacc::MeanLoss test;
    for (const auto& batch : gacc::ordered_batches(split.test, {.batch_size = 50})) {
        test.add(loss.value(model.predict(batch.inputs), batch.targets));
    }
    return test.mean();
}

}  // namespace

int main() {
    const auto path = std::filesystem::temp_directory_path() / "gacc_houses.csv";
    write_houses(path);
    const auto houses = gacc::read_csv(path, {.without = {"street"}}).regression({"price"});
    std::filesystem::remove(path);

    const double whole = train(houses, 64), cut = train(houses, 10);
    std::printf("mean squared error %.9f of batches of 64, %.9f cut into micro-batches of 10: %s\n", whole, cut,
                whole == cut ? "the same" : "another");
}
