// The kernel against Eigen's own product, by shape: bench_products

#include <gacc/gacc.hpp>

#include <benchmark/benchmark.h>

#include "peak.hpp"

namespace {

using gacc::Index;

double peak = 0;

void report(benchmark::State& state) {
    const double flops = 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2));
    state.counters["of_peak"] = benchmark::Counter(flops / peak, benchmark::Counter::kIsIterationInvariantRate);
}

/// y = x Wᵀ + b for rows x in -> out.
void kernel(benchmark::State& state) {
    gacc::set_threads(1);
    const gacc::Matrix<float> x = gacc::Matrix<float>::Random(state.range(0), state.range(1));
    gacc::Matrix<float> y(state.range(0), state.range(2));
    const gacc::Linear layer(state.range(1), state.range(2));
    for (auto _ : state) {
        layer.forward(x, {y.data(), y.rows(), y.cols(), Eigen::OuterStride<>(y.cols())});
        benchmark::DoNotOptimize(y.data());
    }
    report(state);
}

void eigen(benchmark::State& state) {
    Eigen::setNbThreads(1);
    const gacc::Matrix<float> x = gacc::Matrix<float>::Random(state.range(0), state.range(1));
    const gacc::Matrix<float> weight = gacc::Matrix<float>::Random(state.range(2), state.range(1));
    gacc::Matrix<float> y(state.range(0), state.range(2));
    for (auto _ : state) {
        y.noalias() = x * weight.transpose();
        benchmark::DoNotOptimize(y.data());
    }
    report(state);
}

void shapes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"rows", "in", "out"})->Unit(benchmark::kMicrosecond);
    for (const Index rows : {1, 8, 32, 128, 512, 2048}) { benchmark->Args({rows, 784, 512})->Args({rows, 128, 10}); }
    benchmark->Args({1024, 1024, 1024})->Args({2048, 2048, 2048});
}

}  // namespace

BENCHMARK(kernel)->Apply(shapes);
BENCHMARK(eigen)->Apply(shapes);

int main(int argc, char** argv) {
    peak = peak_flops();
    benchmark::AddCustomContext("multiply-add peak of one core", gacc::detail::text(peak / 1e9, " GFLOP/s"));
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
