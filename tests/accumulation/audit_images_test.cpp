#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

// The audit of models with convolutions and pools: what users call to check layers of their own.
namespace audit_images_test {

using namespace gacc::test;
using gacc::Block;
using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Sequential;
using gacc::Shape;
using gacc::Size2d;

namespace {

/// Images of 6 x 5 x 6 or sequences of 9 x 6; the layer between two others.
template <class S>
Sequential<S> with(const Block<S>& layer, bool sequence) {
    Sequential<S> model;
    model.add(gacc::Input(sequence ? Shape{9, 6} : Shape{6, 5, 6}));
    model.add(gacc::Linear<S>(6, 6));
    model.add(layer);
    model.add(gacc::Flatten<S>());
    model.add(gacc::Linear<S>(gacc::elements(model.output_shape()), 3));
    gacc::Rng rng(1);
    model.initialize(rng);
    return model;
}

/// The layer, and whether its samples are sequences.
template <class S>
struct Case {
    Block<S> layer;
    bool sequence = false;
};

template <class S>
std::vector<Case<S>> layers() {
    using namespace gacc;
    return {{Conv2d<S>(6, 4, {.kernel = 3, .stride = 2, .padding = 1})},
            {Conv2d<S>(6, 20, {.kernel = {2, 3}, .dilation = {2, 1}, .groups = 2})},
            {Conv2d<S>(6, 6, {.kernel = 3, .padding = 1, .groups = 6, .bias = false})},
            {ConvTranspose2d<S>(6, 4, {.kernel = 3, .stride = 2, .padding = 1, .output_padding = 1})},
            {ConvTranspose2d<S>(6, 20, {.kernel = {2, 3}, .dilation = {2, 1}, .groups = 2})},
            {ConvTranspose2d<S>(6, 6, {.kernel = 2, .stride = 2, .groups = 6, .bias = false})},
            {Conv1d<S>(6, 20, {.kernel = 3, .stride = 2, .padding = 1}), true},
            {Conv1d<S>(6, 6, {.kernel = 5, .padding = 2, .groups = 6}), true},
            {MaxPool2d<S>(2)},
            {MaxPool2d<S>(3, {.stride = 2, .padding = 1})},
            {AveragePool2d<S>(2)},
            {AveragePool2d<S>({3, 2}, {.stride = 1, .padding = {1, 0}, .count_padding = false})},
            {GlobalAveragePool<S>()},
            {Upsample<S>(Size2d(2, 3))}};
}

template <class S>
struct Batch {
    Batch(Index samples, Index features) {
        gacc::Rng rng(2);
        inputs = random_matrix<S>(rng, samples, features);
        for (Index i = 0; i < samples; ++i) { labels.push_back(static_cast<Label>(i % 3)); }
    }
    Matrix<S> inputs;
    std::vector<Label> labels;
};

}  // namespace

TEST_CASE("audit: convolutions and pools are the same for every cut, by 1 to 8 threads") {
    gacc::SoftmaxCrossEntropy loss;
    for (const auto& [layer, sequence] : layers<float>()) {
        CAPTURE(layer.description());
        const auto model = with(layer, sequence);
        const Batch<float> batch(9, model.in_features());
        for (int threads = 1; threads <= 8; ++threads) {
            gacc::set_threads(threads);
            for (Index micro_batch = 1; micro_batch <= 9; ++micro_batch) {
                const auto audit = gacc::audit(model, loss, batch.inputs, batch.labels, micro_batch);
                CAPTURE(audit.description());
                CHECK(audit.same());
            }
        }
        gacc::set_threads(0);
    }
}

TEST_CASE("check_gradients: convolutions and pools have the gradients of their forward passes") {
    gacc::SoftmaxCrossEntropy<double> loss;
    for (const auto& [layer, sequence] : layers<double>()) {
        CAPTURE(layer.description());
        const auto model = with(layer, sequence);
        const Batch<double> batch(3, model.in_features());
        const auto check = gacc::check_gradients(model, loss, batch.inputs, batch.labels);
        CAPTURE(check.description());
        CHECK(check.agree());
    }
}

}  // namespace audit_images_test
