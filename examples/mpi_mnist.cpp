// Trains on MNIST on several ranks, with the same bits for any number of them:
//
//   mpirun -n 4 example_mpi_mnist [perceptron|cnn] [CHECKPOINT]
//
// GACC_DATA names the folder of the four MNIST files. Without it, digits are made here. The checkpoint is written after
// each epoch; a run that finds one goes on from it, on any number of ranks.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/mpi/data_parallel.hpp>

#ifdef GACC_MNIST_WITH_ZLIB
#include <gacc/data/gzip.hpp>
constexpr gacc::IdxReader reader = gacc::read_idx_gz;
#else
constexpr gacc::IdxReader reader = gacc::read_idx;
#endif

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

#include "mnist_networks.hpp"
#include "toy_digits.hpp"

using gacc::Index;

namespace {

gacc::ImageDataset<float> images(gacc::Split split, Index otherwise) {
    if (const char* folder = std::getenv("GACC_DATA")) { return gacc::load_mnist(folder, split, reader); }
    gacc::Rng rng(split == gacc::Split::train ? 2 : 3);
    return toy_digits(otherwise, rng);
}

/// Prints what tells two results apart: how many are right, and a checksum of all parameters.
void print_results(gacc::Sequential<float>& model, const gacc::ImageDataset<float>& test, Index steps) {
    Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 100})) {
        correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    gacc::Crc64 sum;
    for (const auto& parameter : model.parameters()) {
        const auto values = parameter.values();
        const auto bytes = std::as_bytes(values.span());
        sum.add({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    }
    std::printf("%d of %d right after %d steps, checksum of the parameters %016llx\n", static_cast<int>(correct),
                static_cast<int>(test.size()), static_cast<int>(steps), static_cast<unsigned long long>(sum.value()));
}

}  // namespace

int main(int argc, char** argv) {
    gacc::mpi::Session session(argc, argv);
    const std::string network = argc > 1 ? argv[1] : "perceptron";
    const std::filesystem::path file = argc > 2 ? argv[2] : "";
    gacc::set_threads(1);  // of each rank

    const auto train = images(gacc::Split::train, 20000), test = images(gacc::Split::test, 1000);
    gacc::Rng rng(1);
    auto model = network == "cnn" ? convolutional({28, 28, 1}) : perceptron(784, {512, 256, 128});
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-3});
    gacc::DataPosition position;
    gacc::Checkpoint checkpoint(adam, rng, position);
    if (std::filesystem::exists(file)) { checkpoint.load(file); }

    gacc::mpi::DataParallel group(session, model, adam, {.lanes = 8});
    group.expect_same("training data", gacc::fingerprint(train));
    const auto plan = gacc::plan({.batch_size = 1024, .micro_batch = 32}, model, loss, adam, train, group);

    while (position.epoch < 3) {
        const auto start = std::chrono::steady_clock::now();
        double losses = 0, weights = 0;
        for (const auto& batch : gacc::shuffled_batches(train, {.batch_size = 1024}, rng, position)) {
            for (const auto& micro : group.share(batch).micro_batches(plan)) {
                const auto value = loss.forward(model.forward(micro.inputs), micro.labels);
                losses += value.sum;
                weights += value.weight;
                model.backward(loss.backward(), group.ready());
            }
            group.step();
            position.end_batch();
        }
        const double mean = group.sum(losses) / group.sum(weights);
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        if (session.rank() == 0) {
            std::printf("epoch %d: loss %.4f, %.2f s on %d rank(s)\n", static_cast<int>(position.epoch) + 1, mean,
                        taken.count(), static_cast<int>(session.ranks()));
        }
        position.end_epoch();
        if (!file.empty()) { group.save(checkpoint, file); }
    }
    if (session.rank() == 0) { print_results(model, test, adam.steps()); }
}
