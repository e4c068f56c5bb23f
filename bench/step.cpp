// The whole training step of the perceptron, and its parts, by batch and micro-batch: bench_step
// bench_step --peak prints the multiply-add peak of one core in operations a second and the seconds of Adam's memory
// traffic, and nothing else.

#include <gacc/gacc.hpp>

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>

#include "peak.hpp"
#include "peers/perceptron.hpp"

namespace {

using gacc::Index;

double peak = 0;

struct Training {
    explicit Training(Index batch) : inputs({batch, widths[0]}), labels(static_cast<std::size_t>(batch)) {
        gacc::Rng rng(1);
        model.initialize(rng);
        std::generate_n(inputs.data(), inputs.size(), [&] { return static_cast<float>(rng.uniform(-1, 1)); });
        std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(10)); });
    }

    void gradients(Index first, Index count) {
        loss.forward(model.forward(std::as_const(inputs).rows(first, count)),
                     std::span(labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
        model.backward(loss.backward());
    }

    gacc::Sequential<float> model{
        gacc::Linear(widths[0], widths[1]), gacc::ReLU(), gacc::Linear(widths[1], widths[2]), gacc::ReLU(),
        gacc::Linear(widths[2], widths[3]), gacc::ReLU(), gacc::Linear(widths[3], widths[4])};
    gacc::SoftmaxCrossEntropy<float> loss;
    gacc::Adam<float> adam{model.parameters()};
    gacc::Tensor<float> inputs;
    std::vector<gacc::Label> labels;
};

/// Share of the peak of the cores in use, counting the products' arithmetic only.
void report(benchmark::State& state, Index samples) {
    const double flops = flops_per_sample() * static_cast<double>(samples);
    state.counters["samples/s"] =
        benchmark::Counter(static_cast<double>(samples), benchmark::Counter::kIsIterationInvariantRate);
    state.counters["of_peak"] =
        benchmark::Counter(flops / (peak * gacc::threads()), benchmark::Counter::kIsIterationInvariantRate);
}

void forward_backward(benchmark::State& state) {
    gacc::set_threads(static_cast<int>(state.range(1)));
    Training training(state.range(0));
    for (auto _ : state) { training.gradients(0, state.range(0)); }
    report(state, state.range(0));
}

void whole_step(benchmark::State& state) {
    const Index batch = state.range(0), micro_batch = state.range(1);
    gacc::set_threads(static_cast<int>(state.range(2)));
    Training training(batch);
    for (auto _ : state) {
        for (Index first = 0; first < batch; first += micro_batch) { training.gradients(first, micro_batch); }
        training.adam.step();
        training.adam.zero_grad();
    }
    report(state, batch);
}

void adam_step(benchmark::State& state) {
    gacc::set_threads(static_cast<int>(state.range(0)));
    Training training(1);
    training.gradients(0, 1);
    const auto held = training.adam.parameters().tally();
    for (auto _ : state) {
        training.adam.step();
        training.adam.parameters().set_tally(held);  // or the next step would be refused: no zero_grad()
    }
}

}  // namespace

BENCHMARK(forward_backward)
    ->ArgNames({"batch", "threads"})
    ->ArgsProduct({{1, 8, 32, 128, 512, 2048}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(whole_step)
    ->ArgNames({"batch", "micro", "threads"})
    ->Args({1, 1, 1})
    ->Args({8, 8, 1})
    ->Args({32, 32, 1})
    ->Args({128, 128, 1})
    ->Args({128, 32, 1})
    ->Args({512, 512, 1})
    ->Args({2048, 2048, 1})
    ->Args({2048, 128, 1})
    ->Args({2048, 32, 1})
    ->Args({32, 32, 2})
    ->Args({128, 128, 2})
    ->Args({128, 32, 2})
    ->Args({2048, 2048, 2})
    ->Args({2048, 32, 2})
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(adam_step)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMicrosecond);

int main(int argc, char** argv) {
    peak = peak_flops();
    if (argc == 2 && std::strcmp(argv[1], "--peak") == 0) {
        std::printf("%.0f %.9f\n", peak, adam_traffic_seconds(567'434));
        return 0;
    }
    benchmark::AddCustomContext("multiply-add peak of one core", gacc::detail::text(peak / 1e9, " GFLOP/s"));
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
