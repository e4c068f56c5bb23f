// Attention by shape, on one thread: forward and backward apart. of_peak is the share of the peak of one core that the
// products reach; the softmax is in the same time: bench_attention

#include <gacc/layers/dot_product_attention.hpp>
#include <gacc/model/activation.hpp>

#include <benchmark/benchmark.h>

#include <string>

#include "peak.hpp"

namespace {

using gacc::Index;

double peak = 0;  // of float

/// Tokens with rows as far apart as those of a model's activations.
struct Tokens {
    Tokens(Index rows, Index of_token)
        : numbers(gacc::Matrix<float>::Random(rows, gacc::detail::row_stride<float>(of_token, rows))),
          features(of_token) {}

    gacc::MatrixView<float> view() {
        return {numbers.data(), numbers.rows(), features, Eigen::OuterStride<>(numbers.cols())};
    }

    gacc::Matrix<float> numbers;
    Index features;  // of a token
};

enum class Part { forward, backward };

void attention(benchmark::State& state, Part part, Index width, Index tokens, Index samples,
               const gacc::DotProductAttentionOptions& options) {
    gacc::DotProductAttention<float> layer(width, options);
    const gacc::Shape shape{tokens, 3 * width};
    const Index rows = samples * tokens;
    Tokens x(rows, 3 * width), y(rows, width), grad_x(rows, 3 * width), grad_y(rows, width);
    gacc::Matrix<float> kept(samples, layer.plan(shape).kept);
    const gacc::MatrixView<float> of_kept(kept.data(), samples, kept.cols(), Eigen::OuterStride<>(kept.cols()));
    const gacc::Where where{.training = true};  // for dropout
    layer.forward({x.view(), y.view(), samples, of_kept, where, shape});
    gacc::Backward<float> backward{x.view(), y.view(), samples, of_kept, grad_y.view(), grad_x.view(), where};
    backward.shape = shape;
    for (auto _ : state) {
        if (part == Part::forward) {
            layer.forward({x.view(), y.view(), samples, of_kept, where, shape});
        } else {
            layer.backward(backward);
        }
        benchmark::ClobberMemory();
    }
    const auto each = static_cast<double>(tokens);
    const double pairs = options.causal ? each * (each + 1) / 2 : each * each;
    const double products = part == Part::forward ? 2 : 5;
    const double operations = products * 2 * pairs * static_cast<double>(width * samples);
    state.counters["GFLOP/s"] = benchmark::Counter(operations / 1e9, benchmark::Counter::kIsIterationInvariantRate);
    state.counters["of_peak"] = benchmark::Counter(operations / peak, benchmark::Counter::kIsIterationInvariantRate);
}

void add(const std::string& name, Index width, Index tokens, Index samples,
         const gacc::DotProductAttentionOptions& options) {
    for (const auto& [suffix, part] : {std::pair{"forward", Part::forward}, std::pair{"backward", Part::backward}}) {
        benchmark::RegisterBenchmark((name + '/' + suffix).c_str(), attention, part, width, tokens, samples, options)
            ->Unit(benchmark::kMicrosecond);
    }
}

}  // namespace

int main(int argc, char** argv) {
    gacc::set_threads(1);
    peak = peak_flops();
    benchmark::Initialize(&argc, argv);
    benchmark::AddCustomContext("peak of a core, GFLOP/s", std::to_string(peak / 1e9));
    for (const Index samples : {1, 12}) {
        const std::string many = "/samples:" + std::to_string(samples);
        add("gpt/4x32/tokens:64" + many, 128, 64, samples, {.heads = 4, .causal = true});
        add("larger/6x64/tokens:256" + many, 384, 256, samples, {.heads = 6, .causal = true});
    }
    add("gpt2/12x64/tokens:1024/samples:1", 768, 1024, 1, {.heads = 12, .causal = true});
    add("full/6x64/tokens:256/samples:1", 384, 256, 1, {.heads = 6});
    add("odd/5x20/tokens:100/samples:4", 100, 100, 4, {.heads = 5, .causal = true});
    add("dropout/4x32/tokens:64/samples:12", 128, 64, 12, {.heads = 4, .causal = true, .dropout = 0.1});
    add("rotary/4x32/tokens:64/samples:12", 128, 64, 12, {.heads = 4, .causal = true, .rotary_positions = 64});
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
