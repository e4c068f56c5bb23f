#include <gacc/accumulation/plan.hpp>

#include <gacc/data/batches.hpp>
#include <gacc/data/regression_dataset.hpp>
#include <gacc/layers/conv2d.hpp>
#include <gacc/layers/flatten.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/max_pool2d.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/optim/adam.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace plan_test {

using gacc::Index;
using gacc::memory::Kind;

namespace {

gacc::Sequential<float> perceptron() {
    return gacc::Sequential(gacc::Linear(784, 512), gacc::ReLU(), gacc::Linear(512, 256), gacc::ReLU(),
                            gacc::Linear(256, 128), gacc::ReLU(), gacc::Linear(128, 10));
}

gacc::Sequential<float> deep(int layers) {
    gacc::Sequential<float> model;
    for (int i = 0; i < layers; ++i) {
        model.add(gacc::Linear(256, 256));
        model.add(gacc::ReLU());
    }
    return model;
}

template <class Scalar>
gacc::TensorDataset<Scalar> noise(Index samples, Index features, Index classes, gacc::Rng& rng) {
    gacc::Tensor<Scalar> inputs({samples, features});
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<Scalar>(rng.normal()); }
    std::vector<gacc::Label> labels(static_cast<std::size_t>(samples));
    for (auto& label : labels) { label = static_cast<gacc::Label>(rng.below(static_cast<std::uint64_t>(classes))); }
    return {std::move(inputs), std::move(labels)};
}

/// A dataset of a given size without samples, only for plans.
struct Counted {
    using scalar_type = float;
    Index size() const { return samples; }
    Index features() const { return 784; }
    gacc::Label label(Index) const { return 0; }
    void copy_inputs(Index, std::span<float>) const {}
    Index samples;
};

template <class... Parts>
gacc::Plan planned(gacc::Sequential<float>& model, const gacc::PlanOptions& options, const Parts&... parts) {
    const gacc::Adam adam(model.parameters());
    return gacc::plan(options, model, gacc::SoftmaxCrossEntropy(), adam, parts...);
}

std::string refusal(gacc::Sequential<float>& model, const gacc::PlanOptions& options) {
    try {
        planned(model, options);
    } catch (const gacc::MemoryError& error) { return error.what(); }
    return "nothing";
}

/// Plans, trains two epochs as planned, and compares the peak of every kind of memory by the byte.
template <class Scalar>
void check_measured(gacc::Rng& rng) {
    const auto size = [&](std::uint64_t most) { return 1 + static_cast<Index>(rng.below(most)); };
    const Index features = size(60), classes = size(12), samples = size(300), batch_size = size(300);
    const auto data = noise<Scalar>(samples, features, classes, rng);

    // The scratch of the kernels exists from a thread's first backward pass on. No plan counts it.
    gacc::detail::ThreadPool::instance().run(64, gacc::threads(), [](Index) {});
    gacc::detail::ThreadScratch::reserve_mine();
    const auto before = gacc::memory::live();
    gacc::memory::forget_peak();
    {
        gacc::Sequential<Scalar> model;
        Index in = features;
        for (Index layers = size(6); layers > 0; --layers) {
            const Index out = layers == 1 ? classes : size(80);
            model.add(gacc::Linear<Scalar>(in, out));
            if (layers > 1 || rng.below(4) == 0) { model.add(gacc::ReLU<Scalar>()); }
            in = out;
        }
        model.initialize(rng);
        gacc::SoftmaxCrossEntropy<Scalar> loss;
        gacc::Adam<Scalar> adam(model.parameters());
        if (rng.below(3) == 0) { gacc::plan({.batch_size = 1}, model, loss, adam); }
        const bool choose = rng.below(2) == 0;
        const auto plan = gacc::plan({.batch_size = batch_size,
                                      .micro_batch = choose ? 0 : size(300),
                                      .memory = choose ? 4 * gacc::MiB : 0,
                                      .recomputation = gacc::Recomputation(rng.below(3))},
                                     model, loss, adam, data);
        for (int epoch = 0; epoch < 2; ++epoch) {
            for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = plan.batch_size}, rng)) {
                for (const auto& micro : batch.micro_batches(plan)) {
                    loss.forward(model.forward(micro.inputs), micro.labels);
                    model.backward(loss.backward());
                }
                adam.step();
                adam.zero_grad();
            }
        }
        for (std::size_t i = 0; i < gacc::memory::kinds; ++i) {
            CAPTURE(gacc::memory::kind_names[i]);
            CHECK(gacc::memory::peak()[Kind(i)] - before[Kind(i)] == plan.bytes[Kind(i)]);
        }
        CHECK(gacc::memory::peak_total() - before.total() == plan.bytes.total());
    }
    CHECK(gacc::memory::live() == before);
}

}  // namespace

TEST_CASE("plan: its bytes are the bytes measured, for 200 random models") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        check_measured<float>(rng);
        check_measured<double>(rng);
    }
}

TEST_CASE("plan: the perceptron's bytes are those of its numbers, and little more") {
    auto model = perceptron();
    const auto at = [&](Index micro_batch) {
        return planned(model, {.batch_size = 2048, .micro_batch = micro_batch}).bytes;
    };
    const auto one = at(1), many = at(64);
    const std::size_t numbers = 4 * 567'434;
    for (const Kind kind : {Kind::parameters, Kind::gradients}) {
        CHECK(one[kind] >= numbers);
        CHECK(one[kind] <= numbers + numbers / 100);  // the last panel of each layer is filled up
    }
    CHECK(one[Kind::moments] == 2 * one[Kind::parameters]);
    CHECK(static_cast<double>(many.total() - one.total()) / 63 <= 1.05 * (906 + 784) * 4);
}

TEST_CASE("plan: memory grows linearly with the micro-batch and not with their number") {
    auto model = perceptron();
    const auto total = [&](Index batch, Index micro) {
        return planned(model, {.batch_size = batch, .micro_batch = micro}).bytes.total();
    };
    CHECK(total(64, 32) == total(4096, 32));
    const std::size_t sample = total(4096, 2) - total(4096, 1);
    for (const Index micro : {4, 64, 128, 512}) {
        CHECK(total(4096, micro) == total(4096, 1) + static_cast<std::size_t>(micro - 1) * sample);
    }
}

TEST_CASE("plan: a budget is met with the largest micro-batch that fits it, up to where more helps") {
    auto model = perceptron();
    const auto needs = [&](Index micro) {
        return planned(model, {.batch_size = 4096, .micro_batch = micro}).bytes.total();
    };
    for (const Index fits : {1, 16, 64}) {  // these divide 4096
        const auto exact = planned(model, {.batch_size = 4096, .memory = needs(fits)});
        CHECK(exact.micro_batch == fits);
        CHECK(exact.micro_batches == 4096 / fits);
        CHECK(exact.bytes.total() == needs(fits));
        CHECK_FALSE(exact.more_fits);
        CHECK(exact.recomputed == 0);
    }
    const auto plenty = planned(model, {.batch_size = 4096, .memory = gacc::GiB});
    CHECK(plenty.micro_batch == gacc::Workspace<float>::block);
    CHECK(plenty.more_fits);
    CHECK(plenty.description().find("would fit, but only cost memory") != std::string::npos);
    CHECK(planned(model, {.batch_size = 50, .memory = gacc::GiB}).micro_batch == 50);
    CHECK_FALSE(planned(model, {.batch_size = 50, .memory = gacc::GiB}).more_fits);
}

TEST_CASE("plan: says that more fits if a sample more than a block would, and without a budget always") {
    auto model = perceptron();
    constexpr Index block = gacc::Workspace<float>::block, batch = 16 * (block + 1);
    const auto more = planned(model, {.batch_size = batch, .micro_batch = block + 1});
    REQUIRE(more.micro_batch == block + 1);
    CHECK(planned(model, {.batch_size = batch, .memory = more.bytes.total()}).more_fits);
    CHECK_FALSE(planned(model, {.batch_size = batch, .memory = more.bytes.total() - 1}).more_fits);
    CHECK(planned(model, {.batch_size = batch}).more_fits);
    CHECK_FALSE(planned(model, {.batch_size = block}).more_fits);
    CHECK_FALSE(more.more_fits);  // the micro-batch was given
}

TEST_CASE("plan: micro-batches are as equal as can be, and the memory is that of the largest") {
    auto model = perceptron();
    const auto plan = planned(model, {.batch_size = 100, .micro_batch = 32});
    CHECK(plan.micro_batches == 4);
    CHECK(plan.micro_batch == 25);
    CHECK(plan.bytes == planned(model, {.batch_size = 100, .micro_batch = 25}).bytes);
}

TEST_CASE("plan: a budget that is exactly what the asked-for micro-batch needs is enough") {
    auto model = perceptron();
    const auto plan = planned(model, {.batch_size = 100, .micro_batch = 99});
    CHECK(plan.micro_batch == 50);
    const auto again = planned(model, {.batch_size = 100, .micro_batch = 99, .memory = plan.bytes.total()});
    CHECK(again.bytes == plan.bytes);
    CHECK(again.recomputed == 0);
    CHECK(refusal(model, {.batch_size = 100,
                          .micro_batch = 99,
                          .memory = plan.bytes.total() - 1,
                          .recomputation = gacc::Recomputation::never})
              .starts_with("gacc: plan: a micro-batch of 50 needs "));
}

TEST_CASE("plan: a batch is no larger than the dataset") {
    auto model = perceptron();
    const auto plan = planned(model, {.batch_size = 1'000'000}, Counted{300});
    CHECK(plan.batch_size == 300);
    CHECK(plan.micro_batches == 3);
    CHECK(plan.bytes == planned(model, {.batch_size = 300}, Counted{300}).bytes);
}

TEST_CASE("plan: the parts that it is told of are in it, to the byte") {
    auto model = perceptron();
    const gacc::Adam adam(model.parameters());
    const gacc::NonFiniteGuard guard(adam, gacc::NonFinite::skip);
    const gacc::PlanOptions options{.batch_size = 100, .micro_batch = 25};
    const auto alone = planned(model, options), with_data = planned(model, options, Counted{1000}),
               with_guard = planned(model, options, Counted{1000}, guard);
    CHECK(alone.bytes[Kind::staging] == 0);
    CHECK(with_data.bytes[Kind::staging] == 25 * 784 * sizeof(float) + 100 * sizeof(gacc::Label) + 1000 * sizeof(Index));
    CHECK(with_guard.bytes[Kind::gradients] == 2 * alone.bytes[Kind::gradients]);

    gacc::Rng rng(1);
    const gacc::RegressionDataset<float> targets(gacc::Tensor<float>({50, 784}), gacc::Tensor<float>({50, 10}));
    CHECK(gacc::plan(options, model, gacc::MeanSquaredError(), adam, targets).bytes[Kind::staging] ==
          25 * (784 + 10) * sizeof(float) + 50 * sizeof(Index));
}

TEST_CASE("plan: the optimizer must be that of the model") {
    auto model = perceptron(), other = perceptron();
    const gacc::Adam adam(other.parameters());
    CHECK_THROWS_WITH_AS(gacc::plan({.batch_size = 1}, model, gacc::SoftmaxCrossEntropy(), adam),
                         "gacc: plan: expected the optimizer of this model, got that of another", gacc::UsageError);
}

TEST_CASE("Sequential: activations that are not the model's are refused, and it stays as it was") {
    auto model = perceptron();
    gacc::Rng rng(1);
    model.initialize(rng);
    const gacc::Matrix<float> x = gacc::Matrix<float>::Zero(3, 784);
    auto activations = model.activations();
    activations.back().kept = false;
    CHECK_THROWS_AS(model.lay_out(1, activations), gacc::UsageError);
    CHECK_THROWS_AS(model.lay_out(1, {}), gacc::UsageError);
    for (std::size_t i = 0; i < activations.size(); ++i) {
        auto other = model.activations();
        other[i].width += 1;
        CHECK_THROWS_AS(model.lay_out(1, other), gacc::UsageError);
    }
    CHECK_THROWS_AS(model.lay_out(0, model.activations()), gacc::UsageError);
    CHECK(model.forward(x).rows() == 3);
}

TEST_CASE("plan: what does not fit otherwise is computed again") {
    auto model = deep(64);
    const auto least = planned(model, {.batch_size = 16, .micro_batch = 1});
    const auto plan = planned(model, {.batch_size = 16, .memory = least.bytes.total() - 1});
    CHECK(plan.recomputed > 0);
    CHECK(plan.more_work > 0);
    CHECK(plan.more_work < 0.4);
    CHECK(plan.bytes.total() < least.bytes.total());
    const std::string table = plan.description();
    CHECK(table.find(" activations are computed again: " + std::to_string(std::lround(100 * plan.more_work)) +
                     " % more work\n") != std::string::npos);
    CHECK(table.find(gacc::detail::grouped(plan.bytes.total()) + " bytes\nof a budget of") != std::string::npos);
    CHECK(refusal(model,
                  {.batch_size = 16, .memory = least.bytes.total() - 1, .recomputation = gacc::Recomputation::never})
              .find("a micro-batch of 1 needs ") != std::string::npos);
}

TEST_CASE("plan: the work done again is that of the dropped activations, but for a last run that is still there") {
    auto model = deep(20);
    constexpr Index block = gacc::Workspace<float>::block;
    for (const Index micro_batch : {Index{1}, block, block + 1}) {
        CAPTURE(micro_batch);
        const auto plan = planned(model, {.batch_size = micro_batch,
                                          .micro_batch = micro_batch,
                                          .recomputation = gacc::Recomputation::always});
        const auto& activations = model.activations();
        std::size_t last = activations.size();  // the first of the last run
        for (; last > 0 && activations[last - 1].kept; --last) {}
        for (; last > 0 && !activations[last - 1].kept; --last) {}
        const std::size_t count = micro_batch <= block ? last : activations.size();
        const auto dropped = std::count_if(activations.begin(), activations.begin() + static_cast<std::ptrdiff_t>(count),
                                           [](const gacc::Activation& activation) { return !activation.kept; });
        REQUIRE(dropped > 0);
        CHECK(plan.recomputed == static_cast<std::size_t>(dropped));
        // All layers are equal. To compute one again is a third of its work. The first layer makes no grad_x.
        CHECK(plan.more_work == static_cast<double>(dropped) / (3 * 20 - 1));
    }
}

TEST_CASE("plan: a deep network takes at most 30 % of its uncut activations when they are computed again") {
    auto model = deep(64);
    for (const Index batch : {32, 128, 2048}) {
        const auto uncut = planned(model, {.batch_size = batch, .micro_batch = batch});
        const auto again =
            planned(model, {.batch_size = batch, .micro_batch = batch, .recomputation = gacc::Recomputation::always});
        CHECK(again.micro_batch == batch);
        CHECK(10 * again.bytes[Kind::activations] <= 3 * uncut.bytes[Kind::activations]);
    }
}

TEST_CASE("plan: a larger micro-batch than planned is an error, which changes nothing") {
    auto model = perceptron();
    gacc::Rng rng(1);
    model.initialize(rng);
    const auto plan = planned(model, {.batch_size = 8, .micro_batch = 4});
    const gacc::Matrix<float> four = gacc::Matrix<float>::Zero(4, 784), five = gacc::Matrix<float>::Zero(5, 784);
    model.forward(four);
    const auto before = gacc::memory::live();
    CHECK_THROWS_WITH_AS(model.forward(five),
                         "gacc: Sequential::forward: expected at most the 4 samples a micro-batch of the plan, got 5; "
                         "cut batches with micro_batches(plan), or plan anew",
                         gacc::UsageError);
    CHECK(gacc::memory::live() == before);

    const auto data = noise<float>(9, 784, 10, rng);
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 9})) {
        CHECK_THROWS_WITH_AS(batch.micro_batches(plan),
                             "gacc: micro_batches: expected a batch of at most the 8 samples of the plan, got 9",
                             gacc::UsageError);
    }
}

TEST_CASE("plan: errors say what is wrong and what is the least") {
    auto model = perceptron();
    const auto least =
        planned(model, {.batch_size = 4096, .micro_batch = 1, .recomputation = gacc::Recomputation::always});
    const std::size_t alone = least.bytes[Kind::parameters] + least.bytes[Kind::gradients] + least.bytes[Kind::moments];
    CHECK(refusal(model, {.batch_size = 4096, .memory = 4 * gacc::MiB}) ==
          "gacc: plan: a micro-batch of 1 needs " + gacc::detail::grouped(least.bytes.total()) +
              " bytes, the budget is 4,194,304; the parameters, gradients and the optimizer's moments alone take " +
              gacc::detail::grouped(alone));
    CHECK(refusal(model, {.batch_size = 4096, .micro_batch = 100, .memory = 4 * gacc::MiB})
              .starts_with("gacc: plan: a micro-batch of 100 needs "));
    const std::string most = sizeof(Index) == 8 ? "1099511627776" : "536870911";
    CHECK_THROWS_WITH_AS(planned(model, {}),
                         ("gacc: plan: expected a batch_size from 1 to " + most + ", got 0").c_str(), gacc::UsageError);
    CHECK_THROWS_WITH_AS(planned(model, {.batch_size = 1, .micro_batch = -1}),
                         ("gacc: plan: expected a micro_batch from 0 to " + most + ", got -1").c_str(),
                         gacc::UsageError);
    const gacc::Adam adam(model.parameters());
    gacc::Sequential<float> empty;
    CHECK_THROWS_WITH_AS(gacc::plan({.batch_size = 1}, empty, gacc::SoftmaxCrossEntropy(), adam),
                         "gacc: plan: expected a model with layers, got none", gacc::UsageError);
}

namespace {

/// A layer of a user without parameters, with this number of outputs.
class Widen : public gacc::Layer<float> {
public:
    explicit Widen(Index out) : out_(out) {}
    std::string description() const override { return "Widen"; }
    gacc::LayerPlan plan(const gacc::Shape&) const override { return {.y = {out_}}; }
    void forward(gacc::Forward<float> call) const override { call.y.setZero(); }
    void backward(gacc::Backward<float>) override {}

private:
    Index out_;
};

}  // namespace

TEST_CASE("plan: bytes that cannot be counted are refused with and without a budget, and do not wrap around") {
    gacc::Sequential model(gacc::Linear(2, 2), Widen(std::numeric_limits<Index>::max() / 64));
    const gacc::PlanOptions options{.batch_size = 100, .micro_batch = 100};
    CHECK(refusal(model, options) ==
          "gacc: plan: expected sizes that memory can hold, got activations for a micro-batch of 100 and a batch of "
          "100");
    CHECK(refusal(model, {.batch_size = 100, .micro_batch = 100, .memory = SIZE_MAX}) == refusal(model, options));
    CHECK(refusal(model, {.batch_size = 100, .memory = 1 << 20}).starts_with("gacc: plan: a micro-batch of 1 needs "));
}

// The plan's largest micro-batch was that of the activations which the plan before it kept.
TEST_CASE("plan: the plans before it change nothing") {
    gacc::Sequential model(gacc::Input(12, 12, 3), gacc::Conv2d(3, 32, {.kernel = 3, .padding = 1}), gacc::ReLU(),
                           gacc::MaxPool2d(2), gacc::Flatten(), gacc::Linear(6 * 6 * 32, 64), gacc::ReLU(),
                           gacc::Linear(64, 10));
    const gacc::SoftmaxCrossEntropy<float> loss;
    gacc::Adam adam(model.parameters());
    const auto plan = [&](gacc::Recomputation recomputation) {
        const auto made = gacc::plan({.batch_size = 4096, .recomputation = recomputation}, model, loss, adam);
        return std::pair(made.micro_batch, made.bytes.total());
    };
    const auto kept = plan(gacc::Recomputation::never), dropped = plan(gacc::Recomputation::always);
    CHECK(kept.first == 128);
    CHECK(plan(gacc::Recomputation::never) == kept);
    CHECK(plan(gacc::Recomputation::always) == dropped);
}

}  // namespace plan_test
