#include "optim/pytorch_optimizers.hpp"

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/optim/adamw.hpp>
#include <gacc/optim/schedule.hpp>
#include <gacc/optim/sgd.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

namespace pytorch_optimizers_test {

using gacc::Matrix;
using gacc::vectors;
namespace pytorch = gacc::test::pytorch;

namespace {

/// W 2 x 3 and b 2. An optimizer moves them from pytorch::start, with gradients factor * (number - center).
struct Subject {
    Subject() {
        parameters[0].set_value(Eigen::Map<const Matrix<double>>(pytorch::start, 2, 3));
        parameters[1].set_value(Eigen::Map<const Matrix<double>>(pytorch::start + 6, 1, 2));
    }
    static Matrix<double> grad(const Matrix<double>& value, int first) {
        Matrix<double> grad(value.rows(), value.cols());
        for (int i = 0; i < value.size(); ++i) {
            grad.data()[i] = pytorch::factor[first + i] * (value.data()[i] - pytorch::center[first + i]);
        }
        return grad;
    }
    void step(gacc::Optimizer<double>& optimizer) {
        const Matrix<double> x = Matrix<double>::Zero(1, 3), grad_y = Matrix<double>::Zero(1, 2);
        model.forward(x);
        model.backward({grad_y, std::vector<double>{1}});
        parameters[0].set_grad(grad(parameters[0].value(), 0));
        parameters[1].set_grad(grad(parameters[1].value(), 6));
        optimizer.step();
        optimizer.zero_grad();
    }

    gacc::Sequential<double> model{gacc::Linear<double>(3, 2)};
    gacc::Parameters<double> parameters = model.parameters();
};

/// The largest distance from the trajectory, divided by the largest element of its tensor.
template <class Schedule>
double error(Subject& subject, auto& optimizer, const pytorch::Trajectory& expected, const Schedule& schedule) {
    double worst = 0;
    int steps = 0;
    for (std::size_t row = 0; row < std::size(pytorch::steps); ++row) {
        for (; steps < pytorch::steps[row]; ++steps) {
            optimizer.set_learning_rate(schedule(optimizer.steps()));
            subject.step(optimizer);
        }
        int first = 0;
        for (const auto& parameter : subject.parameters) {
            const Matrix<double> value = parameter.value();
            const Eigen::Map<const Matrix<double>> wanted(expected[row] + first, value.rows(), value.cols());
            worst = std::max(worst, (value - wanted).cwiseAbs().maxCoeff() / wanted.cwiseAbs().maxCoeff());
            first += static_cast<int>(value.size());
        }
    }
    return worst;
}

/// The distance of an optimizer. If options for vectors are given, they are a group.
template <class Optimizer, class Options>
double error(const pytorch::Trajectory& expected, const Options& options, const gacc::GroupOptions& of_vectors = {}) {
    Subject subject;
    Optimizer optimizer(subject.parameters, options);
    if (of_vectors.learning_rate || of_vectors.weight_decay) { optimizer.group(vectors, of_vectors); }
    return error(subject, optimizer, expected, gacc::Constant(options.learning_rate));
}
double adam_error(const pytorch::Trajectory& expected, const gacc::AdamOptions& options,
                  const gacc::GroupOptions& of_vectors = {}) {
    return error<gacc::Adam<double>>(expected, options, of_vectors);
}
double adamw_error(const pytorch::Trajectory& expected, const gacc::AdamWOptions& options,
                   const gacc::GroupOptions& of_vectors = {}) {
    return error<gacc::AdamW<double>>(expected, options, of_vectors);
}
double sgd_error(const pytorch::Trajectory& expected, const gacc::SGDOptions& options,
                 const gacc::GroupOptions& of_vectors = {}) {
    return error<gacc::SGD<double>>(expected, options, of_vectors);
}

/// Some hundred roundings of 1e-16; the trajectories are from 0.01 to 1 apart.
constexpr double bound = 1e-12;

const gacc::WarmUp schedule(5, gacc::CosineDecay(0.05, 30, 0.001));

}  // namespace

TEST_CASE("Adam: PyTorch's trajectory, also clipped, and with groups") {
    CHECK(adam_error(pytorch::adam, {.learning_rate = 0.05}) < bound);
    CHECK(adam_error(pytorch::adam_others, {.learning_rate = 0.05, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 0.1}) < bound);
    CHECK(adam_error(pytorch::adam_clipped, {.learning_rate = 0.05, .clip_norm = 0.5}) < bound);
    CHECK(adam_error(pytorch::adam_groups, {.learning_rate = 0.05}, {.learning_rate = 0.2}) < bound);
    CHECK(adam_error(pytorch::adam_groups, {.learning_rate = 0.05}) > 1e-2);
    CHECK(adam_error(pytorch::adam_clipped, {.learning_rate = 0.05}) > 1e-3);
}

TEST_CASE("AdamW: PyTorch's trajectory, also with groups and a schedule") {
    CHECK(adamw_error(pytorch::adamw, {.learning_rate = 0.05}) < bound);
    const gacc::AdamWOptions options{.learning_rate = 0.05, .weight_decay = 0.3};
    CHECK(adamw_error(pytorch::adamw_groups, options, {.learning_rate = 0.2, .weight_decay = 0}) < bound);
    CHECK(adamw_error(pytorch::adamw_groups, options, {.learning_rate = 0.2}) > 1e-2);
    CHECK(adam_error(pytorch::adamw, {.learning_rate = 0.05}) > 1e-3);

    Subject subject;
    gacc::AdamW<double> adamw(subject.parameters, options);
    adamw.group(vectors, {.learning_rate = 0.2});
    CHECK(error(subject, adamw, pytorch::adamw_schedule, schedule) < bound);
}

TEST_CASE("SGD: PyTorch's trajectory, also with momentum, Nesterov's, clipped, with groups and a schedule") {
    CHECK(sgd_error(pytorch::sgd, {.learning_rate = 0.05}) < bound);
    CHECK(sgd_error(pytorch::sgd_momentum, {.learning_rate = 0.05, .momentum = 0.9}) < bound);
    const gacc::SGDOptions nesterov{.learning_rate = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.3};
    CHECK(sgd_error(pytorch::sgd_nesterov, nesterov) < bound);
    const gacc::SGDOptions decaying{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.3};
    CHECK(sgd_error(pytorch::sgd_nesterov, decaying) > 1e-2);
    CHECK(sgd_error(pytorch::sgd_clipped,
                    {.learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.3, .clip_norm = 0.5}) < bound);
    CHECK(sgd_error(pytorch::sgd_groups, decaying, {.learning_rate = 0.1, .weight_decay = 0}) < bound);

    Subject subject;
    gacc::SGD<double> sgd(subject.parameters, decaying);
    sgd.group(vectors, {.weight_decay = 0});
    CHECK(error(subject, sgd, pytorch::sgd_schedule, schedule) < bound);
}

}  // namespace pytorch_optimizers_test
