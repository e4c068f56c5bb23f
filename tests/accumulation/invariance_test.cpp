// The promise that neither the cut nor the number of threads changes one bit, over random perceptrons.

#include <gacc/gacc.hpp>

#include "support/long_tests.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <vector>

namespace invariance_test {

namespace {

using gacc::Index;
using gacc::Matrix;

/// All results of a step, compared as bytes.
template <class Scalar>
struct Outcome {
    std::vector<Matrix<Scalar>> gradients, parameters;
    double loss = 0;

    bool operator==(const Outcome& other) const {
        return same(gradients, other.gradients) && same(parameters, other.parameters) &&
               std::memcmp(&loss, &other.loss, sizeof loss) == 0;
    }

private:
    static bool same(const std::vector<Matrix<Scalar>>& a, const std::vector<Matrix<Scalar>>& b) {
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (std::memcmp(a[i].data(), b[i].data(), static_cast<std::size_t>(a[i].size()) * sizeof(Scalar)) != 0) {
                return false;
            }
        }
        return a.size() == b.size();
    }
};

/// A random perceptron with a batch for it: widths 1 to 300, depth 1 to 5, batch 1 to 100.
template <class Scalar>
class Experiment {
public:
    explicit Experiment(std::uint64_t seed) : rng_(seed) {
        if (seed % 2 == 0) { clip_norm_ = 1e-2; }  // every gradient here is longer
        const std::uint64_t depth = 1 + rng_.below(5);
        for (std::uint64_t i = 0; i <= depth; ++i) { widths_.push_back(1 + static_cast<Index>(rng_.below(300))); }
        const Index batch = 1 + static_cast<Index>(rng_.below(100));
        inputs_ = gacc::Tensor<Scalar>({batch, widths_.front()});
        for (Index i = 0; i < inputs_.size(); ++i) { inputs_.data()[i] = static_cast<Scalar>(rng_.normal()); }
        for (Index i = 0; i < batch; ++i) {
            labels_.push_back(static_cast<gacc::Label>(rng_.below(static_cast<std::uint64_t>(widths_.back()))));
            weights_.push_back(static_cast<Scalar>(rng_.uniform()));
        }
    }

    std::vector<Index> random_cut() {
        std::vector<Index> cut;
        for (Index left = inputs_.samples(); left > 0; left -= cut.back()) {
            cut.push_back(1 + static_cast<Index>(rng_.below(static_cast<std::uint64_t>(left))));
        }
        return cut;
    }
    std::vector<Index> uncut() const { return {inputs_.samples()}; }
    std::vector<Index> single() const { return std::vector<Index>(static_cast<std::size_t>(inputs_.samples()), 1); }

    /// Two steps over the batch in micro-batches of these sizes.
    Outcome<Scalar> train(const std::vector<Index>& cut, int threads) const {
        gacc::set_threads(threads);
        gacc::Sequential<Scalar> model;
        for (std::size_t i = 0; i + 1 < widths_.size(); ++i) {
            if (i > 0) { model.add(gacc::ReLU<Scalar>()); }
            model.add(gacc::Linear<Scalar>(widths_[i], widths_[i + 1]));
        }
        gacc::Rng rng(1);
        model.initialize(rng);
        gacc::SoftmaxCrossEntropy<Scalar> loss;
        gacc::Adam adam(model.parameters(), {.clip_norm = clip_norm_});

        Outcome<Scalar> outcome;
        for (int step = 0; step < 2; ++step) {
            gacc::MeanLoss mean;
            std::size_t first = 0;
            for (const Index size : cut) {
                const auto count = static_cast<std::size_t>(size);
                mean.add(loss.forward(model.forward(inputs_.rows(static_cast<Index>(first), size)),
                                      std::span(labels_).subspan(first, count),
                                      std::span(weights_).subspan(first, count)));
                model.backward(loss.backward());
                first += count;
            }
            for (const auto& parameter : adam.parameters()) { outcome.gradients.push_back(parameter.grad()); }
            adam.step();
            adam.zero_grad();
            outcome.loss += mean.mean();
        }
        for (const auto& parameter : adam.parameters()) { outcome.parameters.push_back(parameter.value()); }
        return outcome;
    }

private:
    gacc::Rng rng_;
    double clip_norm_ = std::numeric_limits<double>::infinity();
    std::vector<Index> widths_;
    gacc::Tensor<Scalar> inputs_;
    std::vector<gacc::Label> labels_;
    std::vector<Scalar> weights_;
};

#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
constexpr int share = 10;  // fewer experiments where each takes ten times as long
#else
constexpr int share = 1;
#endif

template <class Scalar>
void check(int experiments) {
    experiments /= share;
    const int before = gacc::threads();
    int changed = 0;
    for (int seed = 0; seed < experiments; ++seed) {
        CAPTURE(seed);
        Experiment<Scalar> experiment(static_cast<std::uint64_t>(seed));
        const auto expected = experiment.train(experiment.uncut(), 1);
        REQUIRE(experiment.train(experiment.random_cut(), 1) == expected);
        REQUIRE(experiment.train(experiment.random_cut(), 2 + seed % 3) == expected);
        if (seed % 10 == 0) { REQUIRE(experiment.train(experiment.single(), 1) == expected); }
        changed += expected.parameters != expected.gradients ? 1 : 0;
    }
    CHECK(changed == experiments);  // the experiments do train
    gacc::set_threads(before);
}

}  // namespace

TEST_CASE("Invariance: the cut and the threads do not change a bit, over 100 random perceptrons; long: 1000") {
    check<float>(gacc::test::long_tests() ? 1000 : 100);
}

TEST_CASE("Invariance: nor in double, over 20; long: 200") { check<double>(gacc::test::long_tests() ? 200 : 20); }

}  // namespace invariance_test
