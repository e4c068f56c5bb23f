// The same step in plain Eigen: its products, gacc's loss and Adam (the difference is the products and the layers
// around them): peer_eigen THREADS

#include <gacc/gacc.hpp>

#include "peer.hpp"
#include "perceptron.hpp"

namespace {

using Matrix = gacc::Matrix<float>;
using Row = Eigen::RowVectorXf;

struct Layer {
    Matrix weight, grad_weight;
    Row bias, grad_bias;
    Matrix y, grad_y;
};

/// Adam in one pass, on packets, as in gacc, over an array that lies as Eigen likes it.
struct Moments {
    gacc::Buffer<float> m, v;
};

}  // namespace

int main(int, char** argv) {
    gacc::set_threads(std::atoi(argv[1]));
    Eigen::setNbThreads(std::atoi(argv[1]));
    std::vector<Layer> layers;
    std::vector<std::array<Moments, 2>> moments;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        const auto in = widths[i], out = widths[i + 1];
        const float scale = std::sqrt(2.0F / static_cast<float>(in));
        layers.push_back(
            {Matrix::Random(out, in) * scale, Matrix::Zero(out, in), Row::Zero(out), Row::Zero(out), {}, {}});
        moments.push_back({Moments{gacc::Buffer<float>(out * in), gacc::Buffer<float>(out * in)},
                           Moments{gacc::Buffer<float>(out), gacc::Buffer<float>(out)}});
    }
    Matrix inputs = Matrix::Random(2048, widths[0]);
    std::vector<gacc::Label> labels(2048);
    for (std::size_t i = 0; i < labels.size(); ++i) { labels[i] = static_cast<gacc::Label>(i * 7 % 10); }
    gacc::SoftmaxCrossEntropy loss;
    std::vector<gacc::detail::AdamArrays<float>> arrays;
    double steps = 0;

    return serve([&](long batch, long micro_batch) {
        for (long begin = 0; begin < batch; begin += micro_batch) {
            const auto x0 = inputs.middleRows(begin, micro_batch);
            for (std::size_t i = 0; i < layers.size(); ++i) {
                Layer& layer = layers[i];
                layer.y.resize(micro_batch, widths[i + 1]);
                if (i == 0) {
                    layer.y.noalias() = x0 * layer.weight.transpose();
                } else {
                    layer.y.noalias() = layers[i - 1].y * layer.weight.transpose();
                }
                layer.y.rowwise() += layer.bias;
                if (i + 1 < layers.size()) { layer.y = layer.y.cwiseMax(0.0F); }
            }
            loss.forward(layers.back().y, std::span(labels).subspan(static_cast<std::size_t>(begin),
                                                                    static_cast<std::size_t>(micro_batch)));
            layers.back().grad_y = loss.backward().grad;
            for (std::size_t i = layers.size(); i-- > 0;) {
                Layer& layer = layers[i];
                if (i > 0) {
                    layer.grad_weight.noalias() += layer.grad_y.transpose() * layers[i - 1].y;
                } else {
                    layer.grad_weight.noalias() += layer.grad_y.transpose() * x0;
                }
                layer.grad_bias += layer.grad_y.colwise().sum();
                if (i > 0) {
                    Layer& below = layers[i - 1];
                    below.grad_y.resize(micro_batch, widths[i]);
                    below.grad_y.noalias() = layer.grad_y * layer.weight;
                    below.grad_y = (below.y.array() > 0.0F).select(below.grad_y, 0.0F);
                }
            }
        }
        ++steps;
        const gacc::detail::AdamStep<float> adam{1.0F / static_cast<float>(batch),
                                                 0.9F,
                                                 0.999F,
                                                 0.1F,
                                                 0.001F,
                                                 static_cast<float>(1e-3 / (1 - std::pow(0.9, steps))),
                                                 static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, steps))),
                                                 1e-8F};
        arrays.clear();
        for (std::size_t i = 0; i < layers.size(); ++i) {
            Layer& layer = layers[i];
            // What is no whole packet is too little to matter here.
            const auto packets = [](long size) { return size / gacc::detail::Simd<float>::lanes; };
            auto& [weight, bias] = moments[i];
            arrays.push_back({layer.weight.data(), layer.grad_weight.data(), weight.m.data(), weight.v.data(),
                              packets(layer.weight.size())});
            arrays.push_back(
                {layer.bias.data(), layer.grad_bias.data(), bias.m.data(), bias.v.data(), packets(layer.bias.size())});
        }
        gacc::detail::adam_update<float>(adam, arrays);
        for (Layer& layer : layers) {
            layer.grad_weight.setZero();
            layer.grad_bias.setZero();
        }
    });
}
