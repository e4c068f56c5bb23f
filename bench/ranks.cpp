// A batch of the perceptron on several ranks of one thread each, by samples a rank: mpirun -n 2 bench_ranks [SAMPLES]...
// Prints the median time of a batch, and of that the step: exchange and update.

#include <gacc/gacc.hpp>
#include <gacc/mpi/data_parallel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "peers/perceptron.hpp"

namespace {

using gacc::Index;

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double median(std::vector<double> times) {
    std::ranges::sort(times);
    return times[times.size() / 2];
}

gacc::TensorDataset<float> samples(Index count) {
    gacc::Rng rng(1);
    gacc::Tensor<float> inputs({count, widths[0]});
    std::generate_n(inputs.data(), inputs.size(), [&] { return static_cast<float>(rng.uniform(-1, 1)); });
    std::vector<gacc::Label> labels(static_cast<std::size_t>(count));
    std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(10)); });
    return {std::move(inputs), std::move(labels)};
}

void measure(gacc::mpi::Session& session, Index samples_a_rank) {
    const Index batch_size = samples_a_rank * session.ranks();
    const auto data = samples(batch_size);
    gacc::Rng rng(1);
    gacc::Sequential model(gacc::Linear(widths[0], widths[1]), gacc::ReLU(), gacc::Linear(widths[1], widths[2]),
                           gacc::ReLU(), gacc::Linear(widths[2], widths[3]), gacc::ReLU(),
                           gacc::Linear(widths[3], widths[4]));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());
    gacc::mpi::DataParallel group(session, model, adam, {.lanes = 8});

    std::vector<double> batches, steps;
    for (int i = 0; i < 21; ++i) {
        for (const auto& batch : gacc::ordered_batches(data, {.batch_size = batch_size})) {
            const double start = seconds();
            for (const auto& micro : group.share(batch).micro_batches(128)) {
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward());
            }
            const double step = seconds();
            group.step();
            if (i == 0) { continue; }  // it allocates
            batches.push_back(seconds() - start);
            steps.push_back(seconds() - step);
        }
    }
    if (session.rank() > 0) { return; }
    const auto& traffic = group.traffic();
    const auto exchanges = static_cast<double>(std::max(traffic.exchanges, Index{1}));
    std::printf("%d rank(s), %5d samples a rank: a batch %7.2f ms, of that the step %6.2f ms; %.0f bytes sent a batch\n",
                static_cast<int>(session.ranks()), static_cast<int>(samples_a_rank), 1e3 * median(batches),
                1e3 * median(steps), static_cast<double>(traffic.sent) / exchanges);
}

}  // namespace

int main(int argc, char** argv) {
    gacc::mpi::Session session(argc, argv);
    gacc::set_threads(1);  // of each rank
    std::vector<Index> samples;
    for (int i = 1; i < argc; ++i) { samples.push_back(static_cast<Index>(std::atoi(argv[i]))); }
    if (samples.empty()) { samples = {128, 512, 1024, 4096}; }
    for (const Index each : samples) { measure(session, each); }
}
