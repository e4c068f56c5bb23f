// A batch of a network on several ranks of one thread each, by samples a rank:
//
//   mpirun -n 2 bench_ranks [perceptron|cnn|small] [lanes=8] [apart] [SAMPLES]...
//
// Prints the times of a batch, and of that the step, exchange and update: medians, and minima in parentheses. bench/cost_model
// reads these lines. With `apart`, the exchange does not overlap with the backward pass.

#include <gacc/gacc.hpp>
#include <gacc/mpi/data_parallel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "peers/networks.hpp"
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

struct Subject {
    gacc::Sequential<float> model;
    Index numbers;      // of a sample
    Index micro_batch;  // at most
};

Subject subject(const std::string& network) {
    if (network == "cnn") { return {mnist().model, 28 * 28, 32}; }
    if (network == "small") {  // its exchange is mostly latency
        return {gacc::Sequential(gacc::Linear(widths[0], 32), gacc::ReLU(), gacc::Linear(32, 10)), widths[0], 128};
    }
    return {gacc::Sequential(gacc::Linear(widths[0], widths[1]), gacc::ReLU(), gacc::Linear(widths[1], widths[2]),
                             gacc::ReLU(), gacc::Linear(widths[2], widths[3]), gacc::ReLU(),
                             gacc::Linear(widths[3], widths[4])),
            widths[0], 128};
}

gacc::TensorDataset<float> samples(Index count, Index numbers) {
    gacc::Rng rng(1);
    gacc::Tensor<float> inputs({count, numbers});
    std::generate_n(inputs.data(), inputs.size(), [&] { return static_cast<float>(rng.uniform(-1, 1)); });
    std::vector<gacc::Label> labels(static_cast<std::size_t>(count));
    std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(10)); });
    return {std::move(inputs), std::move(labels)};
}

void measure(gacc::mpi::Session& session, const std::string& network, Index lanes, bool overlaps, Index samples_a_rank) {
    const Index batch_size = samples_a_rank * session.ranks();
    auto [model, numbers, micro_batch] = subject(network);
    const auto data = samples(batch_size, numbers);
    gacc::Rng rng(1);
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());
    gacc::mpi::DataParallel group(session, model, adam, {.lanes = lanes});

    std::vector<double> batches, steps;
    const double begin = seconds();
    double going_on = 1;  // rank 0 decides: all ranks must make as many steps
    for (int i = 0; going_on > 0; ++i) {
        for (const auto& batch : gacc::ordered_batches(data, {.batch_size = batch_size})) {
            const double start = seconds();
            for (const auto& micro : group.share(batch).micro_batches(micro_batch)) {
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward(), overlaps ? group.ready() : gacc::GradientReady<float>());
            }
            const double step = seconds();
            group.step();
            if (i == 0) { continue; }  // it allocates
            batches.push_back(seconds() - start);
            steps.push_back(seconds() - step);
        }
        going_on = group.sum(session.rank() == 0 && (i < 10 || (i < 60 && seconds() - begin < 5)) ? 1 : 0);
    }
    if (session.rank() > 0) { return; }
    const auto& traffic = group.traffic();
    const auto exchanges = static_cast<double>(std::max(traffic.exchanges, Index{1}));
    std::printf("%s, %d rank(s), %d lane(s), %5d samples a rank: a batch %7.2f (%.2f) ms, of that the step %6.2f (%.2f) ms; "
                "%.0f bytes of gradients, %.0f sent in %.0f messages\n",
                network.c_str(), static_cast<int>(session.ranks()), static_cast<int>(lanes),
                static_cast<int>(samples_a_rank), 1e3 * median(batches), 1e3 * std::ranges::min(batches),
                1e3 * median(steps), 1e3 * std::ranges::min(steps),
                static_cast<double>(model.parameters().stored_gradients()) * sizeof(float),
                static_cast<double>(traffic.sent) / exchanges, static_cast<double>(traffic.messages) / exchanges);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    gacc::mpi::Session session(argc, argv);
    gacc::set_threads(1);  // of each rank
    std::string network = "perceptron";
    Index lanes = 8;
    bool overlaps = true;
    std::vector<Index> samples;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument.starts_with("lanes=")) {
            lanes = static_cast<Index>(std::stol(argument.substr(6)));
        } else if (argument == "apart") {
            overlaps = false;
        } else if (std::atoi(argv[i]) > 0) {
            samples.push_back(static_cast<Index>(std::atoi(argv[i])));
        } else {
            network = argument;
        }
    }
    if (samples.empty()) { samples = {128, 512, 1024, 4096}; }
    for (const Index each : samples) { measure(session, network, lanes, overlaps, each); }
}
