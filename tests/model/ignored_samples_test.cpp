#include <gacc/model/ignored_samples.hpp>

#include <gacc/layers/dropout.hpp>
#include <gacc/layers/gelu.hpp>
#include <gacc/layers/group_norm.hpp>
#include <gacc/layers/layer_norm.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/position_embedding.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/layers/rms_norm.hpp>
#include <gacc/layers/tanh.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/recomputation.hpp>
#include <gacc/model/sequential.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ignored_samples_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Label;
using gacc::Linear;
using gacc::Matrix;
using gacc::MatrixView;
using gacc::ReLU;
using gacc::Sequential;
using gacc::detail::IgnoredSamples;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();

MatrixView<float> view(Matrix<float>& matrix) {
    return {matrix.data(), matrix.rows(), matrix.cols(), Eigen::OuterStride<>(matrix.cols())};
}

/// y = 1 / x. Its backward reads y, and has no finite result if x is 0.
class Inverse : public gacc::Layer<float> {
public:
    std::string description() const override { return "Inverse"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x.array().inverse(); }
    void backward(gacc::Backward<float> call) override {
        call.grad_x = -call.grad_y.array() * call.y.array() / call.x.array();
    }
};

/// The same, row by row, for samples of any shape.
class InverseByRows : public Inverse {
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x, .by_rows = true}; }
};

/// y = 2 exp(b) x, whose gradient by b is the sum of grad_y * y.
class Gain : public gacc::Layer<float> {
public:
    std::string description() const override { return "Gain"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x * factor(); }
    void backward(gacc::Backward<float> call) override {
        float grad = b_.grad()(0, 0);
        for (Index i = 0; i < call.y.rows(); ++i) { grad += call.grad_y.row(i).dot(call.y.row(i)); }
        b_.set_grad(Matrix<float>::Constant(1, 1, grad));
        if (call.wants_grad_x()) { call.grad_x = call.grad_y * factor(); }
    }
    std::vector<gacc::Parameter<float>*> parameters() override { return {&b_}; }

private:
    float factor() const { return 2 * std::exp(b_.value()(0, 0)); }
    gacc::Parameter<float> b_{"b", {1}};
};

/// The gradients of a batch of `inputs`, cut into micro-batches; samples of weight 0 are ignored.
template <class Model>
std::vector<std::byte> gradients(const Model& make, const Matrix<float>& inputs, const std::vector<float>& weights,
                                 Index micro_batch, bool recompute = false) {
    auto model = make();
    gacc::Rng rng(1);
    model.initialize(rng);
    if (recompute) {
        auto activations = model.activations();
        for (std::size_t i = 0; i + 1 < activations.size(); ++i) { activations[i].kept = i % 2 == 1; }
        model.lay_out(micro_batch, activations);
    }
    gacc::SoftmaxCrossEntropy loss;
    const std::vector<Label> labels(weights.size(), 1);
    for (Index first = 0; first < inputs.rows(); first += micro_batch) {
        const Index count = std::min(micro_batch, inputs.rows() - first);
        const auto from = static_cast<std::size_t>(first), size = static_cast<std::size_t>(count);
        loss.forward(model.forward(inputs.middleRows(first, count)), std::span(labels).subspan(from, size),
                     std::span(weights).subspan(from, size));
        model.backward(loss.backward());
    }
    std::vector<std::byte> bytes;
    for (auto& parameter : model.parameters()) {
        const Matrix<float> grad = parameter.grad();
        CHECK(grad.allFinite());
        append_bytes(bytes, grad.data(), grad.size());
    }
    return bytes;
}

}  // namespace

TEST_CASE("IgnoredSamples: clears the rows of those that weigh nothing and are not finite, and no others") {
    const std::vector<float> weights{1, 1, 0, 0, 1, 0};
    const IgnoredSamples<float> ignored{std::span(weights)};
    Matrix<float> rows{{not_a_number, 1}, {2, not_a_number}, {3, 4}, {not_a_number, not_a_number}, {-infinity, 5}};
    ignored.clear(view(rows), 1, 1);  // of samples 1 to 5
    CHECK(std::isnan(rows(0, 0)));
    CHECK(rows.row(1).isZero(0));
    CHECK(rows(2, 0) == 3);
    CHECK(std::isnan(rows(3, 0)));
    CHECK(rows.row(4).isZero(0));

    IgnoredSamples<float>().clear(view(rows), 0, 1);
    CHECK(std::isnan(rows(0, 0)));
}

TEST_CASE("IgnoredSamples: a sample of several rows is ignored if all of its rows are, and cleared whole") {
    const std::vector<float> weights{0, 0, 0, 1, 0, 0};  // of 3 samples with 2 rows each
    const IgnoredSamples<float> ignored{std::span(weights), 2};
    Matrix<float> rows(9, 1);  // of a value with 3 rows a sample
    rows << 1, not_a_number, 2, 3, not_a_number, 4, 5, 6, 7;
    ignored.clear(view(rows), 0, 3);
    CHECK(rows.topRows(3).isZero(0));
    CHECK(std::isnan(rows(4, 0)));
    CHECK(rows(6, 0) == 5);  // ignored, and finite
}

TEST_CASE("IgnoredSamples: a row of a value that is by rows is ignored alone, and so are the numbers kept for it") {
    const std::vector<float> weights{1, 0, 0, 0, 0, 1};  // of 2 samples with 3 rows each
    const IgnoredSamples<float> ignored{std::span(weights), 3};
    const auto values = [] {
        Matrix<float> rows(6, 2);
        rows << 1, 2, not_a_number, 3, 4, 5, infinity, 6, 7, 8, not_a_number, 9;
        return rows;
    };
    Matrix<float> rows = values(), apart = values(), second = rows.bottomRows(3), kept(2, 6);
    ignored.clear(view(rows), 0, 3);
    CHECK(std::isnan(rows(1, 0)));
    ignored.clear(view(apart), 0, 3, true);
    CHECK(apart.row(1).isZero(0));
    CHECK(apart(2, 1) == 5);  // ignored, and finite
    CHECK(apart.row(3).isZero(0));
    CHECK(std::isnan(apart(5, 0)));
    ignored.clear(view(second), 1, 3, true);
    CHECK(second.row(0).isZero(0));
    CHECK(second(1, 0) == 7);
    CHECK(std::isnan(second(2, 0)));

    kept << 1, 2, infinity, 3, 4, 5, 6, 7, 8, not_a_number, not_a_number, 9;
    ignored.clear_kept(view(kept), 0, true);
    CHECK(kept.row(0) == Matrix<float>{{1, 2, 0, 0, 4, 5}}.row(0));
    CHECK(kept.row(1).head(4) == Matrix<float>{{6, 7, 0, 0}}.row(0));
    CHECK(std::isnan(kept(1, 4)));
}

TEST_CASE("IgnoredSamples: the other rows of a sample are runs too") {
    const std::vector<float> weights{1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1};  // of 4 samples with 3 rows each
    Matrix<float> rows = Matrix<float>::Ones(12, 1);
    rows(1, 0) = rows(7, 0) = rows(10, 0) = not_a_number;
    std::vector<std::vector<Index>> runs;
    IgnoredSamples<float>(std::span(weights), 3)
        .for_others(
            rows, 0, 3, true, [&](Index begin, Index count) { runs.push_back({begin, count}); },
            [&](Index sample, Index begin, Index count) { runs.push_back({sample, begin, count}); });
    CHECK(runs == std::vector<std::vector<Index>>{{0, 0, 1}, {0, 2, 1}, {1, 1}, {3, 0, 1}, {3, 2, 1}});
}

TEST_CASE("IgnoredSamples: the others are the runs between them, or all rows at once") {
    using Runs = std::vector<std::pair<Index, Index>>;
    const auto runs = [](const std::vector<float>& weights, const Matrix<float>& rows) {
        Runs all;
        IgnoredSamples<float>{std::span(weights)}.for_others(
            rows, 0, 1, false, [&](Index begin, Index count) { all.emplace_back(begin, count); },
            [](Index, Index, Index) {});
        return all;
    };
    const Matrix<float> finite{{1}, {2}, {3}, {4}}, middle{{1}, {not_a_number}, {infinity}, {4}},
        ends{{not_a_number}, {2}, {3}, {not_a_number}};
    CHECK(runs({1, 1, 1, 1}, ends) == Runs{{0, 4}});
    CHECK(runs({0, 0, 0, 0}, finite) == Runs{{0, 4}});
    CHECK(runs({1, 0, 0, 1}, middle) == Runs{{0, 1}, {3, 1}});
    CHECK(runs({1, 0, 1, 1}, middle) == Runs{{0, 1}, {2, 2}});
    CHECK(runs({0, 1, 1, 0}, ends) == Runs{{1, 2}});
    CHECK(runs({0, 0}, Matrix<float>{{not_a_number}, {not_a_number}}).empty());
}

TEST_CASE("Sequential: an ignored sample counts for nothing, whatever its inputs hold") {
    const auto perceptron = [] { return Sequential(Linear(5, 7), ReLU(), Linear(7, 6), ReLU(), Linear(6, 4)); };
    const auto mixed = [] { return Sequential(Linear(5, 7), ReLU(), ReLU(), Linear(7, 6), Inverse(), Linear(6, 4)); };
    const auto relu_last = [] { return Sequential(Linear(5, 6), Linear(6, 4), Inverse(), ReLU()); };
    const auto gain_last = [] { return Sequential(Linear(5, 6), Linear(6, 4), Gain()); };
    gacc::Rng rng(2);
    for (const Index samples : {6, 300}) {  // of one block and of three
        Matrix<float> inputs = random_matrix<float>(rng, samples, 5);
        std::vector<float> weights(static_cast<std::size_t>(samples), 1);
        for (const Index i : {Index{0}, Index{2}, Index{3}, samples - 1}) { weights[static_cast<std::size_t>(i)] = 0; }
        for (const float bad : {not_a_number, infinity, -infinity, largest}) {  // the last overflows in a Linear
            Matrix<float> wrong = inputs;
            for (const Index i : {Index{0}, Index{2}, Index{3}, samples - 1}) { wrong.row(i).setConstant(bad); }
            const auto same = [&](const auto& make, Index micro_batch, bool recompute) {
                CAPTURE(samples);
                CAPTURE(bad);
                CAPTURE(micro_batch);
                CAPTURE(recompute);
                CHECK(gradients(make, wrong, weights, micro_batch, recompute) ==
                      gradients(make, inputs, weights, micro_batch, recompute));
            };
            for (const Index micro_batch : {Index{1}, Index{2}, Index{4}, samples}) {
                for (const bool recompute : {false, true}) {
                    same(perceptron, micro_batch, recompute);
                    same(mixed, micro_batch, recompute);
                    same(relu_last, micro_batch, recompute);
                    same(gain_last, micro_batch, recompute);
                }
            }
        }
    }
}

TEST_CASE("Sequential: an ignored token counts for nothing, whatever it holds, in a sample of which others count") {
    using namespace gacc;
    const Index tokens = 5, features = 6, samples = 160;  // of several blocks
    const auto in = [=] { return Input(tokens, features); };
    const std::vector<std::function<Sequential<float>()>> models{
        [=] { return Sequential<float>(in(), Linear(6, 7), gacc::ReLU(), Linear(7, 4)); },
        [=] { return Sequential<float>(in(), LayerNorm(6), Linear(6, 7), RMSNorm(7), Linear(7, 4)); },
        [=] { return Sequential<float>(in(), PositionEmbedding(5, 6), LayerNorm(6), Linear(6, 7), GELU(), Linear(7, 4)); },
        [=] {
            return Sequential<float>(in(), Residual(LayerNorm(6), Linear(6, 6), Tanh()), Dropout(0.2),
                                     Concat(Linear(6, 2), Linear(6, 2)));
        },
        [=] { return Sequential<float>(in(), Linear(6, 4), InverseByRows(), Linear(4, 4)); }};
    gacc::Rng rng(3);
    const Matrix<float> finite = random_matrix<float>(rng, samples, tokens * features);
    std::vector<Label> labels;
    for (Index i = 0; i < samples * tokens; ++i) {
        labels.push_back(rng.below(3) == 0 || i / tokens % 7 == 3 ? Label(-100) : static_cast<Label>(rng.below(4)));
    }
    const auto gradients = [&](const auto& make, const Matrix<float>& inputs, Index micro_batch, bool recompute) {
        auto model = make();
        gacc::Rng same(1);
        model.initialize(same);
        if (recompute) { model.lay_out(micro_batch, least_memory<float>(model.activations(), micro_batch)); }
        SoftmaxCrossEntropy loss;
        for (Index first = 0; first < samples; first += micro_batch) {
            const Index count = std::min(micro_batch, samples - first);
            loss.forward(model.forward(inputs.middleRows(first, count)),
                         std::span(labels).subspan(static_cast<std::size_t>(first * tokens),
                                                   static_cast<std::size_t>(count * tokens)));
            model.backward(loss.backward());
        }
        std::vector<std::byte> bytes;
        for (auto& parameter : model.parameters()) {
            const Matrix<float> grad = parameter.grad();
            CHECK(grad.allFinite());
            append_bytes(bytes, grad.data(), grad.size());
        }
        return bytes;
    };
    for (std::size_t i = 0; i < models.size(); ++i) {
        CAPTURE(i);
        const auto whole = gradients(models[i], finite, samples, false);
        for (const float bad : {not_a_number, infinity, largest, 0.0F}) {
            Matrix<float> inputs = finite;
            for (Index k = 0; k < samples * tokens; ++k) {
                if (labels[static_cast<std::size_t>(k)] == -100) {
                    inputs.block(k / tokens, k % tokens * features, 1, features).setConstant(bad);
                }
            }
            for (const Index micro_batch : {Index{1}, Index{3}, samples}) {
                CAPTURE(bad);
                CAPTURE(micro_batch);
                CHECK(gradients(models[i], inputs, micro_batch, false) == whole);
                CHECK(gradients(models[i], inputs, micro_batch, true) == whole);
            }
        }
    }
}

TEST_CASE("Sequential: where rows meet, a token that is NaN is not hidden from those that count") {
    Sequential<float> model(gacc::Input(3, 4), Linear(4, 4), gacc::GroupNorm(1, 4), Linear(4, 2));
    gacc::Rng rng(1);
    model.initialize(rng);
    Matrix<float> x = random_matrix<float>(rng, 1, 12);
    x(0, 0) = not_a_number;
    gacc::SoftmaxCrossEntropy loss;
    loss.forward(model.forward(x), std::vector<Label>{-100, 1, 0});
    model.backward(loss.backward());
    CHECK(std::isnan(model.parameters()[0].grad()(0, 0)));
    CHECK(std::isnan(model.parameters()[4].grad()(0, 0)));
}

TEST_CASE("Sequential: a sample that weighs something is not left out for its numbers") {
    Sequential model(Linear(2, 2));
    gacc::Rng rng(1);
    model.initialize(rng);
    Matrix<float> x{{1, 2}, {3, not_a_number}};
    const Matrix<float> grad_y{{1, 1}, {1, 1}};
    model.forward(x);
    model.backward({grad_y, std::vector<float>{0, 1}});
    CHECK(std::isnan(model.parameters()[0].grad()(0, 1)));
    CHECK(model.parameters()[0].grad()(0, 0) == 4);  // a finite gradient is added as it is
}

}  // namespace ignored_samples_test
