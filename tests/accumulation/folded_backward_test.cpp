#include <gacc/accumulation/folded_backward.hpp>

#include <gacc/data/batches.hpp>
#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include "support/gradient_check.hpp"
#include "support/random_models.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace folded_backward_test {

using namespace gacc;

namespace {

TensorDataset<float> random_samples() {
    Rng rng(3);
    Tensor<float> inputs({37, 20});
    inputs.matrix() = test::random_matrix<float>(rng, 37, 20);
    std::vector<Label> labels(37);
    std::ranges::generate(labels, [&] { return static_cast<Label>(rng.below(3)); });
    return {std::move(inputs), std::move(labels)};
}

Sequential<float> layers() {
    return Sequential<float>(Linear(20, 90), ReLU(), Linear(90, 40), LayerNorm(40), Linear(40, 3));
}

template <class Optimizer>
struct TrainingWith {
    explicit TrainingWith(std::uint64_t seed = 1, const Sequential<float>& of = layers())
        : rng(seed), model(of), optimizer((model.initialize(rng), model.parameters()), {.learning_rate = 0.02}),
          folded(model, optimizer) {
        optimizer.group(vectors, {.learning_rate = 0.05});
    }

    /// Trains with micro-batches of 4 in batches of 10, up to `micro_batches` or the end of the third epoch.
    void run(int micro_batches = 1000) {
        for (; position.epoch < 3; position.end_epoch()) {
            for (const auto& batch : shuffled_batches(data, {.batch_size = 10}, rng, position)) {
                if (position.sample == 0) { optimizer.begin_batch(static_cast<double>(batch.size())); }
                for (const auto& micro : batch.from(position.sample).micro_batches(4)) {
                    if (micro_batches-- == 0) { return; }
                    loss.forward(model.forward(micro.inputs), micro.labels);
                    folded.backward(loss.backward());
                    position.end_micro_batch(micro.size());
                }
                optimizer.step();
                optimizer.zero_grad();
                position.end_batch();
            }
        }
    }
    std::vector<std::byte> state() {
        auto bytes = test::values_of(model.parameters());
        for (const auto& moments : optimizer.moments()) {
            test::append_bytes(bytes, moments.stored.data(), static_cast<Index>(moments.stored.size()));
        }
        for (const State& words : {optimizer.state(), rng.state(), position.state(), model.parameters().tally().state()}) {
            test::append_bytes(bytes, words.data(), static_cast<Index>(words.size()));
        }
        return bytes;
    }

    TensorDataset<float> data = random_samples();
    Rng rng;
    DataPosition position;
    Sequential<float> model;
    SoftmaxCrossEntropy<float> loss;
    Optimizer optimizer;
    FoldedBackward<float> folded;
    Checkpoint<float> checkpoint{optimizer, rng, position};
};
using Training = TrainingWith<AdamA<float>>;

/// A layer whose backward may throw.
class Throws final : public Layer<float> {
public:
    std::string description() const override { return "Throws"; }
    LayerConfig config() const override { return {"Throws", {}}; }
    LayerPlan plan(const Shape& x) const override { return {.y = x}; }
    void forward(Forward<float> call) const override { call.y = call.x; }
    void backward(Backward<float> call) override {
        if (now) { throw std::runtime_error("now"); }
        call.grad_x = call.grad_y;
    }

    static inline bool now = false;
};

}  // namespace

TEST_CASE_TEMPLATE("FoldedBackward: after a backward that threw, only a checkpoint helps", Optimizer, AdamA<float>,
                   FoldedSGD<float>) {
    Sequential<float> model(Linear(3, 4), Throws(), Linear(4, 2));
    Rng rng(1);
    model.initialize(rng);
    Optimizer optimizer(model.parameters());
    FoldedBackward folded(model, optimizer);
    SoftmaxCrossEntropy<float> loss;
    const Matrix<float> x = Matrix<float>::Ones(2, 3);
    const std::vector<Label> labels{0, 1};
    const auto backward = [&] {
        loss.forward(model.forward(x), labels);
        folded.backward(loss.backward());
    };
    const State before = optimizer.state();
    optimizer.begin_batch(2);
    Throws::now = true;
    CHECK_THROWS_AS(backward(), std::runtime_error);
    Throws::now = false;
    CHECK_THROWS_AS(backward(), UsageError);
    optimizer.zero_grad();
    CHECK_THROWS_WITH_AS(backward(),
                         ("gacc: " + optimizer.name() + ": expected the 0 micro-batches that are in the moments, got a "
                          "part of one more, whose backward threw; they cannot be taken out: load a checkpoint")
                             .c_str(),
                         UsageError);
    // Parts of the micro-batch are in the moments, and a state that was saved then says so too.
    optimizer.set_state(optimizer.state());
    CHECK_THROWS_AS(backward(), UsageError);
    optimizer.set_state(before);  // as Checkpoint::load does, with the moments
    optimizer.begin_batch(2);
    CHECK_NOTHROW(backward());
}

TEST_CASE("FoldedBackward: keeps the gradients of the largest layer alone, as planned") {
    const std::size_t before = memory::live()[memory::Kind::gradients];
    Sequential<float> model(Linear(20, 90), ReLU(), Linear(90, 40), LayerNorm(40), Linear(40, 3));
    Rng rng(1);
    model.initialize(rng);
    AdamA<float> optimizer(model.parameters());
    const std::size_t all = memory::live()[memory::Kind::gradients] - before;
    FoldedBackward folded(model, optimizer);
    const std::size_t now = memory::live()[memory::Kind::gradients] - before;
    const auto& parameters = model.parameters();
    const auto size = [&](std::size_t i) { return std::as_const(parameters[i]).stored_values().size(); };
    const std::size_t largest = size(2) + size(3);
    CHECK(now == largest * sizeof(float));
    CHECK(now < all);
    const SoftmaxCrossEntropy<float> loss;
    CHECK(plan({.batch_size = 10}, model, loss, optimizer).bytes[memory::Kind::gradients] == now);
}

TEST_CASE("FoldedBackward: with FoldedSGD no gradients are kept but those of layers that use the values of others") {
    const auto before = memory::live();
    const auto now = [&](memory::Kind kind) { return memory::live()[kind] - before[kind]; };
    using memory::Kind;
    Sequential<float> model(Linear(20, 40), ReLU(), Linear(40, 40), Linear(40, 40, {.shares = "2.weight"}), Linear(40, 3));
    Rng rng(1);
    model.initialize(rng);
    FoldedSGD<float> optimizer(model.parameters());
    FoldedBackward folded(model, optimizer);
    const auto& parameters = model.parameters();
    CHECK(parameters[2].name() == "2.weight");
    CHECK(now(Kind::gradients) == std::as_const(parameters[2]).stored_values().size() * sizeof(float));
    CHECK(now(Kind::moments) == static_cast<std::size_t>(parameters.stored_count()) * sizeof(float));
    const SoftmaxCrossEntropy<float> loss;
    const auto plan = gacc::plan({.batch_size = 10}, model, loss, optimizer);
    CHECK(plan.bytes[Kind::gradients] == now(Kind::gradients));
    CHECK(plan.bytes[Kind::moments] == now(Kind::moments));
    const auto copy = model;  // has gradients of its own
    CHECK(now(Kind::gradients) > now(Kind::moments));
}

TEST_CASE("FoldedBackward: with FoldedSGD neither cut, blocks nor threads change a bit") {
    const int threads_before = threads();
    Rng rng(5);
    const auto x = test::random_matrix<float>(rng, 300, 20);
    std::vector<Label> labels(300);
    std::ranges::generate(labels, [&] { return static_cast<Label>(rng.below(3)); });
    const auto trained = [&](Index micro_batch) {
        TrainingWith<FoldedSGD<float>> training;
        for (int step = 0; step < 4; ++step) {
            training.optimizer.begin_batch(300);
            for (Index first = 0; first < 300; first += micro_batch) {
                const Index count = std::min(micro_batch, 300 - first);
                const auto part = std::span(labels).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
                training.loss.forward(training.model.forward(x.middleRows(first, count)), part);
                training.folded.backward(training.loss.backward());
            }
            if (micro_batch == 300) { CHECK(training.model.blocks() > 1); }
            training.optimizer.step();
            training.optimizer.zero_grad();
        }
        auto bytes = test::values_of(training.model.parameters());
        const auto velocity = training.optimizer.moments()[0].stored;
        test::append_bytes(bytes, velocity.data(), static_cast<Index>(velocity.size()));
        return bytes;
    };
    set_threads(1);
    const auto uncut = trained(300);
    for (const int count : {1, 2, 3}) {
        set_threads(count);
        for (const Index micro_batch : {1, 7, 128, 300}) { CHECK(trained(micro_batch) == uncut); }
    }
    set_threads(threads_before);
}

TEST_CASE("FoldedBackward: with FoldedSGD the cut changes no bit of a random model") {
    for (std::uint64_t seed = 0; seed < 80; ++seed) {
        CAPTURE(seed);
        Rng rng(seed);
        const auto model = test::random_model<float>(seed);
        const Index samples = seed % 10 == 0 ? 200 : 1 + static_cast<Index>(rng.below(20));
        const auto training = test::random_training(model, samples, rng);
        const auto trained = [&](Index micro_batch) {
            return test::with_loss(training, [&](auto loss, const auto& forward) {
                auto copy = model, other = model;
                forward(loss, other, 0, samples);
                other.backward(loss.backward());
                const double weight = other.parameters().tally().weight();
                FoldedSGD<float> optimizer(copy.parameters());
                FoldedBackward folded(copy, optimizer);
                for (int step = 0; step < 3 && weight > 0; ++step) {
                    optimizer.begin_batch(weight);
                    for (Index first = 0; first < samples; first += micro_batch) {
                        forward(loss, copy, first, std::min(micro_batch, samples - first));
                        folded.backward(loss.backward());
                    }
                    optimizer.step();
                    optimizer.zero_grad();
                }
                return test::values_of(copy.parameters());
            });
        };
        CHECK(trained(1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(samples)))) == trained(samples));
    }
}

TEST_CASE("FoldedBackward: the same moments as from gradients that are kept, on any number of threads") {
    const int threads_before = threads();
    std::vector<std::byte> expected;
    for (const int count : {1, 2, 3}) {
        set_threads(count);
        Training training;
        training.run(2);  // 4 and 3 of 10 samples
        if (expected.empty()) { expected = training.state(); }
        CHECK(training.state() == expected);
    }
    set_threads(threads_before);

    // The gradients of both micro-batches, kept.
    Training training;
    auto copy = training.model;
    training.run(2);
    const auto data = random_samples();
    Rng rng(1);
    Sequential<float> same(Linear(20, 90), ReLU(), Linear(90, 40), LayerNorm(40), Linear(40, 3));
    same.initialize(rng);
    SoftmaxCrossEntropy<float> loss;
    std::vector<std::vector<Matrix<float>>> grads;
    DataPosition position;
    for (const auto& batch : shuffled_batches(data, {.batch_size = 10}, rng, position)) {
        for (const auto& micro : batch.micro_batches(4)) {
            loss.forward(copy.forward(micro.inputs), micro.labels);  // a copy has gradients of its own
            copy.backward(loss.backward());
            auto& of_micro = grads.emplace_back();
            for (const auto& parameter : copy.parameters()) { of_micro.push_back(parameter.grad()); }
            copy.parameters().zero_grad();
            if (grads.size() == 2) { break; }
        }
        break;
    }
    std::size_t first = 0, i = 0;
    for (const auto& parameter : training.model.parameters()) {
        const auto moments = training.optimizer.moments();
        const std::size_t size = std::as_const(parameter).stored_values().size();
        for (const std::size_t which : {0, 1}) {
            std::vector<float> expected_moments, found;
            parameter.for_each(moments[which].stored.subspan(first, size), [&](float each) { found.push_back(each); });
            for (Index k = 0; k < grads[0][i].size(); ++k) {
                const float g0 = grads[0][i].data()[k] * 0.1F, g1 = grads[1][i].data()[k] * 0.1F;
                expected_moments.push_back(which == 0 ? 0.1F * g0 + 0.1F * g1 : 0.001F * g0 * g0 + 0.001F * g1 * g1);
            }
            REQUIRE(found.size() == expected_moments.size());
            for (std::size_t k = 0; k < found.size(); ++k) {
                CHECK(found[k] == doctest::Approx(expected_moments[k]).epsilon(1e-5));
            }
        }
        first += size;
        ++i;
    }
}

TEST_CASE_TEMPLATE("FoldedBackward: a training resumed in the middle of a batch is the one that was never stopped",
                   Optimizer, AdamA<float>, FoldedSGD<float>) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    const Sequential<float> of(Linear(20, 40), ReLU(), Linear(40, 40), Linear(40, 40, {.shares = "2.weight"}),
                               LayerNorm(40), Linear(40, 3));
    TrainingWith<Optimizer> whole(1, of);
    whole.run();
    for (const int micro_batches : {0, 1, 2, 3, 8, 17}) {
        CAPTURE(micro_batches);
        TrainingWith<Optimizer> stopped(1, of), resumed(2, of);
        stopped.run(micro_batches);
        stopped.checkpoint.save(path);
        resumed.checkpoint.load(path);
        CHECK(resumed.state() == stopped.state());
        resumed.run();
        CHECK(resumed.state() == whole.state());
    }
}

TEST_CASE("FoldedBackward: a checkpoint with gradients does not fit, and changes nothing") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    Rng rng(1);
    DataPosition position;
    Sequential<float> model(Linear(20, 3));
    model.initialize(rng);
    AdamA<float> optimizer(model.parameters());
    Checkpoint<float> checkpoint(optimizer, rng, position);
    const Matrix<float> x = Matrix<float>::Ones(2, 20);
    SoftmaxCrossEntropy<float> loss;
    loss.forward(model.forward(x), std::vector<Label>{0, 1});
    optimizer.begin_batch(2);
    model.backward(loss.backward());
    checkpoint.save(path);
    optimizer.zero_grad();
    const FoldedBackward folded(model, optimizer);
    optimizer.begin_batch(5);
    const State before = optimizer.state();
    CHECK_THROWS_AS(checkpoint.load(path), CheckpointError);
    CHECK(optimizer.state() == before);
    CHECK(model.parameters().tally().empty());
}

TEST_CASE("FoldedBackward: shared values get the sum of the gradients of both layers, squared once") {
    // y = w2 (w1 x) with w1 and w2 the same 2 x 2 values.
    const auto make = [] {
        Sequential<double> model(Linear<double>(2, 2, {.bias = false}),
                                 Linear<double>(2, 2, {.bias = false, .shares = "0.weight"}));
        model.parameters()[0].set_value(Matrix<double>{{1, 2}, {-1, 0.5}});
        return model;
    };
    auto model = make(), kept = make();
    AdamA<double> optimizer(model.parameters(), {.beta1 = 0, .beta2 = 0});
    FoldedBackward folded(model, optimizer);
    const Matrix<double> x{{1, -2}}, grad{{0.5, 1}};
    optimizer.begin_batch(1);
    model.forward(x);
    folded.backward({grad, std::vector<double>{1}});
    kept.forward(x);
    kept.backward({grad, std::vector<double>{1}});
    const Matrix<double> sum = kept.parameters()[0].grad();
    std::vector<double> m, v;
    optimizer.parameters()[0].for_each(optimizer.moments()[0].stored, [&](double each) { m.push_back(each); });
    optimizer.parameters()[0].for_each(optimizer.moments()[1].stored, [&](double each) { v.push_back(each); });
    for (Index i = 0; i < 4; ++i) {
        CHECK(m[static_cast<std::size_t>(i)] == sum.data()[i]);
        CHECK(v[static_cast<std::size_t>(i)] == sum.data()[i] * sum.data()[i]);
    }
}

TEST_CASE("FoldedBackward: with FoldedSGD the velocity gets the gradients of shared values from all layers") {
    // y = w2 (w1 x) with w1 and w2 the same 2 x 2 values.
    Sequential<double> model(Linear<double>(2, 2, {.bias = false}),
                             Linear<double>(2, 2, {.bias = false, .shares = "0.weight"}));
    model.parameters()[0].set_value(Matrix<double>{{1, 2}, {-1, 0.5}});
    auto kept = model;
    FoldedSGD<double> optimizer(model.parameters(), {.momentum = 0.5});
    FoldedBackward folded(model, optimizer);
    const Matrix<double> x{{1, -2}}, grad{{0.5, 1}};
    kept.forward(x);
    kept.backward({grad, std::vector<double>{1}});
    const Matrix<double> sum = kept.parameters()[0].grad();
    optimizer.begin_batch(1);
    model.forward(x);
    folded.backward({grad, std::vector<double>{1}});
    optimizer.step();
    std::vector<double> velocity;
    optimizer.parameters()[0].for_each(optimizer.moments()[0].stored, [&](double each) { velocity.push_back(each); });
    for (Index i = 0; i < 4; ++i) { CHECK(velocity[static_cast<std::size_t>(i)] == 0.5 * sum.data()[i]); }
}

TEST_CASE_TEMPLATE("FoldedBackward: what needs gradients is refused, and changes nothing", Optimizer, AdamA<float>,
                   FoldedSGD<float>) {
    TrainingWith<Optimizer> training;
    auto& model = training.model;
    const Matrix<float> x = Matrix<float>::Ones(3, 20);
    const std::vector<Label> labels{0, 1, 2};
    training.loss.forward(model.forward(x), labels);
    const auto text = "gacc: 4.weight: expected gradients to be asked of a parameter that keeps them, got one whose "
                      "gradients go into an optimizer's moments; call FoldedBackward::backward()";
    const auto gradient = training.loss.backward();
    CHECK_THROWS_WITH_AS(model.backward(gradient), text, UsageError);
    for (const auto& moments : training.optimizer.moments()) {
        CHECK(std::ranges::all_of(moments.stored, [](float each) { return each == 0; }));
    }
    CHECK_THROWS_WITH_AS(GradientBuffers<float>(model.parameters()),
                         "gacc: GradientBuffers: expected parameters that keep their gradients, got 0.weight, whose "
                         "gradients go into an optimizer's moments",
                         UsageError);
    CHECK_THROWS_AS(Lanes<float>(model.parameters(), 4), UsageError);
    training.optimizer.begin_batch(6);
    const auto forward = [&] { return training.loss.forward(model.forward(x), labels); };
    forward();
    training.folded.backward(training.loss.backward());
    CHECK(model.parameters()[0].grad_is_zero());
    const auto not_kept = "gacc: 0.weight: expected gradients to be asked of a parameter that keeps them, got one whose "
                          "gradients go into an optimizer's moments, which alone has them";
    CHECK_THROWS_WITH_AS(model.parameters()[0].grad(), not_kept, UsageError);
    CHECK_THROWS_WITH_AS(model.parameters()[0].grads(), not_kept, UsageError);
    CHECK_THROWS_WITH_AS(GradientNorm<float>(model.parameters())(),
                         "gacc: GradientNorm: expected parameters that keep their gradients, got 0.weight, whose "
                         "gradients go into an optimizer's moments",
                         UsageError);
    NonFiniteGuard guard(training.optimizer, NonFinite::skip);
    CHECK(guard.accepts(forward()));
    training.folded.backward(training.loss.backward());
    const auto before = training.state();
    CHECK_THROWS_AS(guard.accepts_gradients(), UsageError);
    SGD<float> sgd(model.parameters());
    CHECK_THROWS_AS(sgd.step(), UsageError);
    CHECK(training.state() == before);
    NAdam<float> nadam(model.parameters());
    const State of_nadam = nadam.state();
    CHECK_THROWS_AS(nadam.step(), UsageError);
    CHECK(nadam.state() == of_nadam);
    NoiseScale<float> noise(model.parameters());
    forward();
    CHECK_THROWS_AS(noise.backward(model, training.loss.backward()), UsageError);
    CHECK_THROWS_WITH_AS(FoldedBackward<float>(model, training.optimizer),
                         "gacc: FoldedBackward: expected a model whose gradients are empty and not folded yet, got 0.weight; "
                         "make it before the first backward, and once",
                         UsageError);
    TrainingWith<Optimizer> other;
    CHECK_THROWS_WITH_AS(FoldedBackward<float>(model, other.optimizer),
                         "gacc: FoldedBackward: expected the optimizer of this model, got that of another", UsageError);
}

TEST_CASE("FoldedBackward: a micro-batch that is walked in blocks is refused, and changes nothing") {
    Training training;
    const Matrix<float> x = Matrix<float>::Ones(300, 20);
    const std::vector<Label> labels(300, 1);
    training.loss.forward(training.model.forward(x), labels);
    training.optimizer.begin_batch(300);
    CHECK(training.model.blocks() > 1);
    const Index most = training.model.largest_block();
    CHECK_THROWS_WITH_AS(training.folded.backward(training.loss.backward()),
                         detail::text("gacc: FoldedBackward::backward: expected a micro-batch of one block, got one of ",
                                      training.model.blocks(), " blocks; use micro-batches of at most ", most, " samples")
                             .c_str(),
                         UsageError);
    CHECK(training.optimizer.parameters().tally().empty());
    const Matrix<float> fewer = Matrix<float>::Ones(most, 20);
    training.loss.forward(training.model.forward(fewer), std::vector<Label>(static_cast<std::size_t>(most), 1));
    CHECK_NOTHROW(training.folded.backward(training.loss.backward()));
    training.loss.forward(training.model.forward(fewer), std::vector<Label>(static_cast<std::size_t>(most), 1));
    CHECK_THROWS_AS(training.model.backward(training.loss.backward()), UsageError);  // it is closed again
}

TEST_CASE("FoldedBackward: images, which are else walked in blocks, go through each layer at once") {
    const auto make = [] {
        return Sequential<float>(Input(Shape{32, 32, 3}), Conv2d(3, 20, {.kernel = 3}), ReLU(),
                                 Conv2d(20, 8, {.kernel = 3}), Flatten(), Linear(28 * 28 * 8, 3));
    };
    Rng rng(1);
    auto model = make();
    model.initialize(rng);
    auto kept = model;
    AdamA<float> optimizer(model.parameters(), {.beta1 = 0});
    FoldedBackward folded(model, optimizer);
    SoftmaxCrossEntropy<float> loss;
    const auto x = test::random_matrix<float>(rng, 40, 32 * 32 * 3);
    const std::vector<Label> labels(40, 1);
    loss.forward(kept.forward(x), labels);
    CHECK(kept.blocks() > 1);
    kept.backward(loss.backward());
    plan({.batch_size = 40, .micro_batch = 40}, model, loss, optimizer);
    loss.forward(model.forward(x), labels);
    CHECK(model.blocks() == 1);
    optimizer.begin_batch(1);
    folded.backward(loss.backward());
    std::size_t first = 0, i = 0;
    for (const auto& parameter : model.parameters()) {
        const std::size_t size = std::as_const(parameter).stored_values().size();
        std::vector<float> found;
        parameter.for_each(optimizer.moments()[0].stored.subspan(first, size), [&](float each) { found.push_back(each); });
        const auto grads = kept.parameters()[i++].grads();
        CHECK(std::ranges::equal(found, grads.span()));  // m is the gradient, to the bit
        first += size;
    }
}

TEST_CASE("FoldedBackward: audit says that the optimizer depends on the cut") {
    Training training;
    const auto batches = ordered_batches(training.data, {.batch_size = 20});
    const auto audit = gacc::audit(training.model, training.loss, *batches.begin(), 7, training.optimizer);
    CHECK(audit.same());
    REQUIRE(audit.notes.size() == 1);
    CHECK(audit.notes[0] ==
          "AdamA: v is a sum of squares of the gradients of micro-batches, not the square of their sum");
    TrainingWith<FoldedSGD<float>> exact;
    CHECK(gacc::audit(exact.model, exact.loss, *batches.begin(), 7, exact.optimizer).notes.empty());
}

}  // namespace folded_backward_test
