// The purpose of the library: the gradient of a batch does not depend on how it is cut into micro-batches.

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include <algorithm>
#include <span>
#include <vector>

namespace accumulation_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Label;
using gacc::Linear;
using gacc::Matrix;
using gacc::Reduction;

namespace {

constexpr Index largest_batch = 64;

/// Sizes of the micro-batches, in order.
using Cut = std::vector<Index>;

/// Micro-batches of `micro_batch` samples, and a smaller one for the rest.
Cut even_cut(Index batch, Index micro_batch) {
    Cut cut;
    for (Index left = batch; left > 0; left -= cut.back()) { cut.push_back(std::min(left, micro_batch)); }
    return cut;
}

Cut ragged_cut(gacc::Rng& rng, Index batch) {
    Cut cut;
    for (Index left = batch; left > 0; left -= cut.back()) {
        cut.push_back(1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(std::min(left, Index{20})))));
    }
    return cut;
}

/// The input of a step: the gradients of all parameters, and the weight by which it divides them.
template <class Scalar>
struct Gradients {
    std::vector<Matrix<Scalar>> sums;
    double weight;
};

/// The largest difference of two gradients, relative to their largest element.
template <class Scalar>
double difference(const std::vector<Matrix<Scalar>>& a, const std::vector<Matrix<Scalar>>& b) {
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        largest = std::max(largest, static_cast<double>(b[i].cwiseAbs().maxCoeff()));
        difference = std::max(difference, static_cast<double>((a[i] - b[i]).cwiseAbs().maxCoeff()));
    }
    return largest > 0 ? difference / largest : difference;
}

/// For gradients that are divided at another time. There is at most one rounding for each sample: 64 x 6e-8 = 4e-6 in
/// float, 64 x 1.1e-16 = 7e-15 in double. A wrong average is off by more than 1e-2, see the last tests.
template <class Scalar>
constexpr double tolerance = std::is_same_v<Scalar, float> ? 5e-6 : 1e-12;

/// Whether two cuts of a batch gave the same gradients, bit for bit.
template <class Scalar>
bool same(const Gradients<Scalar>& a, const Gradients<Scalar>& b) {
    bool equal = a.sums.size() == b.sums.size() && a.weight == b.weight;
    for (std::size_t i = 0; equal && i < a.sums.size(); ++i) {
        const auto bytes = static_cast<std::size_t>(a.sums[i].size()) * sizeof(Scalar);
        equal = std::memcmp(a.sums[i].data(), b.sums[i].data(), bytes) == 0;
    }
    return equal;
}

struct Kind {
    bool weighted = false, ignored = false;
};

/// A 5-7-6-4 perceptron and 64 samples for it.
template <class Scalar>
class Experiment {
public:
    explicit Experiment(Kind kind = {})
        : model_(Linear<Scalar>(5, 7), gacc::ReLU<Scalar>(), Linear<Scalar>(7, 6), gacc::ReLU<Scalar>(),
                 Linear<Scalar>(6, 4)) {
        gacc::Rng rng(1);
        model_.initialize(rng);
        inputs_ = random_matrix<Scalar>(rng, largest_batch, 5);
        for (Index i = 0; i < largest_batch; ++i) {
            const bool ignored = kind.ignored && rng.below(3) == 0;
            labels_.push_back(ignored ? -100 : static_cast<Label>(rng.below(4)));
            if (kind.weighted) { weights_.push_back(static_cast<Scalar>(rng.uniform(0, 3))); }
        }
    }

    /// The gradients of the first samples, as many as the cut has.
    Gradients<Scalar> gradients(const Cut& cut, Reduction reduction = Reduction::mean_over_samples) {
        gacc::SoftmaxCrossEntropy<Scalar> loss({.reduction = reduction});
        const auto parameters = model_.parameters();
        parameters.zero_grad();
        Index first = 0;
        for (const Index count : cut) {
            const auto from = static_cast<std::size_t>(first), size = static_cast<std::size_t>(count);
            const auto weights = std::span<const Scalar>(weights_);
            loss.forward(model_.forward(inputs_.middleRows(first, count)), std::span(labels_).subspan(from, size),
                         weights.empty() ? weights : weights.subspan(from, size));
            model_.backward(loss.backward());
            first += count;
        }
        Gradients<Scalar> out{{}, parameters.tally().weight()};
        for (const auto& parameter : parameters) { out.sums.push_back(parameter.grad()); }
        return out;
    }

    /// The mean gradients that a step uses.
    std::vector<Matrix<Scalar>> mean_gradients(const Cut& cut, Reduction reduction) {
        auto out = gradients(cut, reduction);
        for (auto& sum : out.sums) { sum /= static_cast<Scalar>(out.weight); }
        return out.sums;
    }

private:
    gacc::Sequential<Scalar> model_;
    Matrix<Scalar> inputs_;        // 64 x 5
    std::vector<Label> labels_;    // 64
    std::vector<Scalar> weights_;  // 64, or none
};

/// All 2,080 pairs of a batch of 1 to 64 and a micro-batch of 1 to the batch.
template <class Scalar>
void check_all_pairs(Kind kind) {
    Experiment<Scalar> experiment(kind);
    int pairs = 0;
    for (Index batch = 1; batch <= largest_batch; ++batch) {
        const auto uncut = experiment.gradients({batch});
        for (Index micro_batch = 1; micro_batch <= batch; ++micro_batch) {
            CAPTURE(batch);
            CAPTURE(micro_batch);
            CHECK(same(experiment.gradients(even_cut(batch, micro_batch)), uncut));
            ++pairs;
        }
    }
    CHECK(pairs == 2080);
}

template <class Scalar>
void check_ragged_cuts(Kind kind) {
    Experiment<Scalar> experiment(kind);
    gacc::Rng rng(2);
    for (int trial = 0; trial < 300; ++trial) {
        const auto batch = static_cast<Index>(1 + rng.below(largest_batch));
        const Cut cut = ragged_cut(rng, batch);
        CAPTURE(trial);
        CHECK(same(experiment.gradients(cut), experiment.gradients({batch})));
    }
}

}  // namespace

TEST_CASE_TEMPLATE("Accumulation: every micro-batch gives the gradients of the uncut batch", Scalar, float, double) {
    check_all_pairs<Scalar>({});
}

TEST_CASE_TEMPLATE("Accumulation: so it does with a weight for each sample", Scalar, float, double) {
    check_all_pairs<Scalar>({.weighted = true});
}

TEST_CASE_TEMPLATE("Accumulation: so it does with ignored samples", Scalar, float, double) {
    check_all_pairs<Scalar>({.ignored = true});
}

TEST_CASE_TEMPLATE("Accumulation: so it does with both", Scalar, float, double) {
    check_all_pairs<Scalar>({.weighted = true, .ignored = true});
}

TEST_CASE_TEMPLATE("Accumulation: micro-batches may be of any sizes", Scalar, float, double) {
    check_ragged_cuts<Scalar>({});
    check_ragged_cuts<Scalar>({.weighted = true, .ignored = true});
}

TEST_CASE_TEMPLATE("Accumulation: the mean over samples is that of the uncut batch, the mean of means is not", Scalar,
                   float, double) {
    const Cut ragged{30, 30, 4};
    for (const bool weighted : {false, true}) {
        Experiment<Scalar> experiment({.weighted = weighted, .ignored = true});
        const auto uncut = experiment.mean_gradients({64}, Reduction::mean_over_samples);
        CHECK(difference(experiment.mean_gradients(ragged, Reduction::mean_over_samples), uncut) < tolerance<Scalar>);
        CHECK(difference(experiment.mean_gradients(ragged, Reduction::mean_of_micro_batch_means), uncut) > 1e-2);
        CHECK(difference(experiment.mean_gradients(ragged, Reduction::sum_of_micro_batch_means), uncut) > 1);
    }
}

TEST_CASE_TEMPLATE("Accumulation: where every micro-batch weighs the same, the mean of means is right too", Scalar,
                   float, double) {
    Experiment<Scalar> experiment;
    const auto uncut = experiment.mean_gradients({64}, Reduction::mean_over_samples);
    const Cut even = even_cut(64, 16);
    CHECK(difference(experiment.mean_gradients(even, Reduction::mean_of_micro_batch_means), uncut) < tolerance<Scalar>);
    // The notebook's sum of four means is four times that.
    auto sum = experiment.mean_gradients(even, Reduction::sum_of_micro_batch_means);
    for (auto& matrix : sum) { matrix /= 4; }
    CHECK(difference(sum, uncut) < tolerance<Scalar>);
}

TEST_CASE("Accumulation: a micro-batch of ignored samples does not count in a mean of means") {
    Experiment<double> experiment;
    Experiment<double> with_ignored({.ignored = true});
    const auto weight = [&](const Cut& cut, Reduction reduction) {
        return with_ignored.gradients(cut, reduction).weight;
    };
    CHECK(experiment.gradients(even_cut(64, 1), Reduction::mean_of_micro_batch_means).weight == 64);
    const double counted = weight({64}, Reduction::mean_over_samples);
    CHECK(counted < 64);
    CHECK(weight(even_cut(64, 1), Reduction::mean_of_micro_batch_means) == counted);
    CHECK(weight(even_cut(64, 1), Reduction::sum_of_micro_batch_means) == 1);
}

}  // namespace accumulation_test
