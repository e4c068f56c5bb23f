#pragma once

#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

/// Models of random layers, branches and shapes, and what they are trained with.
namespace gacc::test {

/// A random layer for samples of this shape. It sets the number of features of its output.
template <class S>
Block<S> random_layer(Rng& rng, const Shape& shape, Index& out) {
    const Index in = shape.back();
    out = in;
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
        default:
            out = 1 + static_cast<Index>(rng.below(24));
            return Linear<S>(in, out, {.bias = rng.below(2) == 0});
    }
}

/// A random layer that changes the height and width of an image.
template <class S>
Block<S> random_pool(Rng& rng, const Shape& image) {
    const auto up_to = [&](Index most) { return 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(most))); };
    const Size2d kernel{up_to(std::min<Index>(image[0], 3)), up_to(std::min<Index>(image[1], 3))};
    const Size2d stride{up_to(3), up_to(3)};
    switch (rng.below(4)) {
        case 0: return MaxPool2d<S>(kernel);
        case 1: return MaxPool2d<S>(kernel, {.stride = stride, .padding = {kernel.height / 2, kernel.width / 2}});
        case 2: return AveragePool2d<S>(kernel, {.stride = stride, .padding = {kernel.height / 2, 0}});
        default: return Upsample<S>({2, 1});
    }
}

/// A random layer or block, nested up to `depth`.
template <class S>
Block<S> random_block(Rng& rng, Shape shape, int depth, Index& out) {
    const Index in = shape.back();
    const auto next = [&](Index features) {
        shape.back() = features;
        Index made = 0;
        auto block = random_block<S>(rng, shape, depth - 1, made);
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
        default: return random_layer<S>(rng, shape, out);
    }
}

/// Training data: inputs, and labels or targets for every row of the outputs.
template <class S>
struct RandomTraining {
    Matrix<S> inputs, targets;
    std::vector<Label> labels;
    Index rows = 1;  // of a sample of the outputs
    std::uint64_t loss = 0;
};

/// Without first values.
template <class S>
Sequential<S> random_layers(Rng& rng) {
    Sequential<S> model;
    Shape shape{1 + static_cast<Index>(rng.below(20))};
    if (rng.below(3) == 0) { shape.insert(shape.begin(), 1 + static_cast<Index>(rng.below(5))); }
    if (rng.below(4) == 0) {
        model.add(Input(shape[0]));
        shape = {shape[0], 1 + static_cast<Index>(rng.below(20))};
        model.add(Embedding<S>(7, shape[1]));
    } else if (shape.size() == 2 && rng.below(2) == 0) {
        shape.insert(shape.begin(), 1 + static_cast<Index>(rng.below(4)));
        model.add(Input(shape));
    } else {
        model.add(Input(shape));
    }
    for (std::uint64_t depth = 1 + rng.below(12); depth > 0; --depth) {
        Index out = 0;
        model.add(random_block<S>(rng, shape, 2, out));
        shape.back() = out;
        if (shape.size() == 3 && shape[0] < 20 && rng.below(3) == 0) {
            auto pool = random_pool<S>(rng, shape);
            shape = pool.layer()->plan(shape).y;
            model.add(std::move(pool));
        }
    }
    if (shape.size() == 3 && rng.below(2) == 0) {
        model.add(GlobalAveragePool<S>());
        shape = {shape[2]};
    } else if (shape.size() > 1 && rng.below(2) == 0) {
        model.add(Flatten<S>());
        shape = {elements(shape)};
    }
    model.add(Linear<S>(shape.back(), 4));
    return model;
}

template <class S>
Sequential<S> random_model(std::uint64_t seed) {
    Rng rng(seed);
    auto model = random_layers<S>(rng);
    model.initialize(rng);
    return model;
}

template <class S>
RandomTraining<S> random_training(const Sequential<S>& model, Index samples, Rng& rng) {
    RandomTraining<S> training;
    training.rows = rows_of(model.output_shape());
    training.loss = rng.below(4);
    training.inputs = Matrix<S>(samples, model.in_features());
    for (Index i = 0; i < training.inputs.size(); ++i) { training.inputs.data()[i] = static_cast<S>(rng.below(7)); }
    training.targets = random_matrix<S>(rng, samples * training.rows, 4, 0, 1);
    for (Index i = 0; i < training.targets.rows(); ++i) { training.labels.push_back(static_cast<Label>(rng.below(4))); }
    return training;
}

/// f(loss, targets_of) with the training's loss, and targets_of(first, count) its targets for these rows.
template <class S, class F>
auto with_loss(const RandomTraining<S>& training, const F& f) {
    const auto labels = [&](Index first, Index count) {
        return std::span(training.labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    };
    const auto targets = [&](Index first, Index count) { return training.targets.middleRows(first, count); };
    switch (training.loss) {
        case 0: return f(MeanSquaredError<S>(), targets);
        case 1: return f(Huber<S>(), targets);
        case 2: return f(BinaryCrossEntropy<S>(), targets);
        default: return f(SoftmaxCrossEntropy<S>({.label_smoothing = 0.1}), labels);
    }
}

}  // namespace gacc::test
