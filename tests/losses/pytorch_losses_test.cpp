#include "losses/pytorch_losses.hpp"

#include <gacc/losses/binary_cross_entropy.hpp>
#include <gacc/losses/huber.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace pytorch_losses_test {

using gacc::ConstMatrixView;
using gacc::Matrix;

namespace {

struct Result {
    double mean, weight;
    Matrix<double> grad;  // of the sum
};

template <class Loss, class Targets>
Result result_of(Loss loss, const PyTorchLoss& theirs, const Targets& targets) {
    const ConstMatrixView<double> outputs(theirs.outputs.data(), theirs.rows, theirs.cols);
    const auto value = loss.forward(outputs, targets, theirs.weights);
    return {value.mean(), value.weight, loss.backward().grad};
}

Result result_of(const PyTorchLoss& theirs) {
    const std::string loss = theirs.loss;
    if (loss == "softmax") {
        const std::vector<gacc::Label> labels(theirs.targets.begin(), theirs.targets.end());
        return result_of(gacc::SoftmaxCrossEntropy<double>({.label_smoothing = theirs.parameter}), theirs, labels);
    }
    const ConstMatrixView<double> targets(theirs.targets.data(), theirs.rows, theirs.cols);
    if (loss == "squared") { return result_of(gacc::MeanSquaredError<double>(), theirs, targets); }
    if (loss == "huber") { return result_of(gacc::Huber<double>({.delta = theirs.parameter}), theirs, targets); }
    REQUIRE(loss == "binary");
    return result_of(gacc::BinaryCrossEntropy<double>(), theirs, targets);
}

}  // namespace

TEST_CASE("Losses: values and gradients are those of PyTorch in double") {
    CHECK(pytorch_losses.size() == 21);
    for (const PyTorchLoss& theirs : pytorch_losses) {
        CAPTURE(theirs.loss);
        CAPTURE(theirs.rows);
        CAPTURE(theirs.parameter);
        const Result ours = result_of(theirs);
        const ConstMatrixView<double> expected(theirs.grad.data(), theirs.rows, theirs.cols);
        const Matrix<double> grad = ours.grad / ours.weight;  // as step() divides
        // Some units in the last place of the largest element; the effects (a factor, a class, a weight) are above 1 %.
        CHECK(std::abs(ours.mean - theirs.mean) <= 1e-12 * std::abs(theirs.mean));
        CHECK((grad - expected).cwiseAbs().maxCoeff() <= 1e-12 * expected.cwiseAbs().maxCoeff());
    }
}

}  // namespace pytorch_losses_test
