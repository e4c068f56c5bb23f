#include <gacc/gacc.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace block_team_test {

using gacc::Index;
using gacc::Matrix;
using gacc::Sequential;

namespace {

class Threads {
public:
    explicit Threads(int n) { gacc::set_threads(n); }
    ~Threads() { gacc::set_threads(before_); }

private:
    int before_ = gacc::threads();
};

/// Layers of equal work, with residuals, dropout and norms.
Sequential<float> deep_model(Index layers) {
    Sequential<float> model(gacc::Input(2, 24));
    for (Index i = 0; i < layers; ++i) {
        model.add(gacc::Residual(gacc::LayerNorm(24), gacc::Linear(24, 24), gacc::GELU(), gacc::Dropout(0.2)));
    }
    gacc::Rng rng(3);
    model.initialize(rng);
    return model;
}

/// The gradients after some samples in micro-batches.
std::vector<Matrix<float>> gradients(Sequential<float> model, Index samples, Index micro_batch) {
    gacc::Rng rng(5);
    Matrix<float> inputs(samples, 48), targets(samples * 2, 24);
    for (auto* numbers : {&inputs, &targets}) {
        for (Index i = 0; i < numbers->size(); ++i) { numbers->data()[i] = static_cast<float>(rng.uniform(-1, 1)); }
    }
    gacc::MeanSquaredError loss;
    for (Index first = 0; first < samples; first += micro_batch) {
        const Index count = std::min(micro_batch, samples - first);
        loss.forward(model.forward(inputs.middleRows(first, count)), targets.middleRows(2 * first, 2 * count));
        model.backward(loss.backward());
    }
    std::vector<Matrix<float>> all;
    for (const auto& parameter : model.parameters()) { all.push_back(parameter.grad()); }
    return all;
}

/// y = x. Its forward waits a while for another thread to be inside too.
class Meeting : public gacc::Layer<float> {
public:
    explicit Meeting(std::atomic<bool>* met) : met_(met) {}
    std::string description() const override { return "Meeting"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override {
        static std::atomic<int> inside{0};
        ++inside;
        const auto start = std::chrono::steady_clock::now();
        while (!*met_ && std::chrono::steady_clock::now() - start < std::chrono::milliseconds(50)) {
            if (inside > 1) { *met_ = true; }
            std::this_thread::yield();
        }
        --inside;
        call.y = call.x;
    }
    void backward(gacc::Backward<float> call) override { call.grad_x = call.grad_y; }

private:
    std::atomic<bool>* met_;
};

/// y = x, and backward throws from the second block on.
class Thrower : public gacc::Layer<float> {
public:
    std::string description() const override { return "Thrower"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x; }
    void backward(gacc::Backward<float> call) override {
        if (call.where.first_row > 0) { throw std::runtime_error("thrown"); }
        call.grad_x = call.grad_y;
    }
};

}  // namespace

TEST_CASE("block_team: threads take a block each if few of them would be idle") {
    using gacc::detail::block_team;
    const Threads threads(4);
    const std::int64_t much = 100'000'000;
    CHECK(block_team(1, 4, much) == 1);
    CHECK(block_team(3, 4, much) == 1);  // one of four idle
    CHECK(block_team(4, 4, much) == 4);
    CHECK(block_team(5, 4, much) == 1);  // three of eight turns
    CHECK(block_team(7, 4, much) == 4);
    CHECK(block_team(100, 1, much) == 1);
    CHECK(block_team(100, 3, much) == 1);
    CHECK(block_team(8, 4, 300'000) == 1);
    CHECK(block_team(8, 4, 400'000) == 4);
    gacc::set_threads(2);
    CHECK(block_team(7, 4, much) == 2);
}

TEST_CASE("most_block_threads: a layer takes at most half a thread's share of the work") {
    using gacc::detail::most_block_threads;
    gacc::detail::Graph<float> graph;
    graph.set_input({8});
    std::vector<gacc::Linear<float>> layers(8, gacc::Linear<float>(8, 8, {.bias = false}));
    for (std::size_t i = 0; i < layers.size(); ++i) { graph.apply(layers[i], i); }
    graph.finish();
    CHECK(most_block_threads(graph, graph.activations()) == 4);

    auto dropped = graph.activations();
    dropped[3].kept = false;
    CHECK(most_block_threads(graph, dropped) == 1);

    gacc::Linear<float> wide(8, 64, {.bias = false});
    graph.apply(wide, 8);
    graph.finish();
    CHECK(most_block_threads(graph, graph.activations()) == 1);
}

TEST_CASE("Sequential: threads that take a block each give the bits of one thread") {
    const auto model = deep_model(12);
    const Threads threads(1);
    const auto alone = gradients(model, 1000, 1000);
    for (const int n : {2, 3, 4}) {
        gacc::set_threads(n);
        CAPTURE(n);
        CHECK(gradients(model, 1000, 1000) == alone);
        CHECK(gradients(model, 1000, 500) == alone);
        CHECK(gradients(model, 1000, 270) == alone);
    }
}

TEST_CASE("Sequential: a loss of features has the bits of one thread, though threads take a block each") {
    auto model = deep_model(12);
    model.add(gacc::Linear(24, 30));
    gacc::Rng rng(5);
    model.initialize(rng);
    Matrix<float> inputs(2000, 48);
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.uniform(-1, 1)); }
    std::vector<gacc::Label> labels(4000);
    for (auto& label : labels) { label = static_cast<gacc::Label>(rng.below(30)); }
    const auto gradients = [&](Sequential<float> own) {
        gacc::LinearCrossEntropy loss;
        loss.forward(own.forward_features(inputs), labels);
        own.backward(loss.backward());
        std::vector<Matrix<float>> all;
        for (const auto& parameter : own.parameters()) { all.push_back(parameter.grad()); }
        return all;
    };
    const Threads threads(1);
    const auto alone = gradients(model);
    for (const int n : {2, 3, 4}) {
        gacc::set_threads(n);
        CHECK(gradients(model) == alone);
    }
}

TEST_CASE("Sequential: threads take blocks at the same time") {
    const Threads threads(2);
    std::atomic<bool> met{false};
    Sequential<float> model = deep_model(4);
    model.add(Meeting(&met));
    const Matrix<float> inputs = Matrix<float>::Ones(256, 48);
    for (int tries = 0; tries < 100 && !met; ++tries) { model.forward(inputs); }
    CHECK(met);
}

TEST_CASE("Sequential: an exception in one block ends a backward pass in which threads take a block each") {
    const Threads threads(2);
    Sequential<float> model = deep_model(8);
    model.add(Thrower());
    gacc::MeanSquaredError loss;
    const Matrix<float> inputs = Matrix<float>::Ones(640, 48), targets = Matrix<float>::Zero(1280, 24);
    loss.forward(model.forward(inputs), targets);
    CHECK_THROWS_WITH_AS(model.backward(loss.backward()), "thrown", std::runtime_error);
}

TEST_CASE("Sequential: a step in which threads take a block each takes no memory after the first") {
    const Threads threads(2);
    Sequential<float> model = deep_model(8);
    const Matrix<float> inputs = Matrix<float>::Ones(512, 48), targets = Matrix<float>::Zero(1024, 24);
    gacc::MeanSquaredError loss;
    const auto step = [&] {
        loss.forward(model.forward(inputs), targets);
        model.backward(loss.backward());
    };
    step();
    const auto held = gacc::memory::live();
    for (int i = 0; i < 5; ++i) { step(); }
    for (const auto kind : {gacc::memory::Kind::kernels, gacc::memory::Kind::scratch, gacc::memory::Kind::activations}) {
        CHECK(gacc::memory::live()[kind] == held[kind]);
    }
}

}  // namespace block_team_test
