#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace random_graphs_test {

using namespace gacc::test;
using gacc::Chain;
using gacc::Concat;
using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Residual;
using gacc::Sequential;
using gacc::Shape;
using gacc::Shortcut;
using gacc::memory::Kind;

namespace {

/// A layer for samples of this shape; says the features that it makes.
template <class S>
gacc::Block<S> random_layer(gacc::Rng& rng, const Shape& shape, Index& out) {
    const Index in = shape.back();
    out = in;
    switch (rng.below(16)) {
        case 0: return gacc::ReLU<S>();
        case 1: return gacc::Tanh<S>();
        case 2: return gacc::Sigmoid<S>();
        case 3: return gacc::LeakyReLU<S>();
        case 4: return gacc::ELU<S>();
        case 5: return gacc::GELU<S>();
        case 6: return gacc::GELU<S>({.approximation = gacc::Approximation::tanh});
        case 7: return gacc::SiLU<S>();
        case 8: return gacc::Softplus<S>();
        case 9: return gacc::Dropout<S>(0.3);
        case 10: return gacc::LayerNorm<S>(in);
        case 11: return gacc::RMSNorm<S>(in);
        case 12: return gacc::GroupNorm<S>(in % 2 == 0 ? 2 : 1, in);
        case 13:
            if (shape.size() == 2) { return gacc::PositionEmbedding<S>(shape[0], in); }
            [[fallthrough]];
        default:
            out = 1 + static_cast<Index>(rng.below(24));
            return gacc::Linear<S>(in, out, {.bias = rng.below(2) == 0});
    }
}

/// A layer, or layers put together, at most so deep.
template <class S>
gacc::Block<S> random_block(gacc::Rng& rng, Shape shape, int depth, Index& out) {
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
            gacc::Linear<S> last(out, in);
            out = in;
            return Residual(first, second, last);
        }
        case 2: {
            auto branch = next(in);
            return Residual(Shortcut(gacc::Linear<S>(in, out)), branch);
        }
        case 3: {
            auto first = next(in), second = next(out);
            const Index a = out;
            auto other = next(in);
            out = a + out + in;
            return Concat(Chain(first, second), other, gacc::Tanh<S>());
        }
        case 4: {
            auto first = next(in), second = next(out);
            return Chain(first, second);
        }
        default: return random_layer<S>(rng, shape, out);
    }
}

/// What a model is trained with: inputs, and labels or targets for every row of its outputs.
template <class S>
struct Training {
    Matrix<S> inputs, targets;
    std::vector<Label> labels;
    Index rows = 1;  // of a sample of the outputs
    std::uint64_t loss = 0;
};

template <class S>
Sequential<S> random_model(std::uint64_t seed) {
    gacc::Rng rng(seed);
    Sequential<S> model;
    Shape shape{1 + static_cast<Index>(rng.below(20))};
    if (rng.below(3) == 0) { shape.insert(shape.begin(), 1 + static_cast<Index>(rng.below(5))); }
    if (rng.below(4) == 0) {
        model.add(gacc::Input(shape[0]));
        shape = {shape[0], 1 + static_cast<Index>(rng.below(20))};
        model.add(gacc::Embedding<S>(7, shape[1]));
    } else {
        model.add(gacc::Input(shape));
    }
    for (std::uint64_t depth = 1 + rng.below(12); depth > 0; --depth) {
        Index out = 0;
        model.add(random_block<S>(rng, shape, 2, out));
        shape.back() = out;
    }
    if (shape.size() == 2 && rng.below(2) == 0) {
        model.add(gacc::Flatten<S>());
        shape = {shape[0] * shape[1]};
    }
    model.add(gacc::Linear<S>(shape.back(), 4));
    model.initialize(rng);
    return model;
}

template <class S>
Training<S> random_training(const Sequential<S>& model, Index samples, gacc::Rng& rng) {
    Training<S> training;
    training.rows = gacc::rows_of(model.output_shape());
    training.loss = rng.below(4);
    training.inputs = Matrix<S>(samples, model.in_features());
    for (Index i = 0; i < training.inputs.size(); ++i) { training.inputs.data()[i] = static_cast<S>(rng.below(7)); }
    training.targets = random_matrix<S>(rng, samples * training.rows, 4, 0, 1);
    for (Index i = 0; i < training.targets.rows(); ++i) { training.labels.push_back(static_cast<Label>(rng.below(4))); }
    return training;
}

/// Three batches of all samples, cut; losses, values and the tally as bytes. `loss` is any that has forward(outputs, targets).
template <class S, class Loss, class Targets>
std::vector<std::byte> trained(Sequential<S> model, const Training<S>& training, Index micro_batch, Loss loss,
                               const Targets& targets_of, const gacc::PlanOptions* options) {
    gacc::Adam<S> adam(model.parameters());
    const Index samples = training.inputs.rows();
    std::vector<std::byte> bytes;
    const auto before = gacc::memory::live();
    gacc::memory::forget_peak();
    gacc::Plan plan;
    if (options != nullptr) { plan = gacc::plan(*options, model, loss, adam); }
    for (int step = 0; step < 3; ++step) {
        double sum = 0;
        for (Index first = 0; first < samples; first += micro_batch) {
            const Index count = std::min(micro_batch, samples - first);
            const auto value = loss.forward(model.forward(training.inputs.middleRows(first, count)),
                                            targets_of(first * training.rows, count * training.rows));
            for (const S number : value.losses) { sum += static_cast<double>(number); }
            model.backward(loss.backward());
        }
        append_bytes(bytes, &sum, 1);
        adam.step();
        adam.zero_grad();
    }
    if (options != nullptr) {
        for (const Kind kind : {Kind::activations, Kind::scratch}) {
            CHECK(gacc::memory::peak()[kind] - before[kind] == plan.bytes[kind]);
        }
    }
    const auto values = values_of(model.parameters());
    bytes.insert(bytes.end(), values.begin(), values.end());
    return bytes;
}

template <class S>
std::vector<std::byte> trained(const Sequential<S>& model, const Training<S>& training, Index micro_batch,
                               const gacc::PlanOptions* options = nullptr) {
    const auto labels = [&](Index first, Index count) {
        return std::span(training.labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    };
    const auto targets = [&](Index first, Index count) { return training.targets.middleRows(first, count); };
    switch (training.loss) {
        case 0: return trained(model, training, micro_batch, gacc::MeanSquaredError<S>(), targets, options);
        case 1: return trained(model, training, micro_batch, gacc::Huber<S>(), targets, options);
        case 2: return trained(model, training, micro_batch, gacc::BinaryCrossEntropy<S>(), targets, options);
        default:
            return trained(model, training, micro_batch, gacc::SoftmaxCrossEntropy<S>({.label_smoothing = 0.1}), labels,
                           options);
    }
}

template <class S>
void check_random_models(std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        CAPTURE(seed);
        gacc::Rng rng(seed);
        const auto model = random_model<S>(seed);
        const Index samples = seed % 10 == 0 ? 200 : 1 + static_cast<Index>(rng.below(20));
        const auto training = random_training(model, samples, rng);
        const auto whole = trained(model, training, samples);
        gacc::set_threads(1 + static_cast<int>(seed % 4));
        const Index micro_batch = 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(samples)));
        CHECK(trained(model, training, micro_batch) == whole);
        for (const auto recomputation : {gacc::Recomputation::never, gacc::Recomputation::always}) {
            const gacc::PlanOptions options{
                .batch_size = samples, .micro_batch = micro_batch, .recomputation = recomputation};
            auto planned = model;
            gacc::Adam<S> adam(planned.parameters());
            const Index cut = gacc::plan(options, planned, gacc::SoftmaxCrossEntropy<S>(), adam).micro_batch;
            CHECK(trained(model, training, cut, &options) == whole);
        }
        gacc::set_threads(0);
    }
}

}  // namespace

TEST_CASE("Sequential: 1,000 random models give the same bytes for every cut, threads, kept and computed again") {
    check_random_models<float>(0, 1000);
}

TEST_CASE("Sequential: 200 random models do so in double") { check_random_models<double>(5000, 200); }

}  // namespace random_graphs_test
