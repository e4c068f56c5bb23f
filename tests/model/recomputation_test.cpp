#include <gacc/model/recomputation.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <tuple>
#include <vector>

namespace recomputation_test {

using gacc::Activation;
using gacc::Index;
using gacc::Matrix;
using gacc::detail::sample_numbers;
using Space = gacc::Workspace<float>;

namespace {

std::vector<Activation> equal(std::size_t count, Index width) {
    return {count, Activation{width, true, width * width}};
}

/// The least memory, found by trying every choice.
Index least_by_trial(std::vector<Activation> activations, Index samples) {
    Index least = Space::activation_numbers(activations, samples);
    for (unsigned choice = 0; choice < 1U << (activations.size() - 1); ++choice) {
        for (std::size_t i = 0; i + 1 < activations.size(); ++i) { activations[i].kept = (choice >> i & 1) != 0; }
        least = std::min(least, Space::activation_numbers(activations, samples));
    }
    return least;
}

/// y = tanh(x), not in place. Its backward reads only y.
struct Tanh : gacc::Layer<float> {
    std::string description() const override { return "Tanh"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x, .reads_x = false}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x.array().tanh().matrix(); }
    void backward(gacc::Backward<float> call) override {
        call.grad_x = (call.grad_y.array() * (1 - call.y.array().square())).matrix();
    }
};

/// y = x². Its backward reads only x.
struct Square : gacc::Layer<float> {
    std::string description() const override { return "Square"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x, .reads_y = false}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x.array().square().matrix(); }
    void backward(gacc::Backward<float> call) override {
        call.grad_x = (2 * call.x.array() * call.grad_y.array()).matrix();
    }
};

gacc::Sequential<float> random_model(gacc::Rng& rng, Index in, int depth) {
    gacc::Sequential<float> model;
    for (int i = 0; i < depth; ++i) {
        const Index out = 1 + static_cast<Index>(rng.below(40));
        model.add(gacc::Linear(in, out));
        for (std::uint64_t j = rng.below(3); j > 0; --j) {
            switch (rng.below(4)) {
                case 0:
                    model.add(Tanh());
                    break;
                case 1:
                    model.add(Square());
                    break;
                default:
                    model.add(gacc::ReLU());
            }
        }
        in = out;
    }
    return model;
}

}  // namespace

TEST_CASE("least_memory: no choice of activations takes less") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        std::vector<Activation> activations(1 + rng.below(9));
        for (Activation& activation : activations) { activation.width = 1 + static_cast<Index>(rng.below(200)); }
        for (const Index samples : {Index{1}, Index{50}, Index{1000}}) {
            const auto chosen = gacc::least_memory<float>(activations, samples);
            CHECK(chosen.back().kept);
            CHECK(Space::activation_numbers(chosen, samples) == least_by_trial(activations, samples));
        }
    }
}

TEST_CASE("keep_least: of all choices without a longer run it keeps the fewest numbers, then has the least to do again") {
    gacc::Rng rng(3);
    for (int trial = 0; trial < 100; ++trial) {
        std::vector<Activation> activations(1 + rng.below(9));
        for (Activation& activation : activations) {  // few widths, so many choices keep the same number
            activation.width = 16 * (1 + static_cast<Index>(rng.below(2)));
            activation.work = 1 + static_cast<Index>(rng.below(50));
        }
        for (const Index longest : {0, 16, 32, 48, 80}) {
            const auto cost = [&](const std::vector<Activation>& chosen) {
                Index kept = 0, work = 0, run = 0;
                bool allowed = chosen.back().kept;
                for (const Activation& activation : chosen) {
                    kept += activation.kept ? sample_numbers<float>(activation) : 0;
                    work += activation.kept ? 0 : activation.work;
                    run = activation.kept ? 0 : run + sample_numbers<float>(activation);
                    allowed = allowed && run <= longest;
                }
                return std::tuple(!allowed, kept, work);
            };
            auto least = cost(activations);
            auto choice = activations;
            for (unsigned bits = 0; bits < 1U << (choice.size() - 1); ++bits) {
                for (std::size_t i = 0; i + 1 < choice.size(); ++i) { choice[i].kept = (bits >> i & 1) != 0; }
                least = std::min(least, cost(choice));
            }
            CHECK(cost(gacc::detail::keep_least<float>(activations, longest)) == least);
        }
    }
}

TEST_CASE("least_memory: of 64 equal layers a small micro-batch keeps about every eighth, a large one the last") {
    const auto kept = [](Index samples) {
        return std::ranges::count_if(gacc::least_memory<float>(equal(64, 256), samples), &Activation::kept);
    };
    CHECK(kept(1) >= 6);
    CHECK(kept(1) <= 10);
    CHECK(kept(100 * Space::block) == 1);
}

TEST_CASE("least_memory: drops nothing where that gains nothing") {
    CHECK(gacc::least_memory<float>(equal(1, 7), 10)[0].kept);
    const auto two = gacc::least_memory<float>(equal(2, 7), 10);
    CHECK((two[0].kept && two[1].kept));
}

TEST_CASE("Sequential: recomputation changes no bit of the gradients") {
    gacc::Rng rng(2);
    for (int trial = 0; trial < 120; ++trial) {
        const Index samples =
            trial % 3 == 0 ? 1 + static_cast<Index>(rng.below(5)) : 1 + static_cast<Index>(rng.below(400));
        const Index in = 1 + static_cast<Index>(rng.below(30));
        gacc::Rng same_layers(static_cast<std::uint64_t>(trial)), again = same_layers.copy();
        const int depth = 1 + static_cast<int>(rng.below(9));
        auto kept = random_model(same_layers, in, depth), dropped = random_model(again, in, depth);
        gacc::Rng same(7), draw(7);
        kept.initialize(same);
        dropped.initialize(draw);

        auto activations = dropped.activations();
        if (trial % 2 == 0) {
            activations = gacc::least_memory<float>(activations, samples);
        } else {  // any choice will do
            for (std::size_t i = 0; i + 1 < activations.size(); ++i) { activations[i].kept = rng.below(2) == 0; }
        }
        dropped.lay_out(samples, activations);

        const Matrix<float> x =
            Matrix<float>::NullaryExpr(samples, in, [&] { return static_cast<float>(rng.normal()); });
        std::vector<gacc::Label> labels(static_cast<std::size_t>(samples));
        for (auto& label : labels) {
            label = static_cast<gacc::Label>(rng.below(static_cast<std::uint64_t>(kept.out_features())));
        }
        for (auto* model : {&kept, &dropped}) {
            gacc::SoftmaxCrossEntropy loss;
            for (int twice = 0; twice < 2; ++twice) {
                loss.forward(model->forward(x), labels);
                model->backward(loss.backward());
            }
        }
        const auto a = kept.parameters(), b = dropped.parameters();
        for (std::size_t i = 0; i < a.size(); ++i) {
            const auto left = a[i].grad(), right = b[i].grad();
            CHECK(std::memcmp(left.data(), right.data(), static_cast<std::size_t>(left.size()) * sizeof(float)) == 0);
        }
    }
}

}  // namespace recomputation_test
