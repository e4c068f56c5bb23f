#pragma once

#include <gacc/gacc.hpp>

#include <stdexcept>
#include <string>

#include "../../examples/gpt.hpp"

/// A network that all peers train, and the floating-point operations of the forward and backward products of one sample
/// (the first layer has no grad_x).
struct Network {
    gacc::Sequential<float> model;
    gacc::Shape input;
    double flops = 0;
    gacc::Index tokens = 0;  // of a sample; 0: samples are images
    double scores = 0;       // of a sample's attention, whose exponentials are computed once at least
};

/// PyTorch's example for MNIST, without dropout.
inline Network mnist() {
    gacc::Sequential model(gacc::Input(28, 28, 1), gacc::Conv2d(1, 32, {.kernel = 3}), gacc::ReLU(),
                           gacc::Conv2d(32, 64, {.kernel = 3}), gacc::ReLU(), gacc::MaxPool2d(2), gacc::Flatten(),
                           gacc::Linear(9216, 128), gacc::ReLU(), gacc::Linear(128, 10));
    const double first = 26 * 26 * 9 * 32, second = 24 * 24 * 288 * 64, linear = 9216 * 128 + 128 * 10;
    return {std::move(model), {28, 28, 1}, 2 * (2 * first + 3 * (second + linear))};
}

/// ResNet-20 for images of 32 x 32 (He et al. 2015, arXiv:1512.03385, section 4.2), with GroupNorm of 8 groups.
inline Network resnet20() {
    Network net{{}, {32, 32, 3}};
    const auto conv = [&](gacc::Index in, gacc::Index out, gacc::Index stride, gacc::Index size) {
        net.flops += 6.0 * 9 * static_cast<double>(in * out * size * size);
        return gacc::Conv2d(in, out, {.kernel = 3, .stride = stride, .padding = 1, .bias = false});
    };
    net.model.add(gacc::Input(32, 32, 3));
    net.model.add(conv(3, 16, 1, 32));
    net.flops *= 2.0 / 3;
    net.model.add(gacc::GroupNorm(8, 16));
    net.model.add(gacc::ReLU());
    gacc::Index in = 16, size = 32;
    for (const gacc::Index out : {16, 32, 64}) {
        for (int block = 0; block < 3; ++block) {
            const gacc::Index stride = out > in ? 2 : 1;
            size /= stride;
            const auto first = conv(in, out, stride, size), second = conv(out, out, 1, size);
            if (stride == 1) {
                net.model.add(gacc::Residual(first, gacc::GroupNorm(8, out), gacc::ReLU(), second,
                                             gacc::GroupNorm(8, out)));
            } else {
                net.flops += 6.0 * static_cast<double>(in * out * size * size);
                net.model.add(gacc::Residual(
                    gacc::Shortcut(gacc::Conv2d(in, out, {.kernel = 1, .stride = 2, .bias = false}),
                                   gacc::GroupNorm(8, out)),
                    first, gacc::GroupNorm(8, out), gacc::ReLU(), second, gacc::GroupNorm(8, out)));
            }
            net.model.add(gacc::ReLU());
            in = out;
        }
    }
    net.model.add(gacc::GlobalAveragePool());
    net.model.add(gacc::Linear(64, 10));
    net.flops += 6 * 64 * 10;
    return net;
}

constexpr gacc::Index gpt_characters = 65;

/// The network of gacc-text. A Linear has three products. Attention has two forward and five backward, where scores are
/// computed again; half of the pairs of tokens count.
inline Network gpt_network(const GptOptions& options) {
    Network net{gpt(gpt_characters, options), {options.tokens}};
    const auto tokens = static_cast<double>(options.tokens), width = static_cast<double>(options.width);
    const auto layers = static_cast<double>(options.layers), pairs = tokens * (tokens + 1) / 2;
    net.flops = 6 * tokens * (layers * 12 * width * width + width * gpt_characters) + layers * 7 * 2 * pairs * width;
    net.tokens = options.tokens;
    net.scores = layers * static_cast<double>(options.heads) * pairs;
    return net;
}

/// mnist, resnet20, gpt (nanoGPT's for the CPU) or gpt_larger (10.7 million parameters)
inline Network network(const std::string& name) {
    if (name == "mnist") { return mnist(); }
    if (name == "resnet20") { return resnet20(); }
    if (name == "gpt") { return gpt_network({}); }
    if (name == "gpt_larger") { return gpt_network({.tokens = 256, .layers = 6, .heads = 6, .width = 384}); }
    throw std::invalid_argument("networks: expected mnist, resnet20, gpt or gpt_larger, got " + name);
}
