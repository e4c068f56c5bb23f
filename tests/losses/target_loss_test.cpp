// What the losses share whose targets are rows of numbers. Their formulas are tested in their own files.
#include <gacc/losses/target_loss.hpp>

#include <gacc/core/memory.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/losses/binary_cross_entropy.hpp>
#include <gacc/losses/huber.hpp>
#include <gacc/losses/mean_squared_error.hpp>

#include "support/gradient_check.hpp"
#include "support/loss_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace target_loss_test {

using namespace gacc::test;
using gacc::ConstMatrixView;
using gacc::Index;
using gacc::Matrix;
using gacc::Reduction;

namespace {

template <class Loss>
struct Traits;
template <class S>
struct Traits<gacc::MeanSquaredError<S>> {
    using Scalar = S;
    using Options = gacc::MeanSquaredErrorOptions;
    static constexpr const char* name = "MeanSquaredError";
};
template <class S>
struct Traits<gacc::Huber<S>> {
    using Scalar = S;
    using Options = gacc::HuberOptions;
    static constexpr const char* name = "Huber";
};
template <class S>
struct Traits<gacc::BinaryCrossEntropy<S>> {
    using Scalar = S;
    using Options = gacc::BinaryCrossEntropyOptions;
    static constexpr const char* name = "BinaryCrossEntropy";
};

template <class Loss>
Loss loss_with(bool ignore_nan, Reduction reduction = Reduction::mean_over_samples) {
    typename Traits<Loss>::Options options;
    options.ignore_nan = ignore_nan;
    options.reduction = reduction;
    return Loss(options);
}

template <class Scalar>
std::vector<std::byte> bytes_of(std::span<const Scalar> numbers) {
    std::vector<std::byte> bytes;
    append_bytes(bytes, numbers.data(), static_cast<Index>(numbers.size()));
    return bytes;
}

template <class Scalar>
struct Samples {
    Matrix<Scalar> outputs, targets;  // targets from 0 to 1, which all losses take
    std::vector<Scalar> weights;
};

template <class Scalar>
Samples<Scalar> samples_of(Index rows, Index cols, std::uint64_t seed = 1) {
    gacc::Rng rng(seed);
    Samples<Scalar> samples{
        random_matrix<Scalar>(rng, rows, cols, -3, 3), random_matrix<Scalar>(rng, rows, cols, 0, 1), {}};
    for (Index i = 0; i < rows; ++i) {
        samples.weights.push_back(rng.below(5) == 0 ? Scalar(0) : static_cast<Scalar>(rng.uniform(0.5, 2)));
    }
    return samples;
}

constexpr double no_number = std::numeric_limits<double>::quiet_NaN(),
                 infinity = std::numeric_limits<double>::infinity();

}  // namespace

#define EVERY_LOSS                                                                                          \
    gacc::MeanSquaredError<float>, gacc::MeanSquaredError<double>, gacc::Huber<float>, gacc::Huber<double>, \
        gacc::BinaryCrossEntropy<float>, gacc::BinaryCrossEntropy<double>
#define IN_DOUBLE gacc::MeanSquaredError<double>, gacc::Huber<double>, gacc::BinaryCrossEntropy<double>

TEST_CASE_TEMPLATE("TargetLoss: the gradient is that of central differences", Loss, IN_DOUBLE) {
    gacc::Rng rng(2);
    for (int shape = 0; shape < 120; ++shape) {
        const auto cols = static_cast<Index>(shape % 3 == 0 ? 1 : 1 + rng.below(12));
        const auto rows = static_cast<Index>(shape % 3 == 1 ? 1 : 1 + rng.below(9));
        CAPTURE(rows);
        CAPTURE(cols);
        auto samples = samples_of<double>(rows, cols, static_cast<std::uint64_t>(shape));
        if (shape % 2 == 0) { samples.weights.clear(); }
        for (Index i = 0; i < samples.outputs.size(); ++i) {  // not where Huber's second derivative jumps
            const double far = std::abs(samples.outputs.data()[i] - samples.targets.data()[i]) - 1;
            if (std::abs(far) < 1e-3) { samples.outputs.data()[i] += 0.01; }
        }
        Loss loss;
        const auto f = [&](const Matrix<double>& at) { return loss.value(at, samples.targets, samples.weights).sum; };
        loss.forward(samples.outputs, samples.targets, samples.weights);
        const Matrix<double> grad = loss.backward().grad;
        CHECK((grad - central_differences(samples.outputs, f)).cwiseAbs().maxCoeff() < 1e-8);  // gradients are about 1
    }
}

TEST_CASE("TargetLoss: gradients in a model, and the same bytes for any shape and cut") {
    const auto targets = []<class S>(gacc::Rng& rng, Index rows, Index outputs) {
        auto of = random_matrix<S>(rng, rows, outputs, 0, 1);
        for (Index i = 0; i < rows; ++i) {
            if (rng.below(5) == 0) { of(i, 0) = std::numeric_limits<S>::quiet_NaN(); }  // left out
        }
        return of;
    };
    check_loss([]<class S>() { return loss_with<gacc::MeanSquaredError<S>>(true); }, targets);
    // In double with a delta so large that no difference meets the jump of its second derivative; see above.
    check_loss([]<class S>() { return gacc::Huber<S>({.delta = sizeof(S) == 8 ? 100.0 : 1.0, .ignore_nan = true}); },
               targets);
    check_loss([]<class S>() { return loss_with<gacc::BinaryCrossEntropy<S>>(true); }, targets);
}

TEST_CASE_TEMPLATE("TargetLoss: neither the cut nor the number of threads changes a bit", Loss, EVERY_LOSS) {
    using Scalar = typename Traits<Loss>::Scalar;
    const int threads = gacc::threads();
    const auto all = samples_of<Scalar>(601, 153);  // enough work for several threads
    gacc::set_threads(1);
    Loss whole;
    const auto value = whole.forward(all.outputs, all.targets, all.weights);
    const auto losses = bytes_of(value.losses);
    const auto grad = gacc::test::bytes_of<Scalar>(whole.backward().grad);
    for (const int team : {1, 2, 3}) {
        for (const Index at_most : {1, 7, 128, 601}) {
            CAPTURE(team);
            CAPTURE(at_most);
            gacc::set_threads(team);
            Loss loss;
            std::vector<std::byte> part_losses, part_grad;
            for (Index first = 0; first < 601; first += at_most) {
                const Index count = std::min(at_most, 601 - first);
                const auto weights =
                    std::span(all.weights).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
                const auto part =
                    loss.forward(all.outputs.middleRows(first, count), all.targets.middleRows(first, count), weights);
                append_bytes(part_losses, part.losses.data(), count);
                const auto gradient = loss.backward();
                append_bytes(part_grad, gradient.grad.data(), gradient.grad.size());
            }
            CHECK(part_losses == losses);
            CHECK(part_grad == grad);
        }
    }
    gacc::set_threads(threads);
}

TEST_CASE_TEMPLATE("TargetLoss: value gives the bytes of forward, and keeps nothing", Loss, EVERY_LOSS) {
    using Scalar = typename Traits<Loss>::Scalar;
    for (const Index cols : {1, 2, 7, 16, 33, 100}) {
        const auto samples = samples_of<Scalar>(50, cols);
        Loss loss;
        const auto kept = loss.forward(samples.outputs, samples.targets, samples.weights);
        const std::size_t before = gacc::memory::live().total();
        const auto value = std::as_const(loss).value(samples.outputs, samples.targets, samples.weights);
        CHECK(gacc::memory::live().total() == before);
        CHECK(std::memcmp(&value.sum, &kept.sum, sizeof kept.sum) == 0);
        CHECK(value.weight == kept.weight);
        CHECK(value.mean() == kept.mean());
        CHECK(bytes_of<Scalar>(value.losses) == bytes_of(kept.losses));
        CHECK(bytes_of<Scalar>(value.weights) == bytes_of(kept.weights));
        CHECK_NOTHROW(loss.backward());  // of the forward, which still counts
    }
}

TEST_CASE_TEMPLATE("TargetLoss: takes temporary matrices, and rows that lie apart", Loss, EVERY_LOSS) {
    using Scalar = typename Traits<Loss>::Scalar;
    const auto samples = samples_of<Scalar>(5, 3);
    Matrix<Scalar> wide = Matrix<Scalar>::Constant(5, 8, Scalar(77));
    wide.leftCols(3) = samples.outputs;
    wide.rightCols(3) = samples.targets;
    Loss loss;
    const double expected = loss.forward(samples.outputs, samples.targets).sum;
    CHECK(loss.forward(Matrix<Scalar>(samples.outputs), Matrix<Scalar>(samples.targets)).sum == expected);
    CHECK(loss.forward(wide.leftCols(3), wide.rightCols(3)).sum == expected);
    CHECK(loss.value(wide.leftCols(3), wide.rightCols(3)).sum == expected);
}

TEST_CASE_TEMPLATE("TargetLoss: a weight multiplies the loss and the gradient of its sample", Loss, IN_DOUBLE) {
    const auto samples = samples_of<double>(3, 4);
    Loss loss;
    const auto plain = loss.value(samples.outputs, samples.targets);
    loss.forward(samples.outputs, samples.targets);
    const Matrix<double> grad = loss.backward().grad;
    const auto value = loss.forward(samples.outputs, samples.targets, std::vector<double>{2, 0.5, 0});
    CHECK(value.weight == 2.5);
    CHECK(value.losses[0] == 2 * plain.losses[0]);
    CHECK(value.losses[1] == 0.5 * plain.losses[1]);
    CHECK(value.losses[2] == 0);
    CHECK(value.sum == 2 * plain.losses[0] + 0.5 * plain.losses[1]);
    const Matrix<double> weighted = loss.backward().grad;
    CHECK(weighted.row(0) == 2 * grad.row(0));
    CHECK(weighted.row(1) == 0.5 * grad.row(1));
    CHECK(weighted.row(2).isZero(0));
}

TEST_CASE_TEMPLATE("TargetLoss: the gradient is a sum over samples, divided by the weight if the reduction says so",
                   Loss, IN_DOUBLE) {
    const auto samples = samples_of<double>(3, 4);
    const std::vector<double> weights{2, 0.5, 1.5};  // 4 in all
    Loss sums;
    sums.forward(samples.outputs, samples.targets, weights);
    const Matrix<double> sum = sums.backward().grad;
    for (const auto reduction : {Reduction::mean_of_micro_batch_means, Reduction::sum_of_micro_batch_means}) {
        auto loss = loss_with<Loss>(false, reduction);
        loss.forward(samples.outputs, samples.targets, weights);
        const auto gradient = loss.backward();
        CHECK(gradient.grad == sum / 4);
        CHECK(gradient.reduction == reduction);
    }
}

TEST_CASE_TEMPLATE("TargetLoss: a sample with a target that is NaN can be left out", Loss, IN_DOUBLE) {
    const auto samples = samples_of<double>(3, 2);
    auto loss = loss_with<Loss>(true);
    const auto plain = loss.value(samples.outputs, samples.targets);
    auto outputs = samples.outputs, targets = samples.targets;
    targets(1, 1) = no_number;
    outputs.row(1).setConstant(infinity);  // not even looked at
    const auto value = loss.forward(outputs, targets);
    CHECK(value.losses[0] == plain.losses[0]);
    CHECK(value.losses[1] == 0);
    CHECK(value.losses[2] == plain.losses[2]);
    CHECK(value.weight == 2);
    const auto gradient = loss.backward();
    CHECK(gradient.grad.row(1).isZero(0));
    CHECK(std::vector<double>(gradient.sample_weights.begin(), gradient.sample_weights.end()) ==
          std::vector<double>{1, 0, 1});
}

TEST_CASE_TEMPLATE("TargetLoss: a sample of weight 0 counts for nothing, whatever its outputs and targets are", Loss,
                   IN_DOUBLE) {
    Loss loss;
    const Matrix<double> outputs{{no_number, 1}, {0, 0}}, targets{{infinity, no_number}, {0.5, 0.5}};
    const auto value = loss.forward(outputs, targets, std::vector<double>{0, 2});
    CHECK(value.weight == 2);
    CHECK(value.losses[0] == 0);
    CHECK(std::isfinite(value.sum));
    CHECK(loss.backward().grad.row(0).isZero(0));
}

TEST_CASE_TEMPLATE("TargetLoss: an output that is NaN is seen in the loss", Loss, EVERY_LOSS) {
    using Scalar = typename Traits<Loss>::Scalar;
    Loss loss;
    Matrix<Scalar> outputs = Matrix<Scalar>::Zero(2, 3);
    outputs(1, 2) = std::numeric_limits<Scalar>::quiet_NaN();
    const Matrix<Scalar> targets = Matrix<Scalar>::Zero(2, 3);
    CHECK(std::isnan(loss.forward(outputs, targets).sum));
    CHECK(std::isnan(loss.backward().grad(1, 2)));
}

TEST_CASE_TEMPLATE("TargetLoss: keeps as many numbers a sample as it says, and no more the second time", Loss,
                   EVERY_LOSS) {
    using Scalar = typename Traits<Loss>::Scalar;
    const auto samples = samples_of<Scalar>(40, 9);
    const std::size_t before = gacc::memory::live()[gacc::memory::Kind::scratch];
    Loss loss;
    for (int i = 0; i < 3; ++i) {
        loss.forward(samples.outputs, samples.targets, samples.weights);
        CHECK(gacc::memory::live()[gacc::memory::Kind::scratch] - before ==
              static_cast<std::size_t>(40 * Loss::numbers_per_sample(9)) * sizeof(Scalar));
    }
}

TEST_CASE_TEMPLATE("TargetLoss: a smaller micro-batch after a larger one has its own size", Loss, IN_DOUBLE) {
    const auto samples = samples_of<double>(9, 5), small = samples_of<double>(2, 3);
    Loss loss, fresh;
    loss.forward(samples.outputs, samples.targets);
    const double expected = fresh.forward(small.outputs, small.targets).sum;
    CHECK(loss.forward(small.outputs, small.targets).sum == expected);
    CHECK(loss.backward().grad == fresh.backward().grad);
}

TEST_CASE_TEMPLATE("TargetLoss: what does not fit is an error, and the forward before it still counts", Loss,
                   IN_DOUBLE) {
    const std::string name = std::string("gacc: ") + Traits<Loss>::name;
    Loss loss;
    CHECK_THROWS_WITH_AS(loss.backward(),
                         (name + "::backward: expected a forward before every backward, got none").c_str(),
                         gacc::UsageError);
    const auto samples = samples_of<double>(3, 2);
    loss.forward(samples.outputs, samples.targets);
    Loss same;
    same.forward(samples.outputs, samples.targets);

    const auto refuses_shape = [&](const Matrix<double>& outputs, const Matrix<double>& targets,
                                   const std::vector<double>& weights, const std::string& text) {
        CHECK_THROWS_WITH_AS(loss.forward(outputs, targets, weights), (name + ": " + text).c_str(), gacc::ShapeError);
        CHECK_THROWS_WITH_AS(loss.value(outputs, targets, weights), (name + ": " + text).c_str(), gacc::ShapeError);
    };
    refuses_shape(Matrix<double>(0, 2), Matrix<double>(0, 2), {}, "expected outputs of 1 x 1 or more, got 0 x 2");
    refuses_shape(Matrix<double>(2, 0), Matrix<double>(2, 0), {}, "expected outputs of 1 x 1 or more, got 2 x 0");
    refuses_shape(samples.outputs, samples.targets.topRows(2), {},
                  "expected targets of 3 x 2, as the outputs, got 2 x 2");
    refuses_shape(samples.outputs, samples.targets.leftCols(1), {},
                  "expected targets of 3 x 2, as the outputs, got 3 x 1");
    refuses_shape(samples.outputs, samples.targets, {1, 1}, "expected a weight for each of 3 samples, got 2");

    const auto refuses = [&](const Matrix<double>& targets, const std::vector<double>& weights,
                             const std::string& text) {
        CHECK_THROWS_WITH_AS(loss.forward(samples.outputs, targets, weights), (name + ": " + text).c_str(),
                             gacc::UsageError);
        CHECK_THROWS_WITH_AS(loss.value(samples.outputs, targets, weights), (name + ": " + text).c_str(),
                             gacc::UsageError);
    };
    refuses(samples.targets, {1, -0.5, 1},
            "expected finite weights of 0 or more, got -0.5 for sample 1 of the micro-batch");
    const std::string expected = name == "gacc: BinaryCrossEntropy" ? "targets from 0 to 1" : "finite targets";
    Matrix<double> targets = samples.targets;
    targets(2, 1) = no_number;
    refuses(targets, {},
            "expected " + expected +
                ", got NaN for output 1 of sample 2 of the micro-batch; .ignore_nan = "
                "true leaves such samples out");
    targets(2, 1) = 0;
    targets(1, 0) = infinity;
    refuses(targets, {}, "expected " + expected + ", got inf for output 0 of sample 1 of the micro-batch");
    CHECK_THROWS_AS(loss_with<Loss>(true).forward(samples.outputs, targets), gacc::UsageError);

    CHECK(loss.backward().grad == same.backward().grad);
    CHECK_THROWS_AS(loss.backward(), gacc::UsageError);
}

}  // namespace target_loss_test
