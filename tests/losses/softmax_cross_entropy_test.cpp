#include <gacc/losses/softmax_cross_entropy.hpp>

#include <gacc/core/memory.hpp>

#include "support/gradient_check.hpp"
#include "support/loss_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace softmax_cross_entropy_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Reduction;
using gacc::SoftmaxCrossEntropy;

namespace {

using Labels = std::vector<Label>;

/// What the loss says, copied.
template <class Scalar>
struct Result {
    double sum, weight, mean;
    std::vector<Scalar> losses, weights;
    Matrix<Scalar> grad;  // samples x classes
};

template <class Scalar>
Result<Scalar> result_of(SoftmaxCrossEntropy<Scalar>& loss, const Matrix<Scalar>& logits, const Labels& labels,
                         const std::vector<Scalar>& weights = {}) {
    const auto value = loss.forward(logits, labels, weights);
    const auto gradient = loss.backward();
    CHECK(std::equal(gradient.sample_weights.begin(), gradient.sample_weights.end(), value.weights.begin()));
    return {value.sum,
            value.weight,
            value.mean(),
            {value.losses.begin(), value.losses.end()},
            {value.weights.begin(), value.weights.end()},
            gradient.grad};
}

const Labels three_labels{2, 0, 1};

/// 3 x 4
Matrix<double> three_logits() { return Matrix<double>{{0.5, -1, 2, 0}, {1, 1, -3, 0.25}, {-0.5, 0.75, 0, 1.5}}; }

}  // namespace

TEST_CASE_TEMPLATE("SoftmaxCrossEntropy: takes a temporary matrix, as predict() returns, by bytes as one that stays",
                   Scalar, float, double) {
    SoftmaxCrossEntropy<Scalar> loss, other;
    const Matrix<Scalar> logits = three_logits().template cast<Scalar>();
    const std::vector<Scalar> weights{1, 2, 0.5};
    const auto value = loss.forward(Matrix<Scalar>(logits), three_labels, weights);
    CHECK(value.sum == other.forward(logits, three_labels, weights).sum);
    const Matrix<Scalar> grad = loss.backward().grad;  // the temporary is gone
    CHECK(bytes_of(grad) == bytes_of(Matrix<Scalar>(other.backward().grad)));
}

TEST_CASE_TEMPLATE("SoftmaxCrossEntropy: an example worked by hand", Scalar, float, double) {
    SoftmaxCrossEntropy<Scalar> loss;
    const Scalar log2 = std::log(Scalar(2)), log5 = std::log(Scalar(5));
    // exp gives 1, 2, 5 of 8 in the first row, thirds in the second.
    const Matrix<Scalar> logits{{0, log2, log5}, {7, 7, 7}};
    const auto result = result_of(loss, logits, {1, 0});
    const double rounding = 10 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    CHECK(std::abs(result.losses[0] - std::log(4.0)) < rounding);
    CHECK(std::abs(result.losses[1] - std::log(3.0)) < rounding);
    CHECK(std::abs(result.sum - std::log(12.0)) < rounding);
    CHECK(result.weight == 2);
    CHECK(std::abs(result.mean - std::log(12.0) / 2) < rounding);
    const Matrix<double> expected{{1 / 8.0, -6 / 8.0, 5 / 8.0}, {-2 / 3.0, 1 / 3.0, 1 / 3.0}};
    CHECK((result.grad.template cast<double>() - expected).cwiseAbs().maxCoeff() < rounding);
}

TEST_CASE_TEMPLATE("SoftmaxCrossEntropy: logits of ±1e4 give exact results", Scalar, float, double) {
    SoftmaxCrossEntropy<Scalar> loss;
    const Matrix<Scalar> logits{{1e4, -1e4, 0}, {1e4, -1e4, 0}, {1e4, -1e4, 0}, {-1e4, -1e4, -1e4}};
    const auto result = result_of(loss, logits, {0, 1, 2, 1});
    CHECK(std::vector(result.losses.begin(), result.losses.end() - 1) == std::vector<Scalar>{0, 20000, 10000});
    CHECK(std::abs(result.losses[3] - std::log(Scalar(3))) <= 2 * std::numeric_limits<Scalar>::epsilon());  // our log: 2 ulp
    CHECK(result.grad.topRows(3) == Matrix<Scalar>{{0, 0, 0}, {1, -1, 0}, {1, 0, -1}});
    const Scalar third = Scalar(1) / 3;
    CHECK(result.grad.bottomRows(1) == Matrix<Scalar>{{third, third - 1, third}});
}

TEST_CASE_TEMPLATE("SoftmaxCrossEntropy: the largest logit may be any of them", Scalar, float, double) {
    SoftmaxCrossEntropy<Scalar> loss;
    for (Index largest = 0; largest < 5; ++largest) {
        CAPTURE(largest);
        Matrix<Scalar> logits = Matrix<Scalar>::Zero(1, 5), expected = logits;
        logits(0, largest) = Scalar(1e4);
        expected(0, largest) = 1;
        expected(0, (largest + 1) % 5) = -1;
        const auto result = result_of(loss, logits, {static_cast<Label>((largest + 1) % 5)});
        CHECK(result.losses == std::vector<Scalar>{Scalar(1e4)});
        CHECK(result.grad == expected);
    }
}

TEST_CASE("SoftmaxCrossEntropy: a logit of minus infinity takes a class out") {
    SoftmaxCrossEntropy<double> loss;
    const double infinity = std::numeric_limits<double>::infinity();
    const auto result = result_of(loss, Matrix<double>{{1, -infinity, 1}}, {0});
    CHECK(result.losses[0] == std::log(2.0));
    CHECK(result.grad == Matrix<double>{{-0.5, 0, 0.5}});
}

TEST_CASE("SoftmaxCrossEntropy: a logit that is not a number is seen in the loss") {
    SoftmaxCrossEntropy loss;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(result_of(loss, Matrix<float>{{nan, 0, 0}}, {0}).sum));
    CHECK(std::isnan(result_of(loss, Matrix<float>{{0, 0, nan}}, {0}).sum));
}

TEST_CASE_TEMPLATE("SoftmaxCrossEntropy: a sample does not feel the samples around it", Scalar, float, double) {
    gacc::Rng rng(1);
    const auto logits = random_matrix<Scalar>(rng, 37, 10, -5, 5);
    Labels labels(37);
    for (auto& label : labels) { label = static_cast<Label>(rng.below(10)); }
    SoftmaxCrossEntropy<Scalar> loss;
    const auto whole = result_of(loss, logits, labels);
    double sum = 0;
    for (Index i = 0; i < 37; ++i) {
        const auto sample = static_cast<std::size_t>(i);
        const auto alone = result_of<Scalar>(loss, logits.row(i), {labels[sample]});
        CHECK(alone.losses[0] == whole.losses[sample]);
        CHECK(bytes_of(alone.grad) == bytes_of<Scalar>(whole.grad.row(i)));
        sum += alone.sum;
    }
    CHECK(sum == whole.sum);  // a sum over samples, not a mean
}

TEST_CASE("SoftmaxCrossEntropy: a weight multiplies the loss and the gradient of its sample") {
    SoftmaxCrossEntropy<double> loss;
    const auto plain = result_of(loss, three_logits(), three_labels);
    const auto result = result_of(loss, three_logits(), three_labels, {2, 0.5, 0});
    CHECK(result.weights == std::vector<double>{2, 0.5, 0});
    CHECK(result.weight == 2.5);
    CHECK(result.losses == std::vector<double>{2 * plain.losses[0], 0.5 * plain.losses[1], 0});
    CHECK(result.sum == 2 * plain.losses[0] + 0.5 * plain.losses[1]);
    CHECK(result.mean == result.sum / 2.5);
    CHECK(result.grad.row(0) == 2 * plain.grad.row(0));
    CHECK(result.grad.row(1) == 0.5 * plain.grad.row(1));
    CHECK(result.grad.row(2).isZero(0));
}

TEST_CASE("SoftmaxCrossEntropy: weights of 1 are no weights") {
    SoftmaxCrossEntropy<double> loss;
    const auto plain = result_of(loss, three_logits(), three_labels);
    const auto result = result_of(loss, three_logits(), three_labels, {1, 1, 1});
    CHECK(result.sum == plain.sum);
    CHECK(result.weight == plain.weight);
    CHECK(result.grad == plain.grad);
}

TEST_CASE("SoftmaxCrossEntropy: an ignored sample has no loss, no gradient, and no weight") {
    SoftmaxCrossEntropy<double> loss;
    const auto plain = result_of(loss, three_logits(), three_labels);
    auto logits = three_logits();
    logits.row(1).setConstant(std::numeric_limits<double>::quiet_NaN());  // not even looked at
    const auto result = result_of(loss, logits, {2, -100, 1}, {1, 5, 1});
    CHECK(result.losses == std::vector<double>{plain.losses[0], 0, plain.losses[2]});
    CHECK(result.weights == std::vector<double>{1, 0, 1});
    CHECK(result.weight == 2);
    CHECK(result.mean == (plain.losses[0] + plain.losses[2]) / 2);
    CHECK(result.grad.row(0) == plain.grad.row(0));
    CHECK(result.grad.row(1).isZero(0));
    CHECK(result.grad.row(2) == plain.grad.row(2));
}

TEST_CASE("SoftmaxCrossEntropy: the ignored label may be a class") {
    SoftmaxCrossEntropy<double> loss({.ignored_label = 0});
    const auto result = result_of(loss, three_logits(), three_labels);
    CHECK(result.weights == std::vector<double>{1, 0, 1});
    CHECK(result.grad.row(1).isZero(0));
}

TEST_CASE("SoftmaxCrossEntropy: if all samples are ignored, everything is 0") {
    for (const auto reduction :
         {Reduction::mean_over_samples, Reduction::mean_of_micro_batch_means, Reduction::sum_of_micro_batch_means}) {
        SoftmaxCrossEntropy<double> loss({.reduction = reduction});
        const auto result = result_of(loss, three_logits(), {-100, -100, -100});
        CHECK(result.sum == 0);
        CHECK(result.weight == 0);
        CHECK(result.mean == 0);
        CHECK(result.grad.isZero(0));
    }
}

TEST_CASE("SoftmaxCrossEntropy: the gradient is a sum over samples, divided by the weight if the reduction says so") {
    const std::vector<double> weights{2, 0.5, 1.5};  // 4 in all
    SoftmaxCrossEntropy<double> sums;
    const auto sum = result_of(sums, three_logits(), three_labels, weights);
    for (const auto reduction : {Reduction::mean_of_micro_batch_means, Reduction::sum_of_micro_batch_means}) {
        SoftmaxCrossEntropy<double> loss({.reduction = reduction});
        const auto mean = result_of(loss, three_logits(), three_labels, weights);
        CHECK(mean.sum == sum.sum);
        CHECK(mean.weight == 4);
        CHECK(mean.grad == sum.grad / 4);
    }
}

TEST_CASE("SoftmaxCrossEntropy: backward tells its reduction") {
    for (const auto reduction :
         {Reduction::mean_over_samples, Reduction::mean_of_micro_batch_means, Reduction::sum_of_micro_batch_means}) {
        SoftmaxCrossEntropy<double> loss({.reduction = reduction});
        const auto logits = three_logits();
        loss.forward(logits, three_labels);
        CHECK(loss.backward().reduction == reduction);
    }
}

TEST_CASE("SoftmaxCrossEntropy: the gradient is that of central differences") {
    gacc::Rng rng(2);
    for (int shape = 0; shape < 150; ++shape) {
        const auto classes = static_cast<Index>(shape % 3 == 0 ? 1 : 1 + rng.below(12));
        const auto samples = static_cast<Index>(shape % 3 == 1 ? 1 : 1 + rng.below(9));
        CAPTURE(classes);
        CAPTURE(samples);
        Labels labels;
        std::vector<double> weights;
        for (Index i = 0; i < samples; ++i) {
            const bool ignored = rng.below(5) == 0;
            labels.push_back(ignored ? -100 : static_cast<Label>(rng.below(static_cast<std::uint64_t>(classes))));
            weights.push_back(rng.uniform(0, 2));
        }
        if (shape % 2 == 0) { weights.clear(); }

        SoftmaxCrossEntropy<double> loss;
        const auto logits = random_matrix<double>(rng, samples, classes, -3, 3);
        const auto expected = central_differences(
            logits, [&](const Matrix<double>& at) { return loss.forward(at, labels, weights).sum; });
        const auto grad = result_of(loss, logits, labels, weights).grad;
        CHECK((grad - expected).cwiseAbs().maxCoeff() < 1e-8);  // the gradients are about 1
    }
}

TEST_CASE("SoftmaxCrossEntropy: gradients in a model, and the same bytes for any shape and cut") {
    const auto labels = []<class>(gacc::Rng& rng, Index rows, Index classes) {
        Labels of;
        for (Index i = 0; i < rows; ++i) {
            of.push_back(rng.below(5) == 0 ? -100 : static_cast<Label>(rng.below(static_cast<std::uint64_t>(classes))));
        }
        return of;
    };
    check_loss([]<class S>() { return SoftmaxCrossEntropy<S>(); }, labels);
    check_loss([]<class S>() { return SoftmaxCrossEntropy<S>({.label_smoothing = 0.2}); }, labels);
}

TEST_CASE("SoftmaxCrossEntropy: a smaller micro-batch after a larger one has its own size") {
    SoftmaxCrossEntropy<double> loss;
    result_of(loss, three_logits(), three_labels);
    const auto result = result_of(loss, Matrix<double>{{1, 1}}, {0});
    CHECK(result.losses == std::vector<double>{std::log(2.0)});
    CHECK(result.weights == std::vector<double>{1});
    CHECK(result.grad == Matrix<double>{{-0.5, 0.5}});
}

TEST_CASE("SoftmaxCrossEntropy: backward without a forward, or twice after one, is an error") {
    SoftmaxCrossEntropy<double> loss;
    const auto text = "gacc: SoftmaxCrossEntropy::backward: expected a forward before every backward, got none";
    CHECK_THROWS_WITH_AS(loss.backward(), text, gacc::UsageError);
    const auto logits = three_logits();
    loss.forward(logits, three_labels);
    CHECK_NOTHROW(loss.backward());
    CHECK_THROWS_WITH_AS(loss.backward(), text, gacc::UsageError);
}

TEST_CASE("SoftmaxCrossEntropy: what does not fit is an error, and the forward before it still counts") {
    SoftmaxCrossEntropy<double> loss;
    const auto logits = three_logits();
    const auto expected = bytes_of(result_of(loss, logits, three_labels, {1, 2, 3}).grad);
    loss.forward(logits, three_labels, std::vector<double>{1, 2, 3});

    const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    const auto forward = [&](const Matrix<double>& z, const Labels& labels, const std::vector<double>& weights = {}) {
        loss.forward(z, labels, weights);
    };
    CHECK_THROWS_WITH_AS(forward(Matrix<double>(0, 3), {}),
                         "gacc: SoftmaxCrossEntropy: expected logits of samples x classes, got 0 x 3",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(forward(Matrix<double>(2, 0), {0, 0}),
                         "gacc: SoftmaxCrossEntropy: expected logits of samples x classes, got 2 x 0",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(forward(logits, {0, 1, 2, 3}),
                         "gacc: SoftmaxCrossEntropy: expected a label for each of 3 samples, got 4", gacc::ShapeError);
    CHECK_THROWS_WITH_AS(forward(logits, three_labels, {1, 1}),
                         "gacc: SoftmaxCrossEntropy: expected a label and a weight for each of 3 samples, got 3 and 2",
                         gacc::ShapeError);
    CHECK_THROWS_WITH_AS(
        forward(logits, {0, 4, 0}),
        "gacc: SoftmaxCrossEntropy: expected labels from 0 to 3 (or -100 to ignore a sample), got 4 for "
        "sample 1 of the micro-batch",
        gacc::UsageError);
    CHECK_THROWS_WITH_AS(forward(logits, {0, 0, -1}),
                         "gacc: SoftmaxCrossEntropy: expected labels from 0 to 3 (or -100 to ignore a sample), got -1 "
                         "for sample 2 of the micro-batch",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(
        forward(logits, three_labels, {1, -0.5, 1}),
        "gacc: SoftmaxCrossEntropy: expected finite weights of 0 or more, got -0.5 for sample 1 of the micro-batch",
        gacc::UsageError);
    CHECK_THROWS_WITH_AS(
        forward(logits, three_labels, {nan, 1, 1}),
        "gacc: SoftmaxCrossEntropy: expected finite weights of 0 or more, got nan for sample 0 of the micro-batch",
        gacc::UsageError);
    CHECK_THROWS_WITH_AS(
        forward(logits, three_labels, {1, 1, infinity}),
        "gacc: SoftmaxCrossEntropy: expected finite weights of 0 or more, got inf for sample 2 of the micro-batch",
        gacc::UsageError);

    const auto gradient = loss.backward();
    CHECK(bytes_of<double>(gradient.grad) == expected);
    CHECK(std::vector<double>(gradient.sample_weights.begin(), gradient.sample_weights.end()) ==
          std::vector<double>{1, 2, 3});
}

TEST_CASE("SoftmaxCrossEntropy: a sample of weight 0 counts for nothing, whatever its logits are") {
    gacc::SoftmaxCrossEntropy loss;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const gacc::Matrix<float> logits{{nan, 1}, {0, 0}};
    const std::vector<gacc::Label> labels = {0, 1};
    const auto value = loss.forward(logits, labels, std::vector<float>{0, 2});
    CHECK(value.sum == doctest::Approx(2 * std::log(2.0)));
    CHECK(value.weight == 2);
    CHECK(loss.backward().grad == gacc::Matrix<float>{{0, 0}, {1, -1}});
}

TEST_CASE("SoftmaxCrossEntropy: weights that a float holds with few bits, or whose sum it cannot hold, are refused") {
    SoftmaxCrossEntropy<float> loss;
    const Matrix<float> logits = Matrix<float>::Zero(2, 3);
    const std::vector<Label> labels{0, 1};
    CHECK_THROWS_WITH_AS(loss.forward(logits, labels, std::vector<float>{1, 1e-40F}),
                         "gacc: SoftmaxCrossEntropy: expected weights of 0, or of 1.17549e-38 or more, got "
                         "9.99995e-41 for sample 1 of the micro-batch",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(loss.forward(logits, labels, std::vector<float>{2e38F, 2e38F}),
                         "gacc: SoftmaxCrossEntropy: expected weights with a sum in the range of float, got 4e+38; "
                         "multiply all of them by one small factor",
                         gacc::UsageError);
    CHECK_NOTHROW(loss.forward(logits, labels, std::vector<float>{1.2e-38F, 0}));
}

TEST_CASE_TEMPLATE("SoftmaxCrossEntropy: value gives the bytes of forward, and keeps nothing", Scalar, float, double) {
    for (const double smoothing : {0.0, 0.1}) {
        SoftmaxCrossEntropy<Scalar> loss({.label_smoothing = smoothing});
        const Matrix<Scalar> logits = three_logits().template cast<Scalar>();
        const std::vector<Scalar> weights{1, 2, 0.5};
        const auto kept = loss.forward(logits, three_labels, weights);
        const std::size_t before = gacc::memory::live().total();
        const auto value = std::as_const(loss).value(Matrix<Scalar>(logits), three_labels, weights);
        CHECK(gacc::memory::live().total() == before);
        CHECK(value.sum == kept.sum);
        CHECK(value.weight == kept.weight);
        CHECK(value.mean() == kept.mean());
        CHECK(std::ranges::equal(value.losses, kept.losses));
        CHECK(std::ranges::equal(value.weights, kept.weights));
        CHECK_NOTHROW(loss.backward());  // of the forward, which still counts
        CHECK_THROWS_AS(loss.value(logits, Labels{0}), gacc::ShapeError);
    }
}

TEST_CASE("SoftmaxCrossEntropy: label smoothing, an example worked by hand") {
    const double log2 = std::log(2.0), log5 = std::log(5.0);
    SoftmaxCrossEntropy<double> loss({.label_smoothing = 0.3});
    // exp gives 1, 2, 5 of 8; the target is 0.1, 0.8, 0.1.
    const auto result = result_of(loss, Matrix<double>{{0, log2, log5}}, {1});
    CHECK(std::abs(result.sum - (0.1 * std::log(8.0) + 0.8 * std::log(4.0) + 0.1 * std::log(1.6))) < 1e-15);
    CHECK((result.grad - Matrix<double>{{0.125 - 0.1, 0.25 - 0.8, 0.625 - 0.1}}).cwiseAbs().maxCoeff() < 1e-15);
}

TEST_CASE("SoftmaxCrossEntropy: with label smoothing the gradient is that of central differences") {
    gacc::Rng rng(3);
    for (int shape = 0; shape < 100; ++shape) {
        const auto classes = static_cast<Index>(shape % 3 == 0 ? 1 : 1 + rng.below(12));
        const auto samples = static_cast<Index>(shape % 3 == 1 ? 1 : 1 + rng.below(9));
        Labels labels;
        std::vector<double> weights;
        for (Index i = 0; i < samples; ++i) {
            labels.push_back(static_cast<Label>(rng.below(static_cast<std::uint64_t>(classes))));
            weights.push_back(rng.uniform(0, 2));
        }
        SoftmaxCrossEntropy<double> loss({.label_smoothing = rng.uniform()});
        const auto logits = random_matrix<double>(rng, samples, classes, -3, 3);
        const auto expected =
            central_differences(logits, [&](const Matrix<double>& at) { return loss.value(at, labels, weights).sum; });
        CHECK((result_of(loss, logits, labels, weights).grad - expected).cwiseAbs().maxCoeff() < 1e-8);
    }
}

TEST_CASE("SoftmaxCrossEntropy: a label smoothing that is no share is refused") {
    CHECK_THROWS_WITH_AS(SoftmaxCrossEntropy<float>({.label_smoothing = 1.5}),
                         "gacc: SoftmaxCrossEntropy: expected a label_smoothing from 0 to 1, got 1.5",
                         gacc::UsageError);
    CHECK_THROWS_AS(SoftmaxCrossEntropy<float>({.label_smoothing = -0.1}), gacc::UsageError);
    CHECK_THROWS_AS(SoftmaxCrossEntropy<float>({.label_smoothing = std::numeric_limits<double>::quiet_NaN()}),
                    gacc::UsageError);
}

}  // namespace softmax_cross_entropy_test
