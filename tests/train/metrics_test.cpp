#include <gacc/train/metrics.hpp>

#include <gacc/losses/softmax_cross_entropy.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

namespace metrics_test {

using gacc::count_correct;
using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::MeanLoss;

namespace {

/// The mean loss of 40 samples of 5 classes, forward in micro-batches of `micro_batch`.
template <class Scalar>
double mean_loss(Index micro_batch, bool weighted) {
    gacc::Rng rng(1);
    const auto logits = gacc::test::random_matrix<Scalar>(rng, 40, 5, -4, 4);
    std::vector<Label> labels(40);
    std::vector<Scalar> weights(40);
    for (auto& label : labels) { label = rng.below(6) == 0 ? -100 : static_cast<Label>(rng.below(5)); }
    for (auto& weight : weights) { weight = static_cast<Scalar>(rng.uniform(0, 3)); }

    gacc::SoftmaxCrossEntropy<Scalar> loss;
    MeanLoss mean;
    for (Index first = 0; first < 40; first += micro_batch) {
        const Index count = std::min(micro_batch, 40 - first);
        const auto from = static_cast<std::size_t>(first), size = static_cast<std::size_t>(count);
        const auto of_these = std::span<const Scalar>(weights).subspan(from, size);
        mean.add(loss.forward(logits.middleRows(first, count), std::span(labels).subspan(from, size),
                              weighted ? of_these : std::span<const Scalar>()));
    }
    return mean.mean();
}

}  // namespace

TEST_CASE("MeanLoss: the sum of the losses over the sum of the weights") {
    gacc::SoftmaxCrossEntropy<double> loss;
    const Matrix<double> equal = Matrix<double>::Zero(3, 2);  // each loss is log 2
    MeanLoss mean;
    mean.add(loss.forward(equal, std::vector<Label>{0, 1, -100}, std::vector<double>{1, 3, 9}));
    CHECK(mean.mean() == doctest::Approx(std::log(2.0)).epsilon(1e-12));
}

TEST_CASE("MeanLoss: a sample counts as much in a small micro-batch as in a large one") {
    gacc::SoftmaxCrossEntropy<double> loss;
    const Matrix<double> sure{{1e4, 0}, {1e4, 0}, {1e4, 0}};  // three samples with loss 0
    const Matrix<double> wrong{{0, 1e4}};                     // one with loss 1e4
    MeanLoss mean;
    mean.add(loss.forward(sure, std::vector<Label>{0, 0, 0}));
    mean.add(loss.forward(wrong, std::vector<Label>{0}));
    CHECK(mean.mean() == 2500);  // the mean of the means is 5000
}

TEST_CASE_TEMPLATE("MeanLoss: the cut does not change a bit of it", Scalar, float, double) {
    for (const bool weighted : {false, true}) {
        const double whole = mean_loss<Scalar>(40, weighted);
        CHECK(whole > 0.5);
        for (Index micro_batch = 1; micro_batch < 40; ++micro_batch) {
            CAPTURE(micro_batch);
            CHECK(mean_loss<Scalar>(micro_batch, weighted) == whole);
        }
    }
}

TEST_CASE("MeanLoss: adds what value() gives as what forward() gives") {
    gacc::SoftmaxCrossEntropy<float> loss;
    const gacc::Matrix<float> logits{{0.5F, -1, 2}, {1, 1, -3}, {0, 3, 0}};
    const std::vector<Label> labels{2, -100, 0};
    const std::vector<float> weights{0.3F, 1, 2};
    MeanLoss mean, again;
    mean.add(loss.forward(logits, labels, weights));
    again.add(loss.value(logits, labels, weights));
    CHECK(again.state() == mean.state());
    CHECK(again.mean() > 0);
}

TEST_CASE("MeanLoss: the mean of nothing, or of ignored samples only, is 0") {
    MeanLoss mean;
    CHECK(mean.mean() == 0);
    gacc::SoftmaxCrossEntropy loss;
    const Matrix<float> logits{{1, 2}};
    mean.add(loss.forward(logits, std::vector<Label>{-100}));
    CHECK(mean.mean() == 0);
}

TEST_CASE("count_correct: counts the samples whose largest output is where the label says") {
    const Matrix<float> outputs{{1, 3, 2}, {-1, -3, -2}, {0, 0.5F, 9}};
    CHECK(count_correct(outputs, std::vector<Label>{1, 0, 2}) == 3);
    CHECK(count_correct(outputs, std::vector<Label>{1, 1, 2}) == 2);
    CHECK(count_correct(outputs, std::vector<Label>{0, 1, 1}) == 0);
}

TEST_CASE("count_correct: of equal outputs the first counts") {
    const Matrix<float> outputs{{5, 5, 5}, {1, 2, 2}};
    CHECK(count_correct(outputs, std::vector<Label>{0, 1}) == 2);
    CHECK(count_correct(outputs, std::vector<Label>{1, 2}) == 0);
    CHECK(count_correct(outputs, std::vector<Label>{2, 0}) == 0);
}

TEST_CASE("count_correct: an ignored label is never correct, and of no samples none is") {
    CHECK(count_correct(Matrix<float>{{1, 0}, {1, 0}}, std::vector<Label>{-100, 0}) == 1);
    CHECK(count_correct(Matrix<float>(0, 3), std::vector<Label>{}) == 0);
}

TEST_CASE("Accuracy: an ignored label counts neither as right nor as wrong") {
    const Matrix<float> outputs{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 0}};
    gacc::Accuracy accuracy;
    CHECK(accuracy.value() == 0);
    accuracy.add(outputs, std::vector<Label>{0, -100, 1, -100});
    CHECK(accuracy.correct() == 1);
    CHECK(accuracy.counted() == 2);
    accuracy.add(outputs, std::vector<Label>{0, 1, 2, 2});
    CHECK(accuracy.correct() == 4);
    CHECK(accuracy.counted() == 6);
    CHECK(accuracy.value() == doctest::Approx(4.0 / 6).epsilon(1e-12));

    gacc::Accuracy without_class_1(1);
    without_class_1.add(outputs, std::vector<Label>{0, 1, 1, 2});
    CHECK(without_class_1.correct() == 1);
    CHECK(without_class_1.counted() == 2);
    CHECK_THROWS_AS(accuracy.add(outputs, std::vector<Label>{0}), gacc::ShapeError);
}

TEST_CASE("count_correct: a row with not-a-number is never correct") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const gacc::Matrix<float> outputs{{nan, 1}, {2, nan}, {nan, nan}};
    CHECK(gacc::count_correct(outputs, std::vector<gacc::Label>{0, 0, 1}) == 0);
}

TEST_CASE("count_correct: another number of labels than of samples is refused") {
    const gacc::Matrix<float> outputs{{1, 2}};
    CHECK_THROWS_WITH_AS(gacc::count_correct(outputs, std::vector<gacc::Label>{1, 0}),
                         "gacc: count_correct: expected a label for each of 1 samples, got 2", gacc::ShapeError);
}

}  // namespace metrics_test
