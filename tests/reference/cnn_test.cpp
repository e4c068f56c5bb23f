// Trains a small convolutional network from the same first weights and on the same images as PyTorch did, in double, and
// compares the losses of all steps. The folder cnn holds init.safetensors, data.safetensors and any number of
// trace-*.json.

#include <gacc/gacc.hpp>
#include <gacc/io/safetensors.hpp>
#include <gacc/io/safetensors_file.hpp>
#include <gacc/layers/max_pool2d.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "traces.hpp"

namespace cnn_test {
namespace {

using gacc::Index;
using Conv = gacc::Conv2d<double>;
using Norm = gacc::GroupNorm<double>;
using ReLU = gacc::ReLU<double>;

gacc::Sequential<double> network() {
    return gacc::Sequential(
        gacc::Input(12, 12, 3), Conv(3, 8, {.padding = 1, .bias = false}), Norm(2, 8), ReLU(),
        gacc::Residual(Conv(8, 8, {.padding = 1}), Norm(4, 8), ReLU(), Conv(8, 8, {.padding = 1}), Norm(4, 8)), ReLU(),
        gacc::Residual(gacc::Shortcut(Conv(8, 16, {.kernel = 1, .stride = 2})),
                       Conv(8, 16, {.stride = 2, .padding = 1, .bias = false}), Norm(4, 16), gacc::SiLU<double>(),
                       Conv(16, 16, {.padding = 1})),
        ReLU(), Conv(16, 16, {.padding = 1, .groups = 16}), gacc::MaxPool2d<double>(2),
        Conv(16, 12, {.kernel = {3, 2}}), gacc::Tanh<double>(), gacc::Flatten<double>(), gacc::Linear<double>(24, 7));
}

/// Images with their channels last, a row for each sample.
gacc::Matrix<double> channels_last(const gacc::Tensor<double>& images) {
    const Index samples = images.shape()[0], channels = images.shape()[1], pixels = images.size() / samples / channels;
    gacc::Matrix<double> rows(samples, pixels * channels);
    for (Index i = 0; i < samples; ++i) {
        for (Index c = 0; c < channels; ++c) {
            for (Index p = 0; p < pixels; ++p) {
                rows(i, p * channels + c) = images.data()[(i * channels + c) * pixels + p];
            }
        }
    }
    return rows;
}

/// The mean loss of each batch, before its step.
std::vector<double> train(const std::filesystem::path& folder, std::size_t steps, Index batch, Index cuts,
                          double learning_rate) {
    const gacc::SafetensorsFile file(folder / "data.safetensors");
    const gacc::Matrix<double> images = channels_last(file.tensor<double>("images"));
    std::vector<gacc::Label> labels;
    const auto stored = file.tensor<std::int64_t>("labels");
    for (Index i = 0; i < stored.size(); ++i) { labels.push_back(static_cast<gacc::Label>(stored.data()[i])); }

    auto model = network();
    gacc::load_safetensors(folder / "init.safetensors", model.parameters());
    gacc::SoftmaxCrossEntropy<double> loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = learning_rate});
    std::vector<double> losses;
    for (Index step = 0; losses.size() < steps; ++step) {
        const Index first = step * batch % images.rows(), count = batch / cuts;
        double total = 0;
        for (Index i = first; i < first + batch; i += count) {
            const auto own = std::span(labels).subspan(static_cast<std::size_t>(i), static_cast<std::size_t>(count));
            total += loss.forward(model.forward(images.middleRows(i, count)), own).mean() / static_cast<double>(cuts);
            model.backward(loss.backward());
        }
        adam.step();
        adam.zero_grad();
        losses.push_back(total);
    }
    return losses;
}

}  // namespace
}  // namespace cnn_test

int reference::cnn(const char* given) {
    const std::filesystem::path data = folder(given, "cnn");
    return compare_traces(data, [&](const Json& trace) {
        const std::vector<double> theirs = trace.at("losses");
        const auto ours = cnn_test::train(data, theirs.size(), trace.at("batch"), trace.at("accumulation_steps"),
                                          trace.at("learning_rate"));
        const double worst = largest_difference(ours, theirs);
        std::printf("largest difference %.1e of %zu losses", worst, theirs.size());
        return theirs.size() >= 10 && worst <= 1e-9;
    });
}
