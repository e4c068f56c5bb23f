// Trains networks with many cuts and numbers of threads, and prints a digest of the bytes at the end. Exit code 1 if
// they are not all the same. The networks are a perceptron and a convolutional one in float, and with GACC_DIGEST_DOUBLE
// the perceptron in double. With GACC_DIGEST_ALL there is also the other in double, and a network of many layers, which
// takes long to compile; GACC_DIGEST_ALL_DOUBLE has that in double too.

#ifdef GACC_DIGEST_ALL
#include <gacc/gacc.hpp>
#else
#include <gacc/data/batches.hpp>
#include <gacc/layers/conv2d.hpp>
#include <gacc/layers/flatten.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/max_pool2d.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#endif

#include <cinttypes>
#include <cstdio>
#include <cstring>

namespace {

using gacc::Index;

/// FNV-1a of the bytes.
template <class Scalar>
std::uint64_t digest(const gacc::Parameters<Scalar>& parameters, std::uint64_t hash = 0xcbf29ce484222325) {
    for (const auto& parameter : parameters) {
        const gacc::Matrix<Scalar> value = parameter.value();
        const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
        for (std::size_t i = 0; i < static_cast<std::size_t>(value.size()) * sizeof(Scalar); ++i) {
            hash = (hash ^ bytes[i]) * 0x100000001b3;
        }
    }
    return hash;
}

/// 300-203-70-10: enough work for several threads.
template <class Scalar>
gacc::Sequential<Scalar> perceptron() {
    return gacc::Sequential(gacc::Linear<Scalar>(300, 203), gacc::ReLU<Scalar>(), gacc::Linear<Scalar>(203, 70),
                            gacc::ReLU<Scalar>(), gacc::Linear<Scalar>(70, 10));
}

/// For images of 10 x 10 pixels with 3 channels: a first layer of few channels, a stride, dilated groups, a depthwise one.
template <class Scalar>
gacc::Sequential<Scalar> convolutional() {
    return gacc::Sequential(
        gacc::Input(10, 10, 3), gacc::Conv2d<Scalar>(3, 18, {.kernel = 3, .padding = 1}), gacc::ReLU<Scalar>(),
        gacc::Conv2d<Scalar>(18, 10, {.kernel = 3, .stride = 2, .padding = 1, .bias = false}),
        gacc::GroupNorm<Scalar>(2, 10), gacc::ReLU<Scalar>(),
        gacc::Conv2d<Scalar>(10, 12, {.kernel = 3, .padding = 2, .dilation = 2, .groups = 2}), gacc::MaxPool2d<Scalar>(2),
        gacc::Conv2d<Scalar>(12, 12, {.kernel = 3, .padding = 1, .groups = 12}), gacc::Flatten<Scalar>(),
        gacc::Linear<Scalar>(48, 10));
}

#ifdef GACC_DIGEST_ALL
/// A network of the other layers.
template <class Scalar>
gacc::Sequential<Scalar> mixed() {
    return gacc::Sequential(
        gacc::Linear<Scalar>(300, 99), gacc::Tanh<Scalar>(),
        gacc::Residual(gacc::LayerNorm<Scalar>(99), gacc::Linear<Scalar>(99, 70), gacc::GELU<Scalar>(),
                       gacc::Dropout<Scalar>(0.1), gacc::Linear<Scalar>(70, 99, {.bias = false})),
        gacc::Concat(gacc::Chain(gacc::Linear<Scalar>(99, 21), gacc::GroupNorm<Scalar>(3, 21), gacc::SiLU<Scalar>()),
                     gacc::Chain(gacc::RMSNorm<Scalar>(99), gacc::Softplus<Scalar>()), gacc::Sigmoid<Scalar>()),
        gacc::Linear<Scalar>(219, 10), gacc::ELU<Scalar>());
}
#endif

/// Batches of 100 samples.
template <class Scalar>
std::uint64_t train(gacc::Sequential<Scalar> model, int batches, Index micro_batch, int threads) {
    gacc::set_threads(threads);
    gacc::Rng rng(1);
    const int samples = 100 * batches;
    gacc::Tensor<Scalar> inputs({samples, 300});
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<Scalar>(rng.normal()); }
    std::vector<gacc::Label> labels;
    for (int i = 0; i < samples; ++i) { labels.push_back(static_cast<gacc::Label>(rng.below(10))); }
    const gacc::TensorDataset<Scalar> data(std::move(inputs), std::move(labels));

    model.initialize(rng);
    gacc::SoftmaxCrossEntropy<Scalar> loss;
    gacc::Adam adam(model.parameters());
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 100}, rng)) {
        for (const auto& micro : batch.micro_batches(micro_batch)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            model.backward(loss.backward());
        }
        adam.step();
        adam.zero_grad();
    }
    return digest(model.parameters());
}

template <class Scalar>
bool print(const char* name, const gacc::Sequential<Scalar>& model, int batches) {
    const std::uint64_t expected = train(model, batches, 100, 1);
    for (const Index micro_batch : {7, 32, 100}) {
        for (const int threads : {1, 2, 3}) {
            if (train(model, batches, micro_batch, threads) != expected) {
                std::printf("%s: other bytes at micro-batch %td with %d threads\n", name, micro_batch, threads);
                return false;
            }
        }
    }
    std::printf("%s %016" PRIx64 "\n", name, expected);
    return true;
}

}  // namespace

int main() {
    bool same = print("float", perceptron<float>(), 3) && print("images-float", convolutional<float>(), 2);
#if defined(GACC_DIGEST_DOUBLE) || defined(GACC_DIGEST_ALL)
    same = same && print("double", perceptron<double>(), 3);
#endif
#ifdef GACC_DIGEST_ALL
    same = same && print("images-double", convolutional<double>(), 2);
    same = same && print("mixed-float", mixed<float>(), 3);
#ifdef GACC_DIGEST_ALL_DOUBLE
    same = same && print("mixed-double", mixed<double>(), 3);
#endif
#endif
    return same ? 0 : 1;
}
