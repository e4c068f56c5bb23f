// 1,000 steps from given gradients, beside PyTorch's optimizers and authors' formulas in double.

#include "optim/long_trajectories.hpp"

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adafactor.hpp>
#include <gacc/optim/lion.hpp>
#include <gacc/optim/muon.hpp>
#include <gacc/optim/nadam.hpp>
#include <gacc/optim/rmsprop.hpp>
#include <gacc/optim/schedule.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace long_trajectories_test {

using gacc::Index;
using gacc::Matrix;
using gacc::vectors;
namespace trajectories = gacc::test::trajectories;

namespace {

/// As Numbers in long_trajectories.py.
struct Numbers {
    std::uint64_t state;

    Matrix<double> matrix(Index rows, Index cols) {
        Matrix<double> matrix(rows, cols);
        for (Index i = 0; i < matrix.size(); ++i) {
            state = (state * 1103515245 + 12345) % (std::uint64_t{1} << 31);
            matrix.data()[i] = static_cast<double>(state) / 0x1p30 - 1 + 0.25 * static_cast<double>(i % 3 - 1);
        }
        return matrix;
    }
};

struct Subject {
    Subject() {
        Numbers start{1};
        for (auto& parameter : parameters) { parameter.set_value(start.matrix(parameter.rows(), parameter.cols())); }
    }
    void step(gacc::Optimizer<double>& optimizer) {
        gacc::GradientTally tally = parameters.tally();
        tally.add<double>(gacc::Reduction::mean_over_samples, std::vector<double>{4});
        parameters.set_tally(tally);
        for (auto& parameter : parameters) {
            parameter.set_grad(4 * given.matrix(parameter.rows(), parameter.cols()));
        }
        optimizer.step();
        optimizer.zero_grad();
    }

    gacc::Sequential<double> model{gacc::Linear<double>(4, 6), gacc::Linear<double>(6, 2)};
    gacc::Parameters<double> parameters = model.parameters();
    Numbers given{2};
};

/// The largest distance from the trajectory, divided by the largest element of its tensor.
template <class Optimizer, class Schedule>
double error(const trajectories::Trajectory& expected, Subject& subject, Optimizer& optimizer, const Schedule& schedule) {
    double worst = 0;
    for (std::size_t row = 0; row < std::size(trajectories::steps); ++row) {
        while (optimizer.steps() < trajectories::steps[row]) {
            optimizer.set_learning_rate(schedule(optimizer.steps()));
            subject.step(optimizer);
        }
        Index first = 0;
        for (const auto& parameter : subject.parameters) {
            const Matrix<double> value = parameter.value();
            const Eigen::Map<const Matrix<double>> wanted(expected[row] + first, value.rows(), value.cols());
            worst = std::max(worst, (value - wanted).cwiseAbs().maxCoeff() / wanted.cwiseAbs().maxCoeff());
            first += value.size();
        }
    }
    return worst;
}
template <class Optimizer, class Options>
double error(const trajectories::Trajectory& expected, const Options& options) {
    Subject subject;
    Optimizer optimizer(subject.parameters, options);
    return error(expected, subject, optimizer, gacc::Constant(options.learning_rate));
}
/// The same with a group of vectors that have twice the learning rate and no decay, and a rate that falls to 0.
template <class Optimizer, class Options>
double error_with_groups(const trajectories::Trajectory& expected, const Options& options) {
    Subject subject;
    Optimizer optimizer(subject.parameters, options);
    optimizer.group(vectors, {.learning_rate = 2 * options.learning_rate, .weight_decay = 0});
    return error(expected, subject, optimizer, gacc::CosineDecay(options.learning_rate, 1000));
}

/// Some thousand roundings of 1e-16; the trajectories are from 1e-4 to 10 apart.
constexpr double bound = 1e-12;

}  // namespace

TEST_CASE("Lion: the authors' formula over 1,000 steps, also with groups and a schedule") {
    CHECK(error<gacc::Lion<double>>(trajectories::lion, gacc::LionOptions()) < bound);
    const gacc::LionOptions others{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.3};
    CHECK(error_with_groups<gacc::Lion<double>>(trajectories::lion_others, others) < bound);
    CHECK(error<gacc::Lion<double>>(trajectories::lion, gacc::LionOptions{.beta2 = 0.98}) > 1e-4);
}

TEST_CASE("RMSprop: PyTorch's trajectory over 1,000 steps, also with momentum, centered, with groups and a schedule") {
    using gacc::RMSprop, gacc::RMSpropOptions;
    CHECK(error<RMSprop<double>>(trajectories::rmsprop, RMSpropOptions()) < bound);
    const RMSpropOptions momentum{
        .learning_rate = 0.01, .alpha = 0.9, .epsilon = 1e-3, .momentum = 0.8, .weight_decay = 0.3};
    CHECK(error_with_groups<RMSprop<double>>(trajectories::rmsprop_momentum, momentum) < bound);
    CHECK(error<RMSprop<double>>(trajectories::rmsprop_centered, RMSpropOptions{.centered = true}) < bound);
    const RMSpropOptions both{.learning_rate = 1e-3, .momentum = 0.9, .centered = true};
    CHECK(error<RMSprop<double>>(trajectories::rmsprop_both, both) < bound);
    CHECK(error<RMSprop<double>>(trajectories::rmsprop_centered, RMSpropOptions()) > 1e-3);
}

TEST_CASE("NAdam: PyTorch's trajectory over 1,000 steps, also with both decays, with groups and a schedule") {
    using gacc::NAdam, gacc::NAdamOptions;
    CHECK(error<NAdam<double>>(trajectories::nadam, NAdamOptions()) < bound);
    const NAdamOptions coupled{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .momentum_decay = 0.02,
                               .weight_decay = 0.3};
    CHECK(error_with_groups<NAdam<double>>(trajectories::nadam_coupled, coupled) < bound);
    const NAdamOptions decoupled{.learning_rate = 0.01, .weight_decay = 0.3, .decoupled_weight_decay = true};
    CHECK(error_with_groups<NAdam<double>>(trajectories::nadam_decoupled, decoupled) < bound);
    CHECK(error<NAdam<double>>(trajectories::nadam, NAdamOptions{.momentum_decay = 0}) > 1e-4);
}

TEST_CASE("Adafactor: PyTorch's trajectory over 1,000 steps, also with other options, with groups and a schedule") {
    using gacc::Adafactor, gacc::AdafactorOptions;
    CHECK(error<Adafactor<double>>(trajectories::adafactor, AdafactorOptions()) < bound);
    const AdafactorOptions others{.learning_rate = 0.05, .beta2_decay = -0.5, .epsilon1 = 1e-2, .epsilon2 = 0.5,
                                  .clip_threshold = 1.25, .weight_decay = 0.3};
    CHECK(error_with_groups<Adafactor<double>>(trajectories::adafactor_others, others) < bound);
    CHECK(error<Adafactor<double>>(trajectories::adafactor, AdafactorOptions{.clip_threshold = 1.1}) > 1e-4);
}

TEST_CASE("Muon: the authors' algorithm in double over 1,000 steps, with PyTorch's AdamW for vectors") {
    using gacc::Muon, gacc::MuonOptions;
    CHECK(error<Muon<double>>(trajectories::muon, MuonOptions()) < bound);
    const MuonOptions plain{
        .learning_rate = 0.02,
        .momentum = 0.9,
        .nesterov = false,
        .weight_decay = 0,
        .adamw = {.learning_rate = 0.003, .beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.2}};
    CHECK(error<Muon<double>>(trajectories::muon_plain, plain) < bound);
    CHECK(error<Muon<double>>(trajectories::muon, MuonOptions{.nesterov = false}) > 1e-4);
}

TEST_CASE("Muon: the same with AdamW for a matrix too, with groups and a schedule") {
    Subject subject;
    const gacc::MuonOptions options{
        .learning_rate = 0.02, .weight_decay = 0.3, .match_rms_adamw = true, .adamw = {.learning_rate = 0.01}};
    gacc::Muon<double> muon(subject.parameters, options, [](const auto& each) { return each.name() == "1.weight"; });
    muon.group(vectors, {.learning_rate = 0.02, .weight_decay = 0});
    CHECK(error(trajectories::muon_others, subject, muon, gacc::CosineDecay(0.02, 1000)) < bound);
}

}  // namespace long_trajectories_test
