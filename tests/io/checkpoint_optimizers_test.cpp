// With any optimizer and groups, a training that continues from a file gives the bytes of one that was never stopped.

#include <gacc/io/checkpoint.hpp>

#include <gacc/data/batches.hpp>
#include <gacc/gacc.hpp>

#include "support/gradient_check.hpp"
#include "support/random_samples.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace checkpoint_optimizers_test {

using namespace gacc;

namespace {

/// A small model and its optimizer, with a group for vectors.
template <class Optimizer>
struct Training {
    template <class Options>
    Training(std::uint64_t seed, const Options& options, const GroupOptions& of_vectors)
        : rng(seed), optimizer((model.initialize(rng), model.parameters()), options) {
        if (of_vectors.learning_rate || of_vectors.weight_decay) { optimizer.group(vectors, of_vectors); }
    }

    /// Trains with micro-batches of 2 in batches of 5, up to `micro_batches` or the end of the third epoch.
    void run(int micro_batches = 1000) {
        const WarmUp schedule(3, CosineDecay(optimizer_rate, 12));
        for (; position.epoch < 3; position.end_epoch()) {
            for (const auto& batch : shuffled_batches(data, {.batch_size = 5}, rng, position)) {
                for (const auto& micro : batch.from(position.sample).micro_batches(2)) {
                    if (micro_batches-- == 0) { return; }
                    loss.forward(model.forward(micro.inputs), micro.labels);
                    model.backward(loss.backward());
                    position.end_micro_batch(micro.size());
                }
                optimizer.set_learning_rate(schedule(optimizer.steps()));
                optimizer.step();
                optimizer.zero_grad();
                position.end_batch();
            }
        }
    }
    /// The whole state of the training, as bytes.
    std::vector<std::byte> state() {
        auto bytes = test::state_of(model.parameters());
        for (const auto& moments : optimizer.moments()) {
            moments.with_numbers([&](auto numbers) {
                test::append_bytes(bytes, numbers.data(), static_cast<Index>(numbers.size()));
            });
        }
        for (const State& words : {optimizer.state(), rng.state(), position.state()}) {
            test::append_bytes(bytes, words.data(), static_cast<Index>(words.size()));
        }
        return bytes;
    }

    static constexpr double optimizer_rate = 0.05;
    TensorDataset<float> data = test::random_samples();
    Rng rng;
    DataPosition position;
    Sequential<float> model{Linear(6, 9), ReLU(), Linear(9, 3)};
    SoftmaxCrossEntropy<float> loss;
    Optimizer optimizer;
    Checkpoint<float> checkpoint{optimizer, rng, position};
};

template <class Optimizer, class Options>
void check_resumed(const Options& options, const Options& others) {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    Training<Optimizer> whole(1, options, {.learning_rate = 0.2});
    whole.run();
    for (const int micro_batches : {0, 1, 3, 14, 30}) {
        CAPTURE(micro_batches);
        Training<Optimizer> stopped(1, options, {.learning_rate = 0.2}), resumed(2, others, {.learning_rate = 7});
        stopped.run(micro_batches);
        stopped.checkpoint.save(path);
        const auto replaced = resumed.checkpoint.load(path);
        CHECK(std::ranges::count(replaced, "learning_rate", &ReplacedOption::name) == 1);
        CHECK(std::ranges::count(replaced, "group 1 learning_rate", &ReplacedOption::name) == 1);
        CHECK(resumed.state() == stopped.state());
        resumed.run();
        CHECK(resumed.state() == whole.state());
    }
}

}  // namespace

TEST_CASE("Checkpoint: Adam, AdamW and SGD go on with their groups, to the bit") {
    check_resumed<Adam<float>, AdamOptions>({.learning_rate = 0.05}, {.learning_rate = 1, .beta1 = 0.5});
    const AdamOptions rounded{.learning_rate = 0.05, .moments = MomentFormat::bfloat16};
    check_resumed<Adam<float>, AdamOptions>(rounded, {.learning_rate = 1, .moments = MomentFormat::bfloat16});
    check_resumed<AdamW<float>, AdamWOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 1},
                                              {.learning_rate = 1, .weight_decay = 0.5, .clip_norm = 3});
    check_resumed<AdamW<float>, AdamWOptions>({.learning_rate = 0.05, .moments = MomentFormat::bfloat16},
                                              {.learning_rate = 1, .moments = MomentFormat::bfloat16});
    check_resumed<SGD<float>, SGDOptions>({.learning_rate = 0.05, .weight_decay = 0.1}, {.learning_rate = 1});
    check_resumed<SGD<float>, SGDOptions>(
        {.learning_rate = 0.05, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1},
        {.learning_rate = 1, .momentum = 0.5});
}

TEST_CASE("Checkpoint: Lion goes on, to the bit") {
    check_resumed<Lion<float>, LionOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 1},
                                            {.learning_rate = 1, .weight_decay = 0.5, .clip_norm = 3});
}

TEST_CASE("Checkpoint: RMSprop and NAdam go on, to the bit") {
    check_resumed<RMSprop<float>, RMSpropOptions>({.learning_rate = 0.05}, {.learning_rate = 1, .alpha = 0.5});
    check_resumed<RMSprop<float>, RMSpropOptions>(
        {.learning_rate = 0.05, .momentum = 0.9, .centered = true, .weight_decay = 0.1},
        {.learning_rate = 1, .momentum = 0.5, .centered = true});
    check_resumed<NAdam<float>, NAdamOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 1},
                                              {.learning_rate = 1, .decoupled_weight_decay = true, .clip_norm = 3});
}

TEST_CASE("Checkpoint: Adafactor and Muon go on, to the bit") {
    check_resumed<Adafactor<float>, AdafactorOptions>({.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 1},
                                                      {.learning_rate = 1, .beta2_decay = -0.5, .clip_norm = 3});
    check_resumed<Muon<float>, MuonOptions>(
        {.learning_rate = 0.05, .weight_decay = 0.1, .clip_norm = 1},
        {.learning_rate = 1, .momentum = 0.5, .adamw = {.learning_rate = 0.5}, .clip_norm = 3});
}

TEST_CASE("Checkpoint: the rows' and columns' moments of Adafactor have names and shapes of their own") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    Training<Adafactor<float>> training(1, AdafactorOptions(), {});
    training.run(3);
    training.checkpoint.save(path);
    std::string tensors;
    for (const auto& tensor : checkpoint_info(path).tensors) {
        if (tensor.name.starts_with("Adafactor/")) { tensors += tensor.name + " of " + to_string(tensor.shape) + "\n"; }
    }
    CHECK(tensors ==
          "Adafactor/row_moments/0.weight of 9\nAdafactor/column_moments/0.weight of 6\nAdafactor/moments/0.bias of 9\n"
          "Adafactor/row_moments/2.weight of 3\nAdafactor/column_moments/2.weight of 9\nAdafactor/moments/2.bias of 3\n");
}

TEST_CASE("Checkpoint: moments in another format are refused, and nothing changes") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    const AdamOptions full{.learning_rate = 0.05}, rounded{.learning_rate = 0.05, .moments = MomentFormat::bfloat16};
    const auto check = [&](const AdamOptions& saved_options, const AdamOptions& options, const std::string& types) {
        Training<Adam<float>> saved(1, saved_options, {}), other(2, options, {});
        saved.run(9);
        saved.checkpoint.save(path);
        const auto before = other.state();
        std::string differences;
        for (const char* moments : {"first_moments", "second_moments"}) {
            for (const char* parameter : {"0.weight", "0.bias", "2.weight", "2.bias"}) {
                differences += differences.empty() ? "" : "; ";
                differences += std::string("Adam/") + moments + "/" + parameter + ": " + types;
            }
        }
        CHECK_THROWS_WITH_AS(other.checkpoint.load(path),
                             ("gacc: Checkpoint::load \"" + path.string() +
                              "\": expected the tensors of this model, got others: " + differences +
                              "; make the optimizer with moments in the format in which they were saved")
                                 .c_str(),
                             CheckpointError);
        CHECK(other.state() == before);
    };
    check(full, rounded, "expected BF16, got F32");
    check(rounded, full, "expected F32, got BF16");
}

TEST_CASE("Checkpoint: moments in bfloat16 are checked as others are") {
    const TemporaryFolder folder;
    Training<Adam<float>> training(1, AdamOptions{.moments = MomentFormat::bfloat16}, {});
    training.run(9);
    training.optimizer.moments()[1].rounded[0] = BFloat16(-1.0F);
    training.checkpoint.save(folder.path() / "negative");
    CHECK_THROWS_AS(training.checkpoint.load(folder.path() / "negative"), CheckpointError);
    training.optimizer.moments()[1].rounded[0] = BFloat16(std::numeric_limits<float>::infinity());
    CHECK_THROWS_AS(training.checkpoint.save(folder.path() / "infinite"), NonFiniteError);
}

TEST_CASE("Checkpoint: an optimizer with other groups than the saved one is told so, and nothing changes") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "run";
    const AdamWOptions options{.learning_rate = 0.05};
    Training<AdamW<float>> saved(1, options, {.weight_decay = 0}), none(2, options, {}), other(2, options, {});
    saved.run(9);
    saved.checkpoint.save(path);
    other.optimizer.group([](const auto& parameter) { return parameter.name() == "2.bias"; }, {.weight_decay = 0});
    const auto refusal = [&](Training<AdamW<float>>& training) {
        const auto before = training.state();
        std::string text;
        try {
            training.checkpoint.load(path);
        } catch (const CheckpointError& error) { text = error.what(); }
        CHECK(training.state() == before);
        return text.substr(std::min(text.size(), text.find("expected")));
    };
    CHECK(refusal(none) ==
          "expected the tensors of this model, got others: state/AdamW: expected 7, got 14; make the optimizer's groups "
          "as they were when it was saved");
    CHECK(refusal(other) ==
          "expected states that fit, got \"gacc: AdamW: expected 0.bias in group 0, got it in group 1; make the groups "
          "as they were when the state was saved\"");
}

}  // namespace checkpoint_optimizers_test
