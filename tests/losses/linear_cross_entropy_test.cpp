#include <gacc/losses/linear_cross_entropy.hpp>

#include <gacc/gacc.hpp>

#include "support/audit_check.hpp"
#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace linear_cross_entropy_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Label;
using gacc::LinearCrossEntropy;
using gacc::Linear;
using gacc::Matrix;
using gacc::Reduction;
using gacc::Sequential;
using gacc::SoftmaxCrossEntropy;
using gacc::memory::Kind;

namespace {

using Labels = std::vector<Label>;

/// Blocks have 128 rows if there are more classes than 512 (float) or 256 (double).
constexpr Index many_classes = 600;

/// A model with many classes, and training data for it.
template <class S>
struct Training {
    Sequential<S> model;
    Matrix<S> inputs;        // samples x tokens
    Labels labels;           // rows
    std::vector<S> weights;  // rows; empty: all are 1
    Index tokens;            // rows of a sample
    gacc::SoftmaxCrossEntropyOptions options{};
};

/// The head reads, in turn, the y of a layer over which grad_x may lie, of one that reads its x, of one that reads its
/// y, of a sum, and of one whose backward takes tiles. It has a bias or, in turn, the weights of the embedding.
template <class S>
Training<S> training_of(int kind, Index samples, Index tokens, Index classes = many_classes) {
    const Index width = 5 + kind;
    Training<S> all{.model = {}, .inputs = {}, .labels = {}, .weights = {}, .tokens = tokens};
    Sequential<S>& model = all.model;
    model.add(gacc::Input(tokens));
    model.add(gacc::Embedding<S>(classes, width));
    switch (kind % 5) {
        case 0: model.add(gacc::LayerNorm<S>(width)); break;
        case 1:
            model.add(Linear<S>(width, width));
            model.add(gacc::GELU<S>());
            break;
        case 2:
            model.add(Linear<S>(width, width));
            model.add(gacc::Tanh<S>());
            break;
        case 3: model.add(gacc::Residual(Linear<S>(width, width), gacc::ReLU<S>())); break;
        default:
            model.add(Linear<S>(width, width));
            model.add(gacc::Dropout<S>(0.3));
            break;
    }
    if (kind % 2 == 0) {
        model.add(Linear<S>(width, classes, {.bias = false, .shares = "0.weight"}));
    } else {
        model.add(Linear<S>(width, classes));
    }
    gacc::Rng rng(static_cast<std::uint64_t>(kind + 1));
    model.initialize(rng);
    all.inputs.resize(samples, tokens);
    const auto any_class = [&] { return rng.below(static_cast<std::uint64_t>(classes)); };
    for (Index i = 0; i < all.inputs.size(); ++i) { all.inputs.data()[i] = static_cast<S>(any_class()); }
    for (Index i = 0; i < samples * tokens; ++i) {
        all.labels.push_back(rng.below(7) == 0 ? -100 : static_cast<Label>(any_class()));
        if (kind % 3 == 0) { all.weights.push_back(rng.below(9) == 0 ? S(0) : static_cast<S>(rng.uniform(0.5, 2))); }
    }
    all.options.label_smoothing = kind % 4 == 1 ? 0.2 : 0;
    return all;
}

/// The bytes of losses and weights of each row, of all sums and gradients, and of the parameters after two steps, in
/// micro-batches of `cut` samples.
template <class Loss, class S>
std::vector<std::byte> trained(const Training<S>& of, Index cut, const gacc::PlanOptions* plan = nullptr) {
    Sequential<S> model = of.model;
    Loss loss(of.options);
    gacc::Adam<S> adam(model.parameters());
    if (plan != nullptr) { gacc::plan(*plan, model, loss, adam); }
    std::vector<std::byte> bytes;
    const auto micro_batch = [&](Index first, Index count) {
        const auto begin = static_cast<std::size_t>(first * of.tokens);
        const auto rows = static_cast<std::size_t>(count * of.tokens);
        const auto weights = of.weights.empty() ? std::span<const S>() : std::span(of.weights).subspan(begin, rows);
        const auto value = loss.forward(gacc::detail::forward_for(loss, model, of.inputs.middleRows(first, count)),
                                        std::span(of.labels).subspan(begin, rows), weights);
        append_bytes(bytes, value.losses.data(), static_cast<Index>(rows));
        append_bytes(bytes, value.weights.data(), static_cast<Index>(rows));
        if (cut == of.inputs.rows()) { append_bytes(bytes, &value.sum, 1); }
        model.backward(loss.backward());
    };
    for (int step = 0; step < 2; ++step) {
        for (Index first = 0; first < of.inputs.rows(); first += cut) {
            micro_batch(first, std::min(cut, of.inputs.rows() - first));
        }
        for (const auto& parameter : model.parameters()) {
            const Matrix<S> grad = parameter.grad();
            append_bytes(bytes, grad.data(), grad.size());
        }
        adam.step();
        adam.zero_grad();
    }
    const auto values = values_of(model.parameters());
    bytes.insert(bytes.end(), values.begin(), values.end());
    return bytes;
}

/// 2 -> 3 -> 4
Sequential<double> small_model() {
    Sequential<double> model(Linear<double>(2, 3), gacc::Tanh<double>(), Linear<double>(3, 4));
    gacc::Rng rng(3);
    model.initialize(rng);
    return model;
}
const Matrix<double> three_inputs{{0.5, -1}, {1, 0.25}, {-0.5, 2}};
const Labels three_labels{2, 0, 3};

}  // namespace

TEST_CASE("LinearCrossEntropy: an example worked by hand") {
    Sequential<double> model(Linear<double>(1, 1, {.bias = false}), gacc::ReLU<double>(),
                             Linear<double>(1, 2, {.bias = false}));
    model.parameters()[0].set_value(Matrix<double>{{1}});
    model.parameters()[1].set_value(Matrix<double>{{0}, {std::log(3.0)}});
    const Matrix<double> x{{1}};  // logits 0 and log 3, of which softmax makes 1/4 and 3/4
    LinearCrossEntropy<double> loss;
    const auto value = loss.forward(model.forward_features(x), Labels{0});
    CHECK(std::abs(value.sum - std::log(4.0)) < 1e-15);
    CHECK(value.weight == 1);
    model.backward(loss.backward());
    CHECK((model.parameters()[1].grad() - Matrix<double>{{-0.75}, {0.75}}).cwiseAbs().maxCoeff() < 1e-15);
    CHECK(std::abs(model.parameters()[0].grad()(0, 0) - 0.75 * std::log(3.0)) < 1e-15);
}

TEST_CASE_TEMPLATE("LinearCrossEntropy: the same bytes as SoftmaxCrossEntropy, for every cut and threads", Scalar,
                   float, double) {
    int threads = 0;
    for (int kind = 0; kind < 10; ++kind) {
        CAPTURE(kind);
        const Index tokens = kind % 3 == 0 ? 1 : kind % 3 == 1 ? 48 : 150, samples = 300 / tokens;
        const auto training = training_of<Scalar>(kind, samples, tokens);
        gacc::set_threads(1);
        const auto whole = trained<SoftmaxCrossEntropy<Scalar>>(training, samples);
        CHECK(trained<LinearCrossEntropy<Scalar>>(training, samples) == whole);
        for (const Index cut : {Index{1}, std::max<Index>(samples / 2, 1), std::max<Index>(samples - 1, 1)}) {
            if (tokens == 1 && cut == 1) { continue; }
            CAPTURE(cut);
            gacc::set_threads(1 + threads++ % 3);
            const auto expected = trained<SoftmaxCrossEntropy<Scalar>>(training, cut);
            CHECK(trained<LinearCrossEntropy<Scalar>>(training, cut) == expected);
            for (const auto recomputation : {gacc::Recomputation::never, gacc::Recomputation::always}) {
                const gacc::PlanOptions plan{.batch_size = cut, .micro_batch = cut, .recomputation = recomputation};
                CHECK(trained<LinearCrossEntropy<Scalar>>(training, cut, &plan) == expected);
            }
        }
    }
    gacc::set_threads(0);
}

TEST_CASE("LinearCrossEntropy: the same bytes with each reduction") {
    for (const auto reduction :
         {Reduction::mean_over_samples, Reduction::mean_of_micro_batch_means, Reduction::sum_of_micro_batch_means}) {
        auto training = training_of<float>(3, 300, 1);
        training.options.reduction = reduction;
        for (const Index cut : {Index{300}, Index{140}}) {
            CHECK(trained<LinearCrossEntropy<float>>(training, cut) ==
                  trained<SoftmaxCrossEntropy<float>>(training, cut));
        }
    }
}

TEST_CASE("LinearCrossEntropy: the same bytes if the head, or what is below it, is frozen") {
    const auto head = [](const auto& parameter) { return parameter.name().starts_with("3."); };
    const auto below = [&](const auto& parameter) { return !head(parameter); };
    for (const bool freezes_head : {false, true}) {
        CAPTURE(freezes_head);
        auto training = training_of<float>(1, 3, 100);
        if (freezes_head) {
            training.model.freeze(head);
        } else {
            training.model.freeze(below);
        }
        for (const Index cut : {1, 3}) {
            const gacc::PlanOptions plan{.batch_size = cut, .recomputation = gacc::Recomputation::always};
            const auto expected = trained<SoftmaxCrossEntropy<float>>(training, cut);
            CHECK(trained<LinearCrossEntropy<float>>(training, cut) == expected);
            CHECK(trained<LinearCrossEntropy<float>>(training, cut, &plan) == expected);
        }
    }
    auto training = training_of<float>(1, 300, 1);  // in several blocks of samples
    training.model.freeze([](const auto&) { return true; });
    LinearCrossEntropy<float> loss;
    SoftmaxCrossEntropy<float> whole;
    CHECK(loss.forward(training.model.forward_features(training.inputs), training.labels).sum ==
          whole.value(training.model.predict(training.inputs), training.labels).sum);
    CHECK_NOTHROW(training.model.backward(loss.backward()));
}

TEST_CASE("LinearCrossEntropy: the same bytes if the head reads the sum of a branch and a shortcut, frozen or not") {
    // The sum lies over the value of the branch, and that of the shortcut behind it.
    Training<float> training{
        .model = Sequential<float>(Linear<float>(6, 8),
                                   gacc::Residual(gacc::Shortcut(Linear<float>(8, 5)), Linear<float>(8, 5)),
                                   Linear<float>(5, many_classes)),
        .inputs = {}, .labels = {}, .weights = {}, .tokens = 1};
    gacc::Rng rng(1);
    training.model.initialize(rng);
    training.inputs = random_matrix<float>(rng, 300, 6);
    for (Index i = 0; i < 300; ++i) { training.labels.push_back(static_cast<Label>(rng.below(600))); }
    for (const Index cut : {Index{300}, Index{140}}) {
        const gacc::PlanOptions plan{
            .batch_size = cut, .micro_batch = cut, .recomputation = gacc::Recomputation::always};
        const auto expected = trained<SoftmaxCrossEntropy<float>>(training, cut);
        CHECK(trained<LinearCrossEntropy<float>>(training, cut) == expected);
        CHECK(trained<LinearCrossEntropy<float>>(training, cut, &plan) == expected);
    }
    training.model.freeze([](const auto&) { return true; });
    LinearCrossEntropy<float> loss;
    const double sum = SoftmaxCrossEntropy<float>().value(training.model.predict(training.inputs), training.labels).sum;
    CHECK(loss.forward(training.model.forward_features(training.inputs), training.labels).sum == sum);
    CHECK(loss.value(training.model.predict_features(training.inputs), training.labels).sum == sum);
}

TEST_CASE("LinearCrossEntropy: an ignored row may be infinite or NaN") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    Training<float> training{
        .model = Sequential<float>(gacc::Input(3, 2), Linear<float>(2, 4), gacc::GELU<float>(),
                                   Linear<float>(4, many_classes)),
        .inputs = {}, .labels = {}, .weights = {}, .tokens = 3};
    gacc::Rng rng(1);
    training.model.initialize(rng);
    training.inputs = random_matrix<float>(rng, 100, 6);
    for (Index i = 0; i < 300; ++i) {
        const bool ignored = rng.below(4) == 0;
        training.labels.push_back(ignored ? -100 : static_cast<Label>(rng.below(600)));
        if (ignored) { training.inputs.row(i / 3).segment(i % 3 * 2, 2).setConstant(nan); }
    }
    const auto trained_in_blocks = trained<LinearCrossEntropy<float>>(training, 100);
    CHECK(trained_in_blocks == trained<SoftmaxCrossEntropy<float>>(training, 100));
    for (const auto& parameter : training.model.parameters()) { CHECK(parameter.value().allFinite()); }
}

TEST_CASE("LinearCrossEntropy: value is the losses of forward by bytes, of a const model, and keeps nothing") {
    const auto training = training_of<float>(3, 5, 60);
    Sequential<float> model = training.model;
    LinearCrossEntropy<float> loss(training.options);
    const auto value = loss.forward(model.forward_features(training.inputs), training.labels, training.weights);
    const LinearCrossEntropy<float> other(training.options);
    const Sequential<float>& same = model;
    const auto own = other.value(same.predict_features(training.inputs), training.labels, training.weights);
    CHECK(own.sum == value.sum);
    CHECK(own.weight == value.weight);
    CHECK(std::ranges::equal(own.losses, value.losses));
    CHECK(std::ranges::equal(own.weights, value.weights));
    CHECK(own.sum == SoftmaxCrossEntropy<float>(training.options)
                         .value(same.predict(training.inputs), training.labels, training.weights)
                         .sum);
    model.backward(loss.backward());  // value() between forward and backward has changed nothing
}

TEST_CASE("LinearCrossEntropy: gradients are those of central differences, and the same bits for every cut") {
    for (const double smoothing : {0.0, 0.3}) {
        const LinearCrossEntropy<double> loss({.label_smoothing = smoothing});
        check_differences(small_model(), loss, three_inputs, three_labels);
        const auto training = training_of<float>(1, 12, 40);
        check_cuts(training.model, LinearCrossEntropy<float>({.label_smoothing = smoothing}), training.inputs,
                   training.labels);
    }
}

TEST_CASE("LinearCrossEntropy: an audit names the reduction that depends on the cut") {
    auto training = training_of<float>(1, 12, 40);
    LinearCrossEntropy<float> loss({.reduction = Reduction::mean_of_micro_batch_means});
    const auto audit = gacc::audit(training.model, loss, training.inputs, training.labels, 5);
    CHECK_FALSE(audit.same());
    REQUIRE(audit.causes.size() == 1);
    CHECK(audit.causes[0] == "the loss: its gradients are divided by the weight of the micro-batch, as its reduction "
                             "says; use Reduction::mean_over_samples");
}

TEST_CASE("LinearCrossEntropy: forward without backward changes no gradient, and a guard may skip it") {
    auto training = training_of<float>(1, 2, 150);
    gacc::Adam<float> adam(training.model.parameters());
    gacc::NonFiniteGuard guard(adam, gacc::NonFinite::skip);
    LinearCrossEntropy<float> loss;
    const auto accepts = [&] {
        return guard.accepts(loss.forward(training.model.forward_features(training.inputs), training.labels));
    };
    const auto bytes = [&] {
        std::vector<std::byte> all;
        for (const auto& parameter : adam.parameters()) {
            const Matrix<float> grad = parameter.grad();
            append_bytes(all, grad.data(), grad.size());
        }
        return all;
    };
    REQUIRE(accepts());
    training.model.backward(loss.backward());
    REQUIRE(guard.accepts_gradients());
    const auto before = bytes();
    auto& head = training.model.parameters()[3];
    REQUIRE(head.name() == "3.weight");
    Matrix<float> spoilt = head.value();
    spoilt(3, 1) = std::numeric_limits<float>::infinity();
    head.set_value(spoilt);
    CHECK_FALSE(accepts());
    CHECK(guard.skipped() == 1);
    CHECK(bytes() == before);
    CHECK(adam.parameters().tally().micro_batches() == 1);
}

TEST_CASE("LinearCrossEntropy: lanes, and who is told that a gradient is ready") {
    const auto training = training_of<float>(0, 4, 100);
    const auto run = [&]<class Loss>(Loss loss) {
        Sequential<float> model = training.model;
        gacc::Lanes<float> lanes(model.parameters(), 2);
        std::vector<std::string> ready;
        lanes.begin_batch(4);
        for (Index lane = 0; lane < 2; ++lane) {
            lanes.begin_lane();
            const auto labels = std::span(training.labels).subspan(static_cast<std::size_t>(lane) * 200, 200);
            const auto x = training.inputs.middleRows(2 * lane, 2);
            loss.forward(gacc::detail::forward_for(loss, model, x), labels);
            model.backward(loss.backward(), [&](auto& parameter) { ready.push_back(parameter.name()); });
            lanes.end_lane();
        }
        lanes.join();
        std::vector<std::byte> bytes;
        for (const auto& parameter : model.parameters()) {
            const Matrix<float> grad = parameter.grad();
            append_bytes(bytes, grad.data(), grad.size());
        }
        CHECK(ready == std::vector<std::string>{"1.weight", "1.bias", "0.weight", "1.weight", "1.bias", "0.weight"});
        return bytes;
    };
    CHECK(run(LinearCrossEntropy<float>()) == run(SoftmaxCrossEntropy<float>()));
}

TEST_CASE("LinearCrossEntropy: its bytes are those of a block of logits, two numbers and a label a row, as planned") {
    const auto stride = gacc::detail::row_stride<float>;
    CHECK(LinearCrossEntropy<float>::bytes(1024, 50257) == 4 * (128 * stride(50257, 1) + 2 * 1024) + 4 * 1024);
    CHECK(LinearCrossEntropy<float>::bytes(100, 50257) == 4 * (100 * stride(50257, 1) + 2 * 100) + 4 * 100);
    CHECK(LinearCrossEntropy<float>::bytes(2000, 65) == 4 * (65536 / 80 * 80 + 2 * 2000) + 4 * 2000);
    constexpr Index largest = gacc::detail::largest_size;
    CHECK(LinearCrossEntropy<float>::bytes(largest, largest) == static_cast<std::size_t>(largest));

    for (const Index cut : {1, 2, 3}) {
        auto training = training_of<float>(2, 3, 110);
        gacc::Adam<float> adam(training.model.parameters());
        LinearCrossEntropy<float> loss;
        SoftmaxCrossEntropy<float> whole;
        const gacc::PlanOptions options{.batch_size = 3, .micro_batch = cut};
        auto other = training.model;
        const auto of_whole = gacc::plan(options, other, whole, gacc::Adam<float>(other.parameters())).bytes;
        const auto before = gacc::memory::live();
        gacc::memory::forget_peak();
        const auto plan = gacc::plan(options, training.model, loss, adam);
        for (int step = 0; step < 2; ++step) {
            for (Index first = 0; first < 3; first += plan.micro_batch) {
                const Index count = std::min(plan.micro_batch, 3 - first);
                const auto labels = std::span(training.labels).subspan(static_cast<std::size_t>(first) * 110,
                                                                       static_cast<std::size_t>(count) * 110);
                loss.forward(training.model.forward_features(training.inputs.middleRows(first, count)), labels);
                training.model.backward(loss.backward());
            }
            adam.zero_grad();
        }
        for (const Kind kind : {Kind::activations, Kind::scratch}) {
            CHECK(gacc::memory::peak()[kind] - before[kind] == plan.bytes[kind]);
        }
        CHECK(of_whole[Kind::activations] - plan.bytes[Kind::activations] ==
              static_cast<std::size_t>(cut * 110 * stride(many_classes, 110)) * sizeof(float));
        if (cut > 1) { CHECK(plan.bytes[Kind::scratch] < of_whole[Kind::scratch]); }
    }
}

TEST_CASE("LinearCrossEntropy: a plan's summary says where the outputs are, and its work counts that of the outputs") {
    auto training = training_of<float>(1, 300, 1);
    gacc::Adam<float> adam(training.model.parameters());
    const LinearCrossEntropy<float> loss;
    const SoftmaxCrossEntropy<float> whole;
    const gacc::PlanOptions options{
        .batch_size = 300, .micro_batch = 300, .recomputation = gacc::Recomputation::always};
    const auto in_blocks = gacc::plan(options, training.model, loss, adam);
    CHECK(training.model.summary().find("in the loss") != std::string::npos);
    CHECK(training.model.activations().size() + 1 == training.model.output_activations().size());
    Index all = 0, again = 0;
    for (const auto& activation : training.model.output_activations()) { all += activation.work; }
    for (const auto& activation : training.model.activations()) { again += activation.kept ? 0 : activation.work; }
    REQUIRE(again > 0);
    const Index first = training.model.activations()[0].work;  // makes no grad_x
    CHECK(in_blocks.more_work == static_cast<double>(again) / static_cast<double>(3 * all - first));
    gacc::plan(options, training.model, whole, adam);
    CHECK(training.model.summary().find("in the loss") == std::string::npos);
}

TEST_CASE("LinearCrossEntropy: calls in the wrong order are errors, which change nothing") {
    auto model = small_model();
    LinearCrossEntropy<double> loss;
    SoftmaxCrossEntropy<double> whole;
    CHECK_THROWS_WITH_AS(loss.backward(),
                         "gacc: LinearCrossEntropy::backward: expected a forward before every backward, got none",
                         gacc::UsageError);
    whole.forward(model.forward(three_inputs), three_labels);
    const auto of_outputs = whole.backward();
    loss.forward(model.forward_features(three_inputs), three_labels);
    CHECK_THROWS_WITH_AS(model.backward(of_outputs),
                         "gacc: Sequential::backward: expected the gradient of a loss of features, such as "
                         "LinearCrossEntropy, after forward_features(), got one of a loss of outputs; call forward()",
                         gacc::UsageError);
    const auto of_features = loss.backward();
    CHECK_THROWS_AS(loss.backward(), gacc::UsageError);
    model.forward(three_inputs);
    CHECK_THROWS_WITH_AS(model.backward(of_features),
                         "gacc: Sequential::backward: expected the gradient of a loss of outputs after forward(), got "
                         "one of a loss of features; call forward_features()",
                         gacc::UsageError);
    model.backward(of_outputs);
}

TEST_CASE("LinearCrossEntropy: backward refuses features of an earlier forward, whose memory may be gone") {
    auto model = small_model();
    LinearCrossEntropy<double> loss;
    const auto refuses = [&](const gacc::LossGradient<double>& gradient) {
        CHECK_THROWS_WITH_AS(model.backward(gradient),
                             "gacc: Sequential::backward: expected the gradient by the features of the last "
                             "forward_features(), got that by others, which may be gone; call the loss's forward() after "
                             "each forward_features()",
                             gacc::UsageError);
    };
    loss.forward(model.forward_features(three_inputs), three_labels);
    const Matrix<double> many_inputs = Matrix<double>::Ones(500, 2);
    model.forward_features(many_inputs);  // takes more memory
    const auto last = model.forward_features(three_inputs);
    refuses(loss.backward());
    const auto predicted = model.predict_features(three_inputs);
    loss.forward(predicted.view(), three_labels);
    refuses(loss.backward());
    loss.forward(last, three_labels);
    model.predict_features(three_inputs);  // has memory of its own
    CHECK_NOTHROW(model.backward(loss.backward()));
    CHECK(model.parameters().tally().micro_batches() == 1);
}

TEST_CASE("LinearCrossEntropy: a model planned with another loss is an error") {
    auto model = small_model();
    gacc::Adam<double> adam(model.parameters());
    gacc::plan({.batch_size = 3}, model, LinearCrossEntropy<double>(), adam);
    CHECK_NOTHROW(model.forward_features(three_inputs));
    CHECK_THROWS_WITH_AS(model.forward(three_inputs),
                         "gacc: Sequential::forward: expected forward_features(), as planned with a loss of features, "
                         "got forward(); plan anew with the loss that is used",
                         gacc::UsageError);
    gacc::plan({.batch_size = 3}, model, SoftmaxCrossEntropy<double>(), adam);
    CHECK_NOTHROW(model.forward(three_inputs));
    CHECK_THROWS_WITH_AS(model.forward_features(three_inputs),
                         "gacc: Sequential::forward_features: expected forward(), as planned with a loss of outputs, "
                         "got forward_features(); plan anew with the loss that is used",
                         gacc::UsageError);
}

TEST_CASE("LinearCrossEntropy: a model that does not end with a Linear after other layers is refused") {
    Sequential<double> ends_with_relu(Linear<double>(2, 3), gacc::ReLU<double>()), alone(Linear<double>(2, 3)), empty;
    const std::string expected = "expected a model that ends with a Linear after other layers, got ";
    CHECK_THROWS_WITH_AS(
        ends_with_relu.forward_features(three_inputs),
        ("gacc: Sequential::forward_features: " + expected + "ReLU at the end; use SoftmaxCrossEntropy and forward()")
            .c_str(),
        gacc::UsageError);
    CHECK_THROWS_WITH_AS(
        alone.predict_features(three_inputs),
        ("gacc: Sequential::predict_features: " + expected +
         "Linear(2 -> 3) at the end and no other layers; use SoftmaxCrossEntropy and forward()")
            .c_str(),
        gacc::UsageError);
    CHECK_THROWS_WITH_AS(
        empty.feature_activations(),
        ("gacc: Sequential::feature_activations: " + expected + "no layers; use SoftmaxCrossEntropy and forward()")
            .c_str(),
        gacc::UsageError);
}

TEST_CASE("LinearCrossEntropy: what does not fit is an error, and the forward before it still counts") {
    auto model = small_model();
    LinearCrossEntropy<double> loss;
    const auto features = model.forward_features(three_inputs);
    loss.forward(features, three_labels);
    CHECK_THROWS_WITH_AS(loss.forward(features, Labels{0, 1}),
                         "gacc: LinearCrossEntropy: expected a label for each of 3 samples, got 2", gacc::ShapeError);
    CHECK_THROWS_WITH_AS(loss.forward(features, Labels{0, 4, 0}),
                         "gacc: LinearCrossEntropy: expected labels from 0 to 3 (or -100 to ignore a sample), got 4 "
                         "for sample 1 of the micro-batch",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(LinearCrossEntropy<double>({.label_smoothing = 2}),
                         "gacc: LinearCrossEntropy: expected a label_smoothing from 0 to 1, got 2", gacc::UsageError);
    CHECK_NOTHROW(model.backward(loss.backward()));
}

}  // namespace linear_cross_entropy_test
