// Convolutions by shape, on one thread: forward, gradient by x and gradient by the kernels apart. of_peak is the share of
// the peak of one core: bench_convolution

#include <gacc/layers/conv2d.hpp>
#include <gacc/parameters/model_parameter.hpp>
#include <gacc/model/activation.hpp>

#include <benchmark/benchmark.h>

#include "peak.hpp"

namespace {

using gacc::Index;
using gacc::Matrix;

double peak = 0;  // of float

/// Images with pixels as far apart as those of a model's activations.
struct Pixels {
    Pixels(Index samples, Index pixels, Index channels)
        : numbers(Matrix<float>::Random(samples * pixels, gacc::detail::row_stride<float>(channels, pixels))),
          channels(channels) {}

    gacc::MatrixView<float> view() {
        return {numbers.data(), numbers.rows(), channels, Eigen::OuterStride<>(numbers.cols())};
    }

    Matrix<float> numbers;
    Index channels;
};

enum class Part { forward, grad_x, grad_weight };

void convolution(benchmark::State& state, Part part, Index in, Index out, Index size, gacc::Conv2dOptions options,
                 Index samples) {
    options.bias = false;
    gacc::Conv2d<float> layer(in, out, options);
    gacc::Rng rng(1);
    layer.initialize(rng);
    const gacc::Shape shape{size, size, in};
    const gacc::LayerPlan plan = layer.plan(shape);
    Pixels x(samples, size * size, in), y(samples, gacc::rows_of(plan.y), out);
    const gacc::MatrixView<float> none(nullptr, 0, 0, Eigen::OuterStride<>(0));
    if (part == Part::grad_x) { gacc::detail::ModelParameter<float>::freeze(layer.weight()); }
    gacc::Backward<float> backward{x.view(), y.view(), samples, none, y.view(),
                                   part == Part::grad_x ? x.view() : none, {}};
    backward.shape = shape;
    for (auto _ : state) {
        if (part == Part::forward) {
            layer.forward({x.view(), y.view(), samples, none, {}, shape});
        } else {
            layer.backward(backward);
        }
        benchmark::ClobberMemory();
    }
    const auto operations = 2 * static_cast<double>(samples) * static_cast<double>(plan.work);
    state.counters["GFLOP/s"] = benchmark::Counter(operations / 1e9, benchmark::Counter::kIsIterationInvariantRate);
    state.counters["of_peak"] = benchmark::Counter(operations / peak, benchmark::Counter::kIsIterationInvariantRate);
}

void add(const std::string& name, Index in, Index out, Index size, const gacc::Conv2dOptions& options, Index samples) {
    for (const auto& [suffix, part] : {std::pair{"forward", Part::forward}, std::pair{"grad_x", Part::grad_x},
                                       std::pair{"grad_weight", Part::grad_weight}}) {
        benchmark::RegisterBenchmark((name + "/" + suffix).c_str(), convolution, part, in, out, size, options, samples)
            ->Unit(benchmark::kMicrosecond);
    }
}

}  // namespace

int main(int argc, char** argv) {
    gacc::set_threads(1);
    peak = peak_flops();
    benchmark::Initialize(&argc, argv);
    benchmark::AddCustomContext("peak of a core, GFLOP/s", std::to_string(peak / 1e9));
    for (const Index samples : {1, 8}) {
        const std::string many = "/samples:" + std::to_string(samples);
        add("resnet20/16x32x32" + many, 16, 16, 32, {.kernel = 3, .padding = 1}, samples);
        add("resnet20/32x16x16" + many, 32, 32, 16, {.kernel = 3, .padding = 1}, samples);
        add("resnet20/64x8x8" + many, 64, 64, 8, {.kernel = 3, .padding = 1}, samples);
        add("resnet20/16to32/stride2" + many, 16, 32, 32, {.kernel = 3, .stride = 2, .padding = 1}, samples);
        add("resnet20/first" + many, 3, 16, 32, {.kernel = 3, .padding = 1}, samples);
        add("mnist/first" + many, 1, 32, 28, {.kernel = 3}, samples);
        add("mnist/second" + many, 32, 64, 26, {.kernel = 3}, samples);
        add("128x28x28" + many, 128, 128, 28, {.kernel = 3, .padding = 1}, samples);
        add("256x14x14" + many, 256, 256, 14, {.kernel = 3, .padding = 1}, samples);
        add("1x1/64to256x14x14" + many, 64, 256, 14, {.kernel = 1}, samples);
        add("1x1/256to64x14x14" + many, 256, 64, 14, {.kernel = 1}, samples);
        add("5x5/stride2/32to64x28x28" + many, 32, 64, 28, {.kernel = 5, .stride = 2, .padding = 2}, samples);
        add("depthwise/64x28x28" + many, 64, 64, 28, {.kernel = 3, .padding = 1, .groups = 64}, samples);
        add("groups4/64x14x14" + many, 64, 64, 14, {.kernel = 3, .padding = 1, .groups = 4}, samples);
    }
    benchmark::RunSpecifiedBenchmarks();
}
