// What it costs to measure the gradient noise scale: whole steps of batches cut in four, measured and not, in turns.
// bench_noise_scale [--benchmark_filter=gpt]; the rows end with the medians and the copy's bytes.

#include <gacc/gacc.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "peers/networks.hpp"
#include "peers/perceptron.hpp"

namespace {

using gacc::Index;

constexpr Index micro_batches = 4;

Network perceptron() {
    Network net{{}, {widths[0]}};
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        if (i > 0) { net.model.add(gacc::ReLU()); }
        net.model.add(gacc::Linear(widths[i], widths[i + 1]));
    }
    return net;
}

void step(benchmark::State& state, const std::string& name, Index samples, bool measured) {
    Network net = name == "perceptron" ? perceptron() : network(name);
    gacc::Rng rng(1);
    net.model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam<float> adam(net.model.parameters());
    gacc::NoiseScale<float> noise(adam.parameters());

    const Index labels_each = net.tokens > 0 ? net.tokens : 1;
    const std::uint64_t classes = net.tokens > 0 ? gpt_characters : 10;
    gacc::Tensor<float> inputs({samples * micro_batches, gacc::elements(net.input)});
    std::generate_n(inputs.data(), inputs.size(), [&] {
        return net.tokens > 0 ? static_cast<float>(rng.below(classes)) : static_cast<float>(rng.uniform(-1, 1));
    });
    std::vector<gacc::Label> labels(static_cast<std::size_t>(samples * micro_batches * labels_each));
    std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(classes)); });

    for (auto _ : state) {
        for (Index first = 0; first < samples * micro_batches; first += samples) {
            const auto part = std::span(labels).subspan(static_cast<std::size_t>(first * labels_each),
                                                        static_cast<std::size_t>(samples * labels_each));
            loss.forward(net.model.forward(std::as_const(inputs).rows(first, samples)), part);
            if (measured) {
                noise.backward(net.model, loss.backward());
            } else {
                net.model.backward(loss.backward());
            }
        }
        if (measured) { noise.end_batch(); }
        adam.step();
        adam.zero_grad();
    }
    if (measured) { state.counters["copied_bytes"] = static_cast<double>(noise.state_bytes()); }
}

void add(const std::string& name, Index samples) {
    for (const bool measured : {false, true}) {
        const std::string row = name + '/' + std::to_string(micro_batches) + 'x' + std::to_string(samples) +
                                (measured ? "/measured" : "/not_measured");
        benchmark::RegisterBenchmark(row.c_str(), step, name, samples, measured)
            ->Unit(benchmark::kMillisecond)
            ->MeasureProcessCPUTime()
            ->Repetitions(15)
            ->ComputeStatistics("least", [](const std::vector<double>& of) { return std::ranges::min(of); })
            ->ReportAggregatesOnly();
    }
}

}  // namespace

int main(int argc, char** argv) {
    gacc::set_threads(1);
    std::vector<char*> arguments(argv, argv + argc);
    std::string in_turns = "--benchmark_enable_random_interleaving=true";
    arguments.insert(arguments.begin() + 1, in_turns.data());
    int count = static_cast<int>(arguments.size());
    add("perceptron", 32);
    add("mnist", 32);
    add("resnet20", 8);
    add("gpt", 12);
    benchmark::Initialize(&count, arguments.data());
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
