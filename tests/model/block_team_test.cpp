#include <gacc/gacc.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
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

/// Where threads wait a while for another one to be there too.
struct MeetingPoint {
    std::atomic<int> inside{0};
    std::atomic<bool> met{false};

    void wait() {
        ++inside;
        const auto start = std::chrono::steady_clock::now();
        while (!met && std::chrono::steady_clock::now() - start < std::chrono::milliseconds(50)) {
            if (inside > 1) { met = true; }
            std::this_thread::yield();
        }
        --inside;
    }
};

/// y = x.
class Meeting : public gacc::Layer<float> {
public:
    Meeting(MeetingPoint* forward, MeetingPoint* backward) : forward_(forward), backward_(backward) {}
    std::string description() const override { return "Meeting"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override {
        forward_->wait();
        call.y = call.x;
    }
    void backward(gacc::Backward<float> call) override {
        backward_->wait();
        call.grad_x = call.grad_y;
    }

private:
    MeetingPoint *forward_, *backward_;
};

/// y = x, and backward throws from the second block on while it is told to.
class Thrower : public gacc::Layer<float> {
public:
    explicit Thrower(const bool* throws) : throws_(throws) {}
    std::string description() const override { return "Thrower"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<float> call) const override { call.y = call.x; }
    void backward(gacc::Backward<float> call) override {
        if (*throws_ && call.where.first_row > 0) { throw std::runtime_error("thrown"); }
        call.grad_x = call.grad_y;
    }

private:
    const bool* throws_;
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

TEST_CASE("Sequential: shared weights and other threads backward than forward, with the bits of one thread") {
    constexpr Index tokens = 8, vocabulary = 19, width = 12, samples = 400;
    Sequential<float> model(gacc::Input(tokens), gacc::Embedding(vocabulary, width),
                            gacc::PositionEmbedding(tokens, width));
    for (int i = 0; i < 6; ++i) { model.add(gacc::TransformerBlock(width, {.heads = 2, .causal = true})); }
    model.add(gacc::LayerNorm(width));
    model.add(gacc::Linear(width, vocabulary, {.bias = false, .shares = "0.weight"}));
    gacc::Rng rng(7);
    model.initialize(rng);
    Matrix<float> inputs(samples, tokens);
    std::vector<gacc::Label> labels(samples * tokens);
    std::vector<float> weights(labels.size(), 1);
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.below(vocabulary)); }
    for (auto& label : labels) { label = static_cast<gacc::Label>(rng.below(vocabulary)); }
    for (std::size_t i = 0; i < weights.size(); i += 3) { weights[i] = 0; }
    const auto gradients = [&](int forward_threads, int backward_threads) {
        Sequential<float> own(model);
        gacc::SoftmaxCrossEntropy loss;
        gacc::set_threads(forward_threads);
        loss.forward(own.forward(inputs), labels, weights);
        gacc::set_threads(backward_threads);
        own.backward(loss.backward());
        std::vector<Matrix<float>> all;
        for (const auto& parameter : own.parameters()) { all.push_back(parameter.grad()); }
        return all;
    };
    const Threads threads(1);
    const auto alone = gradients(1, 1);
    CHECK(gradients(2, 2) == alone);
    CHECK(gradients(3, 3) == alone);
    CHECK(gradients(2, 3) == alone);
    CHECK(gradients(3, 2) == alone);
    CHECK(gradients(1, 2) == alone);
    CHECK(gradients(2, 1) == alone);
}

TEST_CASE("Sequential: concatenated branches and inputs of weight 0 that are NaN, with the bits of one thread") {
    constexpr Index samples = 1500;
    Sequential<float> model(gacc::Input(11), gacc::Linear(11, 13));
    for (int i = 0; i < 8; ++i) {
        model.add(gacc::Concat(gacc::Chain(gacc::Linear(13, 5), gacc::Tanh()),
                               gacc::Chain(gacc::LayerNorm(13), gacc::Linear(13, 8), gacc::GELU(), gacc::Dropout(0.1))));
    }
    model.add(gacc::Linear(13, 7));
    gacc::Rng rng(9);
    model.initialize(rng);
    Matrix<float> inputs(samples, 11);
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.uniform(-1, 1)); }
    std::vector<gacc::Label> labels(samples);
    for (auto& label : labels) { label = static_cast<gacc::Label>(rng.below(7)); }
    std::vector<float> weights(samples, 1);
    for (Index i = 0; i < samples; i += 3) {
        weights[static_cast<std::size_t>(i)] = 0;
        inputs(i, 2) = std::numeric_limits<float>::quiet_NaN();
    }
    const auto gradients = [&](int threads) {
        Sequential<float> own(model);
        gacc::SoftmaxCrossEntropy loss;
        gacc::set_threads(threads);
        loss.forward(own.forward(inputs), labels, weights);
        own.backward(loss.backward());
        std::vector<Matrix<float>> all;
        for (const auto& parameter : own.parameters()) { all.push_back(parameter.grad()); }
        return all;
    };
    const Threads threads(1);
    const auto alone = gradients(1);
    for (const auto& each : alone) { CHECK(each.allFinite()); }
    for (const int n : {2, 3, 4}) { CHECK(gradients(n) == alone); }
}

TEST_CASE("Sequential: threads take blocks at the same time, forward and backward") {
    const Threads threads(2);
    MeetingPoint forward, backward;
    Sequential<float> model = deep_model(4);
    model.add(Meeting(&forward, &backward));
    const Matrix<float> inputs = Matrix<float>::Ones(256, 48), targets = Matrix<float>::Zero(512, 24);
    gacc::MeanSquaredError loss;
    for (int tries = 0; tries < 100 && !(forward.met && backward.met); ++tries) {
        loss.forward(model.forward(inputs), targets);
        model.backward(loss.backward());
    }
    CHECK(forward.met);
    CHECK(backward.met);
}

TEST_CASE("Sequential: an exception in one block ends a backward pass in which threads take a block each") {
    const Threads threads(2);
    bool throws = true;
    Sequential<float> model = deep_model(8);
    model.add(Thrower(&throws));
    gacc::MeanSquaredError loss;
    Matrix<float> inputs(640, 48);
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(i % 97) / 50; }
    const Matrix<float> targets = Matrix<float>::Zero(1280, 24);
    const auto backward = [&](Sequential<float>& own) {
        loss.forward(own.forward(inputs), targets);
        own.backward(loss.backward());
    };
    const auto before = model.parameters().tally();
    CHECK_THROWS_WITH_AS(backward(model), "thrown", std::runtime_error);
    throws = false;
    CHECK_THROWS_AS(backward(model), gacc::UsageError);  // parts of the sums are there
    for (auto& parameter : model.parameters()) { parameter.zero_grad(); }
    model.parameters().set_tally(before);
    Sequential<float> fresh = deep_model(8);
    backward(model);
    backward(fresh);
    for (std::size_t i = 0; i < fresh.parameters().size(); ++i) {
        CHECK(model.parameters()[i].grad() == fresh.parameters()[i].grad());
    }
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
