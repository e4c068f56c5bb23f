#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace gradient_check_test {

using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Shape;
using gacc::test::random_matrix;
using gacc::test::state_of;

namespace {

/// y = weight x, element by element; its gradient is `factor` times the right one.
class Scale : public gacc::Layer<double> {
public:
    Scale(Index features, double factor) : factor_(factor), weight_("weight", {features}) {}

    std::string description() const override { return "Scale"; }
    gacc::LayerPlan plan(const Shape& x) const override { return {.y = x, .reads_y = false}; }
    void forward(gacc::Forward<double> call) const override {
        call.y = call.x.array().rowwise() * weight_.value().row(0).array();
    }
    void backward(gacc::Backward<double> call) override {
        const Matrix<double> weight = weight_.value();
        Matrix<double> grad = weight_.grad();
        for (Index i = 0; i < call.x.rows(); ++i) {
            grad += factor_ * call.x.row(i).cwiseProduct(call.grad_y.row(i));
            if (call.wants_grad_x()) { call.grad_x.row(i) = call.grad_y.row(i).cwiseProduct(weight); }
        }
        weight_.set_grad(grad);
    }
    std::vector<gacc::Parameter<double>*> parameters() override { return {&weight_}; }
    void initialize(gacc::Rng&) override {
        weight_.generate([] { return 1.0; });
    }

private:
    double factor_;
    gacc::Parameter<double> weight_;
};

template <class... Parts>
auto initialized(Parts... parts) {
    gacc::Sequential model(std::move(parts)...);
    gacc::Rng rng(1);
    model.initialize(rng);
    return model;
}

using Linear = gacc::Linear<double>;

struct Data {
    Matrix<double> inputs;
    std::vector<Label> labels;

    explicit Data(Index samples, Index features) {
        gacc::Rng rng(2);
        inputs = random_matrix<double>(rng, samples, features);
        for (Index i = 0; i < samples; ++i) { labels.push_back(static_cast<Label>(rng.below(3))); }
    }
};

}  // namespace

TEST_CASE("check_gradients: perceptrons, residuals, norms, dropout and embeddings agree") {
    const Data data(7, 4);
    gacc::SoftmaxCrossEntropy<double> loss;
    const auto model =
        initialized(Linear(4, 6), gacc::Tanh<double>(), gacc::LayerNorm<double>(6), gacc::Dropout<double>(0.4),
                    gacc::Residual(Linear(6, 6), gacc::GELU<double>(), gacc::Dropout<double>(0.4)), Linear(6, 3));
    const auto check = gacc::check_gradients(model, loss, data.inputs, data.labels);
    CAPTURE(check.description());
    CHECK(check.agree());
    CHECK(check.worst().error < 1e-7);
    REQUIRE(check.parameters.size() == 8);
    CHECK(check.parameters[0].name == "0.weight");
    CHECK(check.parameters[0].checked == 24);

    const auto tokens = initialized(gacc::Input(3), gacc::Embedding<double>(5, 4), Linear(4, 5));
    const Matrix<double> inputs{{0, 1, 2}, {4, 4, 1}};
    const std::vector<Label> next{1, 2, 3, 4, 0, 0};
    CHECK(gacc::check_gradients(tokens, loss, inputs, next).agree());
}

TEST_CASE("check_gradients: of a batch of a dataset, and of a loss that takes means") {
    const Data data(7, 4);
    gacc::Tensor<double> inputs({7, 4});
    inputs.matrix() = data.inputs;
    const gacc::TensorDataset<double> classes(inputs, data.labels);
    gacc::SoftmaxCrossEntropy<double> means({.reduction = gacc::Reduction::mean_of_micro_batch_means});
    for (const auto& batch : gacc::ordered_batches(classes, {.batch_size = 7})) {
        CHECK(gacc::check_gradients(initialized(Linear(4, 3)), means, batch).agree());
    }
}

TEST_CASE("check_gradients: finds a gradient that is wrong, and where") {
    const Data data(7, 4);
    gacc::SoftmaxCrossEntropy<double> loss;
    const auto check =
        gacc::check_gradients(initialized(Linear(4, 6), Scale(6, 1.001), Linear(6, 3)), loss, data.inputs, data.labels);
    CHECK_FALSE(check.agree());
    CHECK(check.worst().name == "1.weight");
    for (const auto& of : check.parameters) { CHECK((of.error <= 1e-6) == (of.name != "1.weight")); }
}

TEST_CASE("check_gradients: the table") {
    // Sum of (w x - t)² over x = 1, 2 and t = 0, 0 at w = 1: the derivative is 2 (1 + 4) = 10, and 15 is wrong.
    const Matrix<double> inputs{{1}, {2}}, targets{{0}, {0}};
    gacc::MeanSquaredError<double> loss;
    CHECK(gacc::check_gradients(initialized(gacc::Input(1), Scale(1, 1)), loss, inputs, targets, {.step = 0.5})
              .description() ==
          "gradient of      checked      error  worst at             backward  central difference\n"
          "0.weight               1          0  (0, 0)                     10                  10\n"
          "All errors are at most 1e-06.\n");
    const auto wrong =
        gacc::check_gradients(initialized(gacc::Input(1), Scale(1, 1.5)), loss, inputs, targets, {.step = 0.5});
    CHECK(wrong.description() ==
          "gradient of      checked      error  worst at             backward  central difference\n"
          "0.weight               1        0.5  (0, 0)                     15                  10\n"
          "1 of 1 gradients are wrong by more than 1e-06: the worst is that of 0.weight.\n");
}

TEST_CASE("check_gradients: a NaN is the worst error") {
    const Matrix<double> inputs{{1, std::numeric_limits<double>::quiet_NaN()}}, targets{{0, 0}};
    gacc::MeanSquaredError<double> loss;
    const auto check =
        gacc::check_gradients(initialized(gacc::Input(2), Scale(2, 1), Scale(2, 2)), loss, inputs, targets);
    CHECK_FALSE(check.agree());
    CHECK(std::isnan(check.worst().error));
}

TEST_CASE("check_gradients: some elements, drawn by a seed") {
    const Data data(7, 40);
    gacc::SoftmaxCrossEntropy<double> loss;
    const auto model = initialized(Linear(40, 3));
    const auto check = gacc::check_gradients(model, loss, data.inputs, data.labels, {.most = 5});
    CHECK(check.agree());
    CHECK(check.parameters[0].checked == 5);
    CHECK(check.parameters[1].checked == 3);
    const auto again = gacc::check_gradients(model, loss, data.inputs, data.labels, {.most = 5});
    CHECK(again.description() == check.description());
    const auto other = gacc::check_gradients(model, loss, data.inputs, data.labels, {.most = 5, .seed = 2});
    CHECK(other.description() != check.description());
}

TEST_CASE("check_gradients: leaves the model as it was") {
    auto model = initialized(Linear(4, 6), gacc::Dropout<double>(0.5), Linear(6, 3));
    const Data data(7, 4);
    gacc::SoftmaxCrossEntropy<double> loss, other;
    loss.forward(model.forward(data.inputs), data.labels);
    model.backward(loss.backward());
    const auto before = state_of(model.parameters());
    const auto tally = model.parameters().tally().state();
    CHECK(gacc::check_gradients(model, other, data.inputs, data.labels).agree());
    CHECK(state_of(model.parameters()) == before);
    CHECK(model.parameters().tally().state() == tally);
}

TEST_CASE("check_gradients: what it cannot take is an error") {
    const Data data(4, 4);
    gacc::SoftmaxCrossEntropy<double> loss;
    const auto model = initialized(Linear(4, 3));
    const auto check = [&](const gacc::GradientCheckOptions& options) {
        return gacc::check_gradients(model, loss, data.inputs, data.labels, options);
    };
    CHECK_THROWS_WITH_AS(check({.step = 0}), "gacc: check_gradients: expected a finite step larger than 0, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(check({.tolerance = -1}), "gacc: check_gradients: expected a tolerance of 0 or more, got -1",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(check({.most = -1}), "gacc: check_gradients: expected a most of 0 or more, got -1",
                         gacc::UsageError);
    const std::vector<Label> five{0, 1, 2, 0, 1};
    CHECK_THROWS_WITH_AS(gacc::check_gradients(model, loss, data.inputs, five),
                         "gacc: check_gradients: expected as many targets for each of 4 samples, got 5 in all",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(gacc::GradientCheck().worst(),
                         "gacc: GradientCheck: expected a model with parameters, got none", gacc::UsageError);
}

}  // namespace gradient_check_test
