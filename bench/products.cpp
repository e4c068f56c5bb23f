// The kernels against Eigen's own product, by shape, and layer by layer, on one thread: bench_products

#include <gacc/gacc.hpp>

#include <benchmark/benchmark.h>

#include "peak.hpp"
#include "peers/perceptron.hpp"

namespace {

using gacc::Index;
using gacc::Matrix;

double peak = 0;  // of float

/// Share of the peak of one core; of half of it for double, of which a register holds half as many.
template <class Scalar>
void report(benchmark::State& state, double multiply_adds) {
    const double share = 2 * multiply_adds / (peak * sizeof(float) / sizeof(Scalar));
    state.counters["of_peak"] = benchmark::Counter(share, benchmark::Counter::kIsIterationInvariantRate);
}

/// Rows as far apart as those of a model's activations, for gacc and Eigen alike.
template <class Scalar>
struct Rows {
    Rows(Index rows, Index cols)
        : padded(Matrix<Scalar>::Random(rows, gacc::detail::row_stride<Scalar>(cols))), cols(cols) {}

    auto eigen() { return padded.leftCols(cols); }
    gacc::MatrixView<Scalar> gacc() {
        return {padded.data(), padded.rows(), cols, Eigen::OuterStride<>(padded.cols())};
    }

    Matrix<Scalar> padded;
    Index cols;
};

/// One Linear layer with its inputs and all gradients, in gacc and in Eigen.
template <class Scalar>
struct Both {
    Both(Index rows, Index in, Index out)
        : layer(in, out), x(rows, in), y(rows, out), grad_y(rows, out), grad_x(rows, in),
          weight(Matrix<Scalar>::Random(out, in)), grad_weight(Matrix<Scalar>::Zero(out, in)) {
        layer.weight().set_value(weight);
    }
    explicit Both(const benchmark::State& state) : Both(state.range(0), state.range(1), state.range(2)) {}

    void gacc_forward() { layer.forward({x.gacc(), y.gacc(), x.gacc().rows(), none(), {}}); }
    void gacc_grad_weight() {
        layer.backward({x.gacc(), y.gacc(), x.gacc().rows(), none(), grad_y.gacc(), none(), {}});
    }
    void gacc_backward() {
        layer.backward({x.gacc(), y.gacc(), x.gacc().rows(), none(), grad_y.gacc(), grad_x.gacc(), {}});
    }
    static gacc::MatrixView<Scalar> none() { return {nullptr, 0, 0, Eigen::OuterStride<>(0)}; }
    void eigen_forward() { y.eigen().noalias() = x.eigen() * weight.transpose(); }
    void eigen_grad_weight() { grad_weight.noalias() += grad_y.eigen().transpose() * x.eigen(); }
    void eigen_backward() {
        eigen_grad_weight();
        grad_x.eigen().noalias() = grad_y.eigen() * weight;
    }
    double products(double count) const { return count * static_cast<double>(x.padded.rows() * weight.size()); }

    gacc::Linear<Scalar> layer;
    Rows<Scalar> x, y, grad_y, grad_x;
    Matrix<Scalar> weight, grad_weight;
};

/// One of the functions above, which is worth so many products.
template <class Scalar, auto function, int products>
void product(benchmark::State& state) {
    Both<Scalar> both(state);
    for (auto _ : state) {
        (both.*function)();
        benchmark::ClobberMemory();
    }
    report<Scalar>(state, both.products(products));
}

/// All products of a forward and backward pass of the perceptron of the README.
template <auto forward, auto grad_weight, auto backward>
void perceptron(benchmark::State& state) {
    std::vector<std::unique_ptr<Both<float>>> layers;
    double multiply_adds = 0;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        layers.push_back(std::make_unique<Both<float>>(state.range(0), widths[i], widths[i + 1]));
        multiply_adds += layers.back()->products(i == 0 ? 2 : 3);
    }
    for (auto _ : state) {
        for (auto& layer : layers) { (*layer.*forward)(); }
        for (std::size_t i = layers.size(); i-- > 1;) { (*layers[i].*backward)(); }
        (*layers[0].*grad_weight)();
        benchmark::ClobberMemory();
    }
    report<float>(state, multiply_adds);
}

void relu(benchmark::State& state) {
    gacc::ReLU layer;
    Rows<float> x(state.range(0), state.range(1)), y(state.range(0), state.range(1)),
        grad_y(state.range(0), state.range(1));
    const gacc::MatrixView<float> none(nullptr, 0, 0, Eigen::OuterStride<>(0));
    for (auto _ : state) {
        layer.forward({x.gacc(), y.gacc(), state.range(0), none, {}});
        layer.backward({y.gacc(), y.gacc(), state.range(0), none, grad_y.gacc(), y.gacc(), {}});
        benchmark::ClobberMemory();
    }
}

void softmax_cross_entropy(benchmark::State& state) {
    gacc::SoftmaxCrossEntropy loss;
    const Matrix<float> logits = Matrix<float>::Random(state.range(0), state.range(1));
    const std::vector<gacc::Label> labels(static_cast<std::size_t>(state.range(0)), 3);
    for (auto _ : state) {
        benchmark::DoNotOptimize(loss.forward(logits, labels));
        benchmark::DoNotOptimize(loss.backward());
    }
}

void shapes(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgNames({"rows", "in", "out"})->Unit(benchmark::kMicrosecond);
    for (const Index rows : {1, 8, 32, 128, 512, 2048}) {
        for (std::size_t i = 0; i + 1 < widths.size(); ++i) { benchmark->Args({rows, widths[i], widths[i + 1]}); }
    }
    benchmark->Args({1024, 1024, 1024})->Args({2048, 2048, 2048});
}
void rows(benchmark::internal::Benchmark* benchmark) {
    benchmark->ArgName("rows")->Arg(32)->Arg(128)->Arg(512)->Arg(2048)->Unit(benchmark::kMicrosecond);
}
void small(benchmark::internal::Benchmark* benchmark) {
    benchmark->Args({32, 512, 256})->Args({128, 512, 256})->Args({512, 512, 256})->Unit(benchmark::kMicrosecond);
}

using Float = Both<float>;
using Double = Both<double>;

}  // namespace

BENCHMARK(perceptron<&Float::gacc_forward, &Float::gacc_grad_weight, &Float::gacc_backward>)
    ->Name("perceptron/gacc")
    ->Apply(rows);
BENCHMARK(perceptron<&Float::eigen_forward, &Float::eigen_grad_weight, &Float::eigen_backward>)
    ->Name("perceptron/eigen")
    ->Apply(rows);
BENCHMARK(product<float, &Float::gacc_forward, 1>)->Name("forward/gacc")->Apply(shapes);
BENCHMARK(product<float, &Float::eigen_forward, 1>)->Name("forward/eigen")->Apply(shapes);
BENCHMARK(product<float, &Float::gacc_grad_weight, 1>)->Name("grad_weight/gacc")->Apply(shapes);
BENCHMARK(product<float, &Float::eigen_grad_weight, 1>)->Name("grad_weight/eigen")->Apply(shapes);
BENCHMARK(product<float, &Float::gacc_backward, 2>)->Name("backward/gacc")->Apply(shapes);
BENCHMARK(product<float, &Float::eigen_backward, 2>)->Name("backward/eigen")->Apply(shapes);
BENCHMARK(product<double, &Double::gacc_forward, 1>)->Name("forward/gacc/double")->Apply(small);
BENCHMARK(product<double, &Double::eigen_forward, 1>)->Name("forward/eigen/double")->Apply(small);
BENCHMARK(product<double, &Double::gacc_backward, 2>)->Name("backward/gacc/double")->Apply(small);
BENCHMARK(product<double, &Double::eigen_backward, 2>)->Name("backward/eigen/double")->Apply(small);
BENCHMARK(relu)->Args({32, 512})->Args({128, 512})->Unit(benchmark::kMicrosecond);
BENCHMARK(softmax_cross_entropy)->Args({32, 10})->Args({128, 10})->Unit(benchmark::kMicrosecond);

int main(int argc, char** argv) {
    gacc::set_threads(1);
    Eigen::setNbThreads(1);
    peak = peak_flops();
    benchmark::AddCustomContext("multiply-add peak of one core", gacc::detail::text(peak / 1e9, " GFLOP/s"));
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
