#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace audit_test {

using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Shape;
using gacc::test::random_matrix;
using gacc::test::state_of;

namespace {

/// y = weight x, element by element, with at most one mistake.
enum class Mistake {
    none,
    coupled,
    coupled_gradient,
    written,
    averaged,
    averaged_grad_x,
    starts_at_zero,
    calls,
    threads
};

class Scale : public gacc::Layer<float> {
public:
    Scale(Index features, Mistake mistake) : mistake_(mistake), weight_("weight", {features}) {}

    std::string description() const override { return "Scale(" + std::to_string(weight_.size()) + ")"; }
    gacc::LayerPlan plan(const Shape& x) const override { return {.y = x, .reads_y = false}; }

    void forward(gacc::Forward<float> call) const override {
        const Matrix<float> weight = weight_.value();
        for (Index i = 0; i < call.x.rows(); ++i) {
            call.y.row(i) = call.x.row(i).cwiseProduct(weight);
            if (mistake_ == Mistake::coupled) { call.y.row(i) -= call.x.colwise().mean(); }
            if (mistake_ == Mistake::calls) { call.y.row(i) *= static_cast<float>(1 + calls_); }
            if (mistake_ == Mistake::threads) { call.y.row(i) *= static_cast<float>(gacc::threads()); }
        }
        ++calls_;
    }

    void backward(gacc::Backward<float> call) override {
        const Matrix<float> weight = weight_.value();
        const Matrix<float> before = weight_.grad();
        Matrix<float> grad = before;
        const bool from_zero = mistake_ == Mistake::written || mistake_ == Mistake::starts_at_zero;
        if (from_zero || mistake_ == Mistake::averaged) { grad.setZero(); }
        for (Index i = 0; i < call.x.rows(); ++i) {
            grad += call.x.row(i).cwiseProduct(call.grad_y.row(i));
            if (!call.wants_grad_x()) { continue; }
            call.grad_x.row(i) = call.grad_y.row(i).cwiseProduct(weight);
            if (mistake_ == Mistake::coupled_gradient) { call.grad_x.row(i) += call.grad_y.row(0); }
            if (mistake_ == Mistake::averaged_grad_x) { call.grad_x.row(i) /= static_cast<float>(call.samples); }
        }
        if (mistake_ == Mistake::averaged) { grad = before + grad / static_cast<float>(call.samples); }
        if (mistake_ == Mistake::starts_at_zero) { grad += before; }
        weight_.set_grad(grad);
    }

    std::vector<gacc::Parameter<float>*> parameters() override { return {&weight_}; }
    void initialize(gacc::Rng& rng) override {
        weight_.generate([&] { return static_cast<float>(rng.uniform(0.5, 1.5)); });
    }

private:
    Mistake mistake_;
    gacc::Parameter<float> weight_;
    mutable int calls_ = 0;
};

/// Half the squared distance from the targets, divided by the samples of the micro-batch.
struct AveragingLoss {
    Matrix<float> grad;
    std::vector<float> ones, losses;

    gacc::LossValue<float> forward(const gacc::ConstMatrixView<float>& y, const gacc::ConstMatrixView<float>& targets) {
        grad = (y - targets) / static_cast<float>(y.rows());
        ones.assign(static_cast<std::size_t>(y.rows()), 1);
        losses.assign(ones.size(), 0);
        for (Index i = 0; i < y.rows(); ++i) {
            losses[static_cast<std::size_t>(i)] = (y.row(i) - targets.row(i)).squaredNorm() / 2;
        }
        return {.sum = 0, .weight = static_cast<double>(y.rows()), .losses = losses, .weights = ones};
    }
    gacc::LossGradient<float> backward() { return {grad, ones}; }
};

template <class... Parts>
auto initialized(Parts... parts) {
    gacc::Sequential model(std::move(parts)...);
    gacc::Rng rng(1);
    model.initialize(rng);
    return model;
}

struct Data {
    explicit Data(Index samples, Index features, int classes) {
        gacc::Rng rng(2);
        inputs = random_matrix<float>(rng, samples, features);
        for (Index i = 0; i < samples; ++i) {
            labels.push_back(static_cast<Label>(rng.below(static_cast<std::uint64_t>(classes))));
        }
    }
    Matrix<float> inputs;
    std::vector<Label> labels;
};

/// The audit of a Scale with this mistake between two Linear layers.
gacc::Audit audit_of(Mistake mistake, Index micro_batch = 4) {
    const auto model = initialized(gacc::Linear(5, 6), Scale(6, mistake), gacc::Linear(6, 3));
    const Data data(20, 5, 3);
    gacc::SoftmaxCrossEntropy loss;
    return gacc::audit(model, loss, data.inputs, data.labels, micro_batch);
}

std::vector<std::string> different(const gacc::Audit& audit) {
    std::vector<std::string> names;
    for (const auto& gradient : audit.gradients) {
        if (!gradient.same) { names.push_back(gradient.name); }
    }
    return names;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("audit: a perceptron is the same for every cut, by one thread and several, kept and computed again") {
    const auto model = initialized(gacc::Linear(40, 200), gacc::ReLU(), gacc::Linear(200, 200), gacc::ReLU(),
                                   gacc::Linear(200, 200), gacc::ReLU(), gacc::Linear(200, 4));
    const Data data(50, 40, 4);
    gacc::SoftmaxCrossEntropy loss;
    for (const Index micro_batch : {1, 7, 49, 50, 1000}) {
        const auto audit = gacc::audit(model, loss, data.inputs, data.labels, micro_batch);
        CAPTURE(audit.description());
        CHECK(audit.same());
        CHECK(audit.runs.size() == 3);
        CHECK(audit.gradients.size() == 8);
        CHECK(audit.causes.empty());
        CHECK(audit.micro_batches == (50 + std::min(micro_batch, Index{50}) - 1) / std::min(micro_batch, Index{50}));
    }
}

TEST_CASE("audit: residuals, norms, dropout and embeddings are the same for every cut") {
    const auto model = initialized(
        gacc::Linear(5, 8), gacc::LayerNorm(8), gacc::Dropout(0.3),
        gacc::Residual(gacc::RMSNorm(8), gacc::Linear(8, 8), gacc::GELU(), gacc::Dropout(0.5)),
        gacc::Concat(gacc::Linear(8, 3), gacc::Chain(gacc::Linear(8, 2), gacc::Tanh())), gacc::Linear(5, 3));
    const Data data(23, 5, 3);
    gacc::SoftmaxCrossEntropy loss;
    CHECK(gacc::audit(model, loss, data.inputs, data.labels, 4).same());

    const auto tokens = initialized(gacc::Input(6), gacc::Embedding(11, 8), gacc::PositionEmbedding(6, 8),
                                    gacc::Residual(gacc::LayerNorm(8), gacc::Linear(8, 8)), gacc::Linear(8, 11));
    gacc::Rng rng(3);
    Matrix<float> inputs(9, 6);
    std::vector<Label> next;  // of each token
    for (Index i = 0; i < inputs.size(); ++i) {
        inputs.data()[i] = static_cast<float>(rng.below(11));
        next.push_back(static_cast<Label>(rng.below(11)));
    }
    CHECK(gacc::audit(tokens, loss, inputs, next, 2).same());
}

TEST_CASE("audit: takes a batch of a dataset, with labels or with targets") {
    const Data data(30, 5, 3);
    gacc::Tensor<float> inputs({30, 5}), targets({30, 2});
    inputs.matrix() = data.inputs;
    gacc::Rng rng(4);
    targets.matrix() = random_matrix<float>(rng, 30, 2);
    const gacc::TensorDataset<float> classes(inputs, data.labels);
    gacc::SoftmaxCrossEntropy loss;
    for (const auto& batch : gacc::shuffled_batches(classes, {.batch_size = 20}, rng)) {
        const auto audit = gacc::audit(initialized(gacc::Linear(5, 3)), loss, batch, 7);
        CHECK(audit.same());
        CHECK(audit.batch_size == batch.size());
        CHECK(audit.micro_batch == batch.micro_batches(7)[0].size());
        CHECK(audit.micro_batches == batch.micro_batches(7).size());
    }
    const gacc::RegressionDataset<float> numbers(inputs, targets);
    gacc::MeanSquaredError squares;
    for (const auto& batch : gacc::ordered_batches(numbers, {.batch_size = 20})) {
        CHECK(gacc::audit(initialized(gacc::Linear(5, 2)), squares, batch, 7).same());
    }
    const Matrix<float> rows = targets.matrix();
    CHECK(gacc::audit(initialized(gacc::Linear(5, 2)), squares, data.inputs, rows, 7).same());
}

TEST_CASE("audit: finds what is wrong, and where") {
    CHECK(audit_of(Mistake::none).same());
    CHECK(audit_of(Mistake::coupled).causes ==
          Texts{"1: Scale(6): its outputs of a sample depend on the other samples of the micro-batch, or on the order "
                "of calls"});
    CHECK(
        audit_of(Mistake::coupled_gradient).causes ==
        Texts{"1: Scale(6): its grad_x of a sample depend on the other samples of the micro-batch, or on the order of "
              "calls"});
    CHECK(
        audit_of(Mistake::written).causes ==
        Texts{"1: Scale(6): its gradient of weight is written and not added: it is that of the last micro-batch alone "
              "(= for +=)"});
    CHECK(
        audit_of(Mistake::averaged).causes ==
        Texts{"1: Scale(6): its gradient of weight is divided by the samples of the micro-batch, and so about 5 times "
              "as large; leave it undivided"});
    CHECK(audit_of(Mistake::averaged_grad_x).causes ==
          Texts{"1: Scale(6): its grad_x are divided by the samples of the micro-batch; leave them undivided"});
    CHECK(
        audit_of(Mistake::starts_at_zero).causes ==
        Texts{"1: Scale(6): its gradient of weight starts a sum at zero for every micro-batch and adds that: the same "
              "but for rounding; add sample by sample to what is there"});
}

TEST_CASE("audit: only the gradients that are wrong differ") {
    CHECK(different(audit_of(Mistake::written)) == Texts{"1.weight"});
    CHECK(different(audit_of(Mistake::averaged)) == Texts{"1.weight"});
    CHECK(different(audit_of(Mistake::coupled_gradient)) == Texts{"0.weight", "0.bias"});
    const auto rounding = audit_of(Mistake::starts_at_zero);
    CHECK(different(rounding) == Texts{"1.weight"});
    CHECK(rounding.gradients[2].units > 0);
    CHECK(rounding.gradients[2].units < 20);
    CHECK(rounding.loss.same);
    CHECK(rounding.weight.same);
    CHECK_FALSE(audit_of(Mistake::coupled).loss.same);
}

TEST_CASE("audit: micro-batches of unequal sizes do not hide a division") {
    CHECK(
        audit_of(Mistake::averaged, 3).causes ==
        Texts{"1: Scale(6): its gradient of weight is divided by the samples of the micro-batch, and so about 7 times "
              "as large; leave it undivided"});
}

TEST_CASE("audit: a layer of which one gradient is wrong, and not the first") {
    // y = x + bias; the gradient of the bias is written, that of the other parameter stays 0.
    class WrittenBias : public gacc::Layer<float> {
    public:
        std::string description() const override { return "WrittenBias"; }
        gacc::LayerPlan plan(const Shape& x) const override { return {.y = x, .reads_x = false, .reads_y = false}; }
        void forward(gacc::Forward<float> call) const override {
            call.y = call.x.rowwise() + bias_.value().row(0);
        }
        void backward(gacc::Backward<float> call) override {
            unused_.set_grad(Matrix<float>::Zero(1, 6));
            bias_.set_grad(call.grad_y.colwise().sum());
            if (call.wants_grad_x()) { call.grad_x = call.grad_y; }
        }
        std::vector<gacc::Parameter<float>*> parameters() override { return {&unused_, &bias_}; }
        void initialize(gacc::Rng&) override {
            unused_.generate([] { return 0.0F; });
            bias_.generate([] { return 0.0F; });
        }

    private:
        gacc::Parameter<float> unused_{"unused", {6}}, bias_{"bias", {6}};
    };
    const auto model = initialized(gacc::Linear(5, 6), WrittenBias(), gacc::Linear(6, 3));
    const Data data(20, 5, 3);
    gacc::SoftmaxCrossEntropy loss;
    CHECK(gacc::audit(model, loss, data.inputs, data.labels, 4).causes ==
          Texts{"1: WrittenBias: its gradient of bias is written and not added: it is that of the last micro-batch "
                "alone (= for +=)"});
}

TEST_CASE("audit: layers inside of residuals are named by their place") {
    const auto model =
        initialized(gacc::Linear(5, 6), gacc::Residual(gacc::ReLU(), Scale(6, Mistake::written)),
                    gacc::Concat(Scale(6, Mistake::none), Scale(6, Mistake::coupled)), gacc::Linear(12, 3));
    const Data data(20, 5, 3);
    gacc::SoftmaxCrossEntropy loss;
    const auto audit = gacc::audit(model, loss, data.inputs, data.labels, 4);
    REQUIRE(audit.causes.size() == 2);
    CHECK(audit.causes[0].starts_with("1.branch.1: Scale(6): its gradient of weight is written"));
    CHECK(audit.causes[1].starts_with("2.1: Scale(6): its outputs of a sample depend"));
}

TEST_CASE("audit: a loss that averages, by itself or as its reduction says") {
    const auto model = initialized(gacc::Linear(5, 6), gacc::ReLU(), gacc::Linear(6, 3));
    const Data data(20, 5, 3);
    gacc::SoftmaxCrossEntropy means({.reduction = gacc::Reduction::mean_of_micro_batch_means});
    const auto audit = gacc::audit(model, means, data.inputs, data.labels, 4);
    CHECK(audit.causes ==
          Texts{"the loss: its gradients are divided by the weight of the micro-batch, as its reduction "
                "says; use Reduction::mean_over_samples"});
    CHECK_FALSE(audit.weight.same);
    CHECK(audit.loss.same);

    AveragingLoss averaging;
    gacc::Rng rng(5);
    const auto targets = random_matrix<float>(rng, 20, 3);
    CHECK(gacc::audit(model, averaging, data.inputs, targets, 4).causes ==
          Texts{"the loss: its gradients are divided by the samples of the micro-batch; leave them undivided"});
}

TEST_CASE("audit: the table") {
    gacc::Sequential model(gacc::Linear(1, 2));
    model.parameters()[0].set_value(Matrix<float>{{1}, {2}});
    model.parameters()[1].set_value(Matrix<float>{{0, 0}});
    gacc::MeanSquaredError loss;
    const Matrix<float> inputs{{1}, {2}, {3}}, targets{{1, 2}, {2, 4}, {2, 6}};  // one of them is 1 off
    CHECK(gacc::audit(model, loss, inputs, targets, 2).description() ==
          "batch of 3 = 2 micro-batches of at most 2\n"
          "gradient of     same bits  largest difference   units in the last place\n"
          "0.weight        yes\n"
          "0.bias          yes\n"
          "sum of losses   yes\n"
          "weight          yes\n" +
              std::to_string(std::max(gacc::threads(), 2)) +
              " threads: the same\n"
              "1 thread: the same\n"
              "The cut changes not one bit.\n");

    gacc::Sequential wrong(gacc::Linear(1, 2), Scale(2, Mistake::written));
    wrong.parameters()[0].set_value(Matrix<float>{{1}, {2}});
    wrong.parameters()[1].set_value(Matrix<float>{{0, 0}});
    wrong.parameters()[2].set_value(Matrix<float>{{1, 1}});
    const Matrix<float> off{{0, 2}, {2, 4}, {2, 6}};  // gradients of the scale 1, 0, 3 by hand: 4 uncut, 3 cut
    CHECK(gacc::audit(wrong, loss, inputs, off, 2).description() ==
          "batch of 3 = 2 micro-batches of at most 2\n"
          "gradient of     same bits  largest difference   units in the last place\n"
          "0.weight        yes\n"
          "0.bias          yes\n"
          "1.weight        no                          1                   2.1e+06\n"
          "sum of losses   yes\n"
          "weight          yes\n" +
              std::to_string(std::max(gacc::threads(), 2)) +
              " threads: different\n"
              "1 thread: different\n"
              "The cut changes bits: 1 of 3 gradients differ.\n"
              "likely cause: 1: Scale(2): its gradient of weight is written and not added: it is that of the last "
              "micro-batch alone (= for +=)\n");
}

TEST_CASE("audit: leaves the model, its tally and a forward under way as they were, and the number of threads") {
    auto model = initialized(gacc::Linear(5, 6), gacc::Dropout(0.5), gacc::Linear(6, 3));
    const Data data(20, 5, 3);
    gacc::SoftmaxCrossEntropy loss, other;
    loss.forward(model.forward(data.inputs), data.labels);
    model.backward(loss.backward());
    const Matrix<float> outputs = model.forward(data.inputs);
    const auto before = state_of(model.parameters());
    const auto tally = model.parameters().tally().state();
    gacc::set_threads(1);
    CHECK(gacc::audit(model, other, data.inputs, data.labels, 7).same());
    CHECK(gacc::threads() == 1);
    gacc::set_threads(0);
    CHECK(state_of(model.parameters()) == before);
    CHECK(model.parameters().tally().state() == tally);
    loss.forward(outputs, data.labels);
    model.backward(loss.backward());
    CHECK(model.parameters().tally().samples() == 40);
}

TEST_CASE("audit: a difference that is not finite stays in the table") {
    const auto model = initialized(gacc::Input(2), Scale(2, Mistake::written), gacc::Linear(2, 2));
    gacc::MeanSquaredError loss;
    const float infinite = std::numeric_limits<float>::infinity();
    const Matrix<float> inputs{{infinite, 1}, {1, 1}}, targets{{0, 0}, {0, 0}};
    const auto audit = gacc::audit(model, loss, inputs, targets, 1);
    CHECK_FALSE(audit.same());
    CHECK_FALSE(audit.gradients[0].same);
    CHECK_FALSE(std::isfinite(audit.gradients[0].largest_difference));
}

TEST_CASE("audit: compares bytes, and counts units in the last place of the largest element") {
    using gacc::detail::compare;
    const Matrix<float> zero{{0, 1}}, negative{{-0.0F, 1}};
    CHECK_FALSE(compare("", zero, negative).same);
    CHECK(compare("", zero, negative).largest_difference == 0);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const Matrix<float> not_finite{{nan, 1}};
    CHECK(compare("", not_finite, not_finite).same);
    CHECK(std::isnan(compare("", not_finite, zero).largest_difference));
    const Matrix<double> a{{3, 0.5}}, b{{3, 0.5 + 0x1p-50}};  // doubles from 2 to 4 are 2^-51 apart
    CHECK(compare("", a, b).largest_difference == 0x1p-50);
    CHECK(compare("", a, b).units == 2);
}

TEST_CASE("audit: a layer that gives something else by one thread, or when it is called again") {
    const Data data(50, 40, 4);
    gacc::SoftmaxCrossEntropy loss;
    const auto of = [&](Mistake mistake) {
        gacc::Sequential model(gacc::Linear(40, 200));
        for (int i = 0; i < 6; ++i) {
            model.add(Scale(200, mistake));
            model.add(gacc::Linear(200, 200));
        }
        gacc::Rng rng(1);
        model.initialize(rng);
        return gacc::audit(model, loss, data.inputs, data.labels, 50);
    };
    const auto threads = of(Mistake::threads), calls = of(Mistake::calls);
    REQUIRE(threads.runs.size() == 3);
    REQUIRE(calls.runs.size() == 3);
    CHECK(threads.runs[0].same);
    CHECK_FALSE(threads.runs[1].same);
    CHECK(threads.runs[2].same);
    CHECK_FALSE(different(threads).empty());  // also if the runs before and after are the same
    CHECK(threads.causes == Texts{"a sum whose parts follow the number of threads"});
    CHECK(calls.runs[0].same);
    CHECK(calls.runs[1].same);
    CHECK_FALSE(calls.runs[2].same);
    CHECK(calls.causes == Texts{"a layer whose forward gives something else when it is called again"});
}

TEST_CASE("audit: what it cannot take is an error") {
    const auto model = initialized(gacc::Linear(5, 3));
    const Data data(4, 5, 3);
    gacc::SoftmaxCrossEntropy loss;
    CHECK_THROWS_WITH_AS(gacc::audit(model, loss, data.inputs, data.labels, 0),
                         "gacc: audit: expected a micro_batch of 1 or more, got 0", gacc::UsageError);
    const std::vector<Label> three{0, 1, 2};
    CHECK_THROWS_WITH_AS(gacc::audit(model, loss, data.inputs, three, 2),
                         "gacc: audit: expected as many targets for each of 4 samples, got 3 in all", gacc::ShapeError);
    const Matrix<float> no_samples(0, 5);
    CHECK_THROWS_WITH_AS(gacc::audit(model, loss, no_samples, three, 2),
                         "gacc: Linear(5 -> 3): expected one sample or more, got none", gacc::ShapeError);
}

}  // namespace audit_test
