#pragma once

#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// Models of random layers, branches and shapes, and what they are trained with.
namespace gacc::test {

/// A random convolution that keeps the tokens of a sequence, or the height and width of an image.
template <class S>
Block<S> random_convolution(Rng& rng, const Shape& shape, Index& out) {
    const Index in = shape.back();
    const bool bias = rng.below(2) == 0, depthwise = rng.below(3) == 0;
    out = depthwise ? in : 1 + static_cast<Index>(rng.below(24));
    const Index groups = depthwise ? in : in % 2 == 0 && out % 2 == 0 && rng.below(2) == 0 ? 2 : 1;
    const Index reach = rng.below(3) == 0 ? 0 : 1, dilation = 1 + static_cast<Index>(rng.below(2));
    const Index kernel = 2 * reach + 1, padding = reach * dilation;
    if (shape.size() == 2) {
        return Conv1d<S>(
            in, out, {.kernel = kernel, .padding = padding, .dilation = dilation, .groups = groups, .bias = bias});
    }
    if (rng.below(3) == 0) {
        return ConvTranspose2d<S>(
            in, out, {.kernel = kernel, .padding = padding, .dilation = dilation, .groups = groups, .bias = bias});
    }
    return Conv2d<S>(in, out,
                     {.kernel = kernel, .padding = padding, .dilation = dilation, .groups = groups, .bias = bias});
}

/// Random attention that keeps the shape of a sequence, perhaps with padding if the model's inputs are its tokens.
template <class S>
Block<S> random_attention_block(Rng& rng, Index width, bool of_tokens) {
    SelfAttentionOptions options{.bias = rng.below(2) == 0, .dropout = rng.below(3) == 0 ? 0.3 : 0};
    if (width % 3 == 0) { options.heads = 3; }
    if (width % 2 == 0 && rng.below(2) == 0) { options.heads = 2; }
    if (width / options.heads % 2 == 0 && rng.below(2) == 0) { options.rotary_positions = 64; }
    if (of_tokens && width % 4 != 0) { options.padding_token = width % 7; }
    return rng.below(2) == 0 ? CausalSelfAttention<S>(width, options) : SelfAttention<S>(width, options);
}

/// A random layer for samples of this shape, in a model whose inputs are so many tokens (0: are no tokens). It sets the
/// number of features of its output.
template <class S>
Block<S> random_layer(Rng& rng, const Shape& shape, Index& out, Index tokens) {
    const Index in = shape.back();
    out = in;
    if (shape.size() > 1 && rng.below(3) == 0) { return random_convolution<S>(rng, shape, out); }
    switch (rng.below(16)) {
        case 0: return ReLU<S>();
        case 1: return Tanh<S>();
        case 2: return Sigmoid<S>();
        case 3: return LeakyReLU<S>();
        case 4: return ELU<S>();
        case 5: return GELU<S>();
        case 6: return GELU<S>({.approximation = Approximation::tanh});
        case 7: return SiLU<S>();
        case 8: return Softplus<S>();
        case 9: return Dropout<S>(0.3);
        case 10: return LayerNorm<S>(in);
        case 11: return RMSNorm<S>(in);
        case 12: return GroupNorm<S>(in % 2 == 0 ? 2 : 1, in);
        case 13:
            if (shape.size() == 2) { return PositionEmbedding<S>(shape[0], in); }
            [[fallthrough]];
        case 14:
            if (shape.size() == 2) { return random_attention_block<S>(rng, in, shape[0] == tokens); }
            [[fallthrough]];
        default:
            out = 1 + static_cast<Index>(rng.below(24));
            return Linear<S>(in, out, {.bias = rng.below(2) == 0});
    }
}

/// A random layer that changes the height and width of an image, and perhaps its channels.
template <class S>
Block<S> random_pool(Rng& rng, const Shape& image) {
    const auto up_to = [&](Index most) { return 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(most))); };
    const Size2d kernel{up_to(std::min<Index>(image[0], 3)), up_to(std::min<Index>(image[1], 3))};
    const Size2d stride{up_to(3), up_to(3)};
    const Index channels = image[2], others = up_to(20);
    switch (rng.below(6)) {
        case 0: return MaxPool2d<S>(kernel);
        case 1: return MaxPool2d<S>(kernel, {.stride = stride, .padding = {kernel.height / 2, kernel.width / 2}});
        case 2: return AveragePool2d<S>(kernel, {.stride = stride, .padding = {kernel.height / 2, 0}});
        case 3: return Conv2d<S>(channels, others, {.kernel = kernel, .stride = stride, .padding = {0, 1}});
        case 4: return ConvTranspose2d<S>(channels, others, {.kernel = {3, 2}, .stride = {2, 1}, .padding = {1, 0}});
        default: return Upsample<S>({2, 1});
    }
}

/// A random layer or block, nested up to `depth`, in a model whose inputs are so many tokens (0: are no tokens).
template <class S>
Block<S> random_block(Rng& rng, Shape shape, int depth, Index& out, Index tokens = 0) {
    const Index in = shape.back();
    const auto next = [&](Index features) {
        shape.back() = features;
        Index made = 0;
        auto block = random_block<S>(rng, shape, depth - 1, made, tokens);
        out = made;
        return block;
    };
    switch (depth > 0 ? rng.below(8) : 0) {
        case 1: {
            auto first = next(in), second = next(out);
            Linear<S> last(out, in);
            out = in;
            return Residual(first, second, last);
        }
        case 2: {
            auto branch = next(in);
            return Residual(Shortcut(Linear<S>(in, out)), branch);
        }
        case 3: {
            auto first = next(in), second = next(out);
            const Index a = out;
            auto other = next(in);
            out = a + out + in;
            return Concat(Chain(first, second), other, Tanh<S>());
        }
        case 4: {
            auto first = next(in), second = next(out);
            return Chain(first, second);
        }
        default: return random_layer<S>(rng, shape, out, tokens);
    }
}

template <class S>
FrozenBatchNorm<S> random_frozen_norm(Rng& rng, Index features) {
    std::vector<double> statistics[4];  // weight, bias, mean, variance
    for (std::size_t i = 0; i < 4; ++i) {
        for (Index j = 0; j < features; ++j) { statistics[i].push_back(rng.uniform(i == 3 ? 0.5 : -1.0, 2.0)); }
    }
    return FrozenBatchNorm<S>(statistics[0], statistics[1], statistics[2], statistics[3]);
}

/// Adds two Linear layers with one matrix, which keep the shape.
template <class S>
void add_sharing(Sequential<S>& model, Index features) {
    const std::string weight = std::to_string(model.size()) + ".weight";
    model.add(Linear<S>(features, features));
    model.add(Tanh<S>());
    model.add(Linear<S>(features, features, {.bias = false, .shares = weight}));
}

/// Adds a head that uses the matrix of the Embedding with which the model begins. Returns the number of its outputs.
template <class S>
Index add_tied_head(Sequential<S>& model, Index features) {
    const Shape matrix = model.parameters()[0].shape();
    Sequential<S> longer = model;  // a model whose parameters were asked for takes no more layers
    model = std::move(longer);
    model.add(Linear<S>(features, matrix[1]));
    model.add(Linear<S>(matrix[1], matrix[0], {.bias = false, .shares = "0.weight"}));
    return matrix[0];
}

/// Freezes nothing, all below some layer, or any parameters; never the last layer.
template <class S>
void freeze_some(Sequential<S>& model, Rng& rng) {
    const auto layer = [](const auto& parameter) { return std::stoul(parameter.name()); };
    const std::size_t last = model.size() - 1;
    const auto below = static_cast<std::size_t>(rng.below(model.size()));
    switch (rng.below(4)) {
        case 0: return model.freeze([&](const auto& of) { return layer(of) < below; });
        case 1: return model.freeze([&](const auto& of) { return layer(of) < last && rng.below(3) == 0; });
        default: return;
    }
}

/// One of gacc's optimizers, with or without clipping, momentum and groups.
template <class S>
std::unique_ptr<Optimizer<S>> random_optimizer(std::uint64_t seed, const Parameters<S>& parameters) {
    const auto grouped = [](auto optimizer) {
        bool any = false;
        for (const auto& parameter : optimizer->parameters()) { any = any || vectors(parameter); }
        if (any) { optimizer->group(vectors, {.learning_rate = 5e-4, .weight_decay = 0}); }
        return optimizer;
    };
    switch (seed % 11) {
        case 0: return std::make_unique<SGD<S>>(parameters, SGDOptions{.learning_rate = 1e-4});
        case 1:
            return std::make_unique<SGD<S>>(
                parameters, SGDOptions{.learning_rate = 1e-2, .momentum = 0.9, .nesterov = true, .clip_norm = 0.5});
        case 2:
            return grouped(std::make_unique<SGD<S>>(
                parameters, SGDOptions{.learning_rate = 1e-2, .momentum = 0.9, .weight_decay = 0.1, .clip_norm = 0.5}));
        case 3:
            return std::make_unique<Adam<S>>(
                parameters, AdamOptions{.clip_norm = 0.5,
                                        .moments = std::is_same_v<S, float> && seed % 22 == 3 ? MomentFormat::bfloat16
                                                                                              : MomentFormat::full});
        case 4: return grouped(std::make_unique<AdamW<S>>(parameters, AdamWOptions{.clip_norm = 0.5}));
        case 5: return std::make_unique<Lion<S>>(parameters, LionOptions{.weight_decay = 0.1});
        case 6:
            return grouped(std::make_unique<RMSprop<S>>(
                parameters, RMSpropOptions{.momentum = 0.5, .centered = true, .clip_norm = 0.5}));
        case 7: return grouped(std::make_unique<NAdam<S>>(parameters, NAdamOptions{.clip_norm = 0.5}));
        case 8: return grouped(std::make_unique<Adafactor<S>>(parameters, AdafactorOptions{.clip_norm = 0.5}));
        case 9: return std::make_unique<Muon<S>>(parameters, MuonOptions{.clip_norm = 0.5});
        default: return std::make_unique<Adam<S>>(parameters);
    }
}

/// Training data: inputs, and labels or targets for every row of the outputs. Some are ignored, and some have weights.
template <class S>
struct RandomTraining {
    Matrix<S> inputs, targets;
    std::vector<Label> labels;
    std::vector<S> weights;  // empty: all are 1
    Index rows = 1;  // of a sample of the outputs
    std::uint64_t loss = 0;
    bool from_features = false;  // whether the loss computes the outputs

    bool has_labels() const { return loss >= 3; }
};

/// Without first values.
template <class S>
Sequential<S> random_layers(Rng& rng) {
    Sequential<S> model;
    Shape shape{1 + static_cast<Index>(rng.below(20))};
    if (rng.below(3) == 0) { shape.insert(shape.begin(), 1 + static_cast<Index>(rng.below(5))); }
    const bool embedded = rng.below(4) == 0;
    const Index tokens = embedded ? shape[0] : 0;
    if (embedded) {
        model.add(Input(shape[0]));
        shape = {shape[0], 1 + static_cast<Index>(rng.below(20))};
        model.add(Embedding<S>(7, shape[1]));
        if (shape[0] > 10) { model.add(random_attention_block<S>(rng, shape[1], true)); }
    } else if (shape.size() == 2 && rng.below(2) == 0) {
        shape.insert(shape.begin(), 1 + static_cast<Index>(rng.below(4)));
        model.add(Input(shape));
    } else {
        model.add(Input(shape));
    }
    for (std::uint64_t depth = 1 + rng.below(12); depth > 0; --depth) {
        Index out = 0;
        model.add(random_block<S>(rng, shape, 2, out, tokens));
        shape.back() = out;
        if (rng.below(6) == 0) { model.add(random_frozen_norm<S>(rng, out)); }
        if (rng.below(8) == 0) { add_sharing(model, out); }
        if (shape.size() == 3 && shape[0] < 20 && rng.below(3) == 0) {
            auto pool = random_pool<S>(rng, shape);
            shape = pool.layer()->plan(shape).y;
            model.add(std::move(pool));
        } else if (shape.size() == 2 && shape[0] > 2 && rng.below(3) == 0) {
            Conv1d<S> shorter(shape[1], 1 + static_cast<Index>(rng.below(20)), {.kernel = 2, .stride = 2});
            shape = shorter.plan(shape).y;
            model.add(shorter);
        }
    }
    if (shape.size() == 3 && rng.below(2) == 0) {
        model.add(GlobalAveragePool<S>());
        shape = {shape[2]};
    } else if (shape.size() > 1 && rng.below(2) == 0) {
        model.add(Flatten<S>());
        shape = {elements(shape)};
    }
    if (embedded && rng.below(2) == 0) { shape.back() = add_tied_head(model, shape.back()); }
    model.add(Linear<S>(shape.back(), 4));
    freeze_some(model, rng);
    return model;
}

template <class S>
Sequential<S> random_model(std::uint64_t seed) {
    Rng rng(seed);
    auto model = random_layers<S>(rng);
    model.initialize(rng);
    return model;
}

/// Ignores some targets, and gives rows weights, sometimes.
template <class S>
void leave_out_some(RandomTraining<S>& training, Rng& rng) {
    const bool ignores = rng.below(2) == 0, weighs = rng.below(2) == 0;
    for (Index i = 0; i < training.targets.rows(); ++i) {
        if (ignores && rng.below(5) == 0) {
            training.targets(i, static_cast<Index>(rng.below(4))) = std::numeric_limits<S>::quiet_NaN();
            training.labels[static_cast<std::size_t>(i)] = -100;
        }
        if (weighs) { training.weights.push_back(rng.below(5) == 0 ? S(0) : static_cast<S>(rng.uniform(0.5, 2))); }
    }
}

template <class S>
RandomTraining<S> random_training(const Sequential<S>& model, Index samples, Rng& rng) {
    RandomTraining<S> training;
    training.rows = rows_of(model.output_shape());
    training.loss = rng.below(5);
    training.inputs = Matrix<S>(samples, model.in_features());
    for (Index i = 0; i < training.inputs.size(); ++i) { training.inputs.data()[i] = static_cast<S>(rng.below(7)); }
    training.targets = random_matrix<S>(rng, samples * training.rows, 4, 0, 1);
    for (Index i = 0; i < training.targets.rows(); ++i) { training.labels.push_back(static_cast<Label>(rng.below(4))); }
    leave_out_some(training, rng);
    return training;
}

/// f(loss, forward) with the training's loss; forward(loss, model, first, count) calls it for `count` samples from
/// `first` on, with their targets and weights.
template <class S, class F>
auto with_loss(const RandomTraining<S>& training, const F& f) {
    const auto forward_with = [&](const auto& targets_of) {
        return [&](auto& loss, Sequential<S>& model, Index first, Index count) {
            const Index row = first * training.rows, rows = count * training.rows;
            const auto all = std::span(training.weights);
            const auto weights =
                all.empty() ? all : all.subspan(static_cast<std::size_t>(row), static_cast<std::size_t>(rows));
            return loss.forward(gacc::detail::forward_for(loss, model, training.inputs.middleRows(first, count)),
                                targets_of(row, rows), weights);
        };
    };
    const auto labels = [&](Index first, Index count) {
        return std::span(training.labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    };
    const auto targets = [&](Index first, Index count) { return training.targets.middleRows(first, count); };
    if (training.from_features) {
        return f(LinearCrossEntropy<S>({.label_smoothing = training.loss == 3 ? 0 : 0.1}), forward_with(labels));
    }
    switch (training.loss) {
        case 0: return f(MeanSquaredError<S>({.ignore_nan = true}), forward_with(targets));
        case 1: return f(Huber<S>({.ignore_nan = true}), forward_with(targets));
        case 2: return f(BinaryCrossEntropy<S>({.ignore_nan = true}), forward_with(targets));
        case 3: return f(SoftmaxCrossEntropy<S>(), forward_with(labels));
        default: return f(SoftmaxCrossEntropy<S>({.label_smoothing = 0.1}), forward_with(labels));
    }
}

}  // namespace gacc::test
