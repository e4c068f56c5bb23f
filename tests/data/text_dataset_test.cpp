#include <gacc/data/text_dataset.hpp>

#include <gacc/accumulation/audit.hpp>
#include <gacc/accumulation/plan.hpp>
#include <gacc/core/checksum.hpp>
#include <gacc/data/batches.hpp>
#include <gacc/data/fingerprint.hpp>
#include <gacc/data/subset.hpp>
#include <gacc/layers/embedding.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/train/metrics.hpp>

#include "support/gradient_check.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace text_dataset_test {

using gacc::DataError;
using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Text;
using gacc::TextDataset;
using gacc::UsageError;
using gacc::memory::Kind;

namespace {

constexpr auto sentences =
    "The cut does not change the result. Neither does the number of threads. "
    "Nor an interruption, also in the middle of a batch. Memory is known before training.";

template <class Scalar>
std::vector<Scalar> inputs_of(const TextDataset<Scalar>& data, Index sample) {
    std::vector<Scalar> row(static_cast<std::size_t>(data.features()));
    data.copy_inputs(sample, row);
    return row;
}
template <class Scalar>
std::vector<Label> labels_of(const TextDataset<Scalar>& data, Index sample) {
    std::vector<Label> labels(static_cast<std::size_t>(data.labels_per_sample()));
    data.copy_labels(sample, labels);
    return labels;
}

template <class Scalar>
gacc::Sequential<Scalar> language_model(const TextDataset<Scalar>& data) {
    const Index vocabulary = data.text().vocabulary().size();
    gacc::Sequential<Scalar> model;
    model.add(gacc::Input(data.features()));
    model.add(gacc::Embedding<Scalar>(vocabulary, 6));
    model.add(gacc::Linear<Scalar>(6, vocabulary));
    gacc::Rng rng(1);
    model.initialize(rng);
    return model;
}

/// Bytes of the parameters, and the mean loss of each of three epochs, with micro-batches of at most so many.
template <class Scalar>
std::pair<std::vector<std::byte>, std::vector<double>> train(Index micro_batch) {
    const TextDataset<Scalar> data(Text(sentences), {.tokens = 5, .stride = 2});
    auto model = language_model(data);
    gacc::SoftmaxCrossEntropy<Scalar> loss;
    gacc::Adam<Scalar> adam(model.parameters(), {.learning_rate = 0.05});
    gacc::Rng rng(2);
    std::vector<double> means;
    for (int epoch = 0; epoch < 3; ++epoch) {
        gacc::MeanLoss mean, again;
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 16}, rng)) {
            for (const auto& micro : batch.micro_batches(micro_batch)) {
                again.add(loss.value(model.predict(micro.inputs), micro.labels));
                mean.add(loss.forward(model.forward(micro.inputs), micro.labels));
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
        }
        CHECK(again.mean() == mean.mean());
        means.push_back(mean.mean());
    }
    return {gacc::test::values_of(model.parameters()), means};
}

}  // namespace

TEST_CASE("TextDataset: a worked example: windows of 3 of \"hello world\"") {
    // " dehlorw" are 0 to 7, so the text is 3 2 4 4 5 0 7 5 6 4 1.
    const Text text("hello world");
    const TextDataset<float> data(text, {.tokens = 3});
    CHECK(data.size() == 3);  // the last two characters are no window
    CHECK(data.features() == 3);
    CHECK(data.labels_per_sample() == 3);
    CHECK(inputs_of(data, 0) == std::vector<float>{3, 2, 4});
    CHECK(labels_of(data, 0) == std::vector<Label>{2, 4, 4});
    CHECK(inputs_of(data, 2) == std::vector<float>{7, 5, 6});
    CHECK(labels_of(data, 2) == std::vector<Label>{5, 6, 4});

    const TextDataset<double> everywhere(text, {.tokens = 3, .stride = 1});
    CHECK(everywhere.size() == 8);
    CHECK(inputs_of(everywhere, 1) == std::vector<double>{2, 4, 4});
    CHECK(labels_of(everywhere, 7) == std::vector<Label>{6, 4, 1});
    CHECK(inputs_of(TextDataset(text.split(0.75).second, {.tokens = 2}), 0) == std::vector<float>{6, 4});
    CHECK(TextDataset(text, {.tokens = 10}).size() == 1);
    CHECK(TextDataset(text, {.tokens = 5}).size() == 2);
    CHECK(TextDataset(text, {.tokens = 1, .stride = 4}).size() == 3);  // from 0, 4 and 8
}

TEST_CASE("TextDataset: batches have the labels of all rows, sample by sample") {
    const TextDataset data(Text("hello world"), {.tokens = 3});
    CHECK(gacc::RowLabelledDataset<TextDataset<float>>);
    CHECK_FALSE(gacc::LabelledDataset<TextDataset<float>>);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 3});
    const auto batch = batches[0];
    CHECK(batch.inputs.view() == Matrix<float>{{3, 2, 4}, {4, 5, 0}, {7, 5, 6}});
    CHECK(std::ranges::equal(batch.labels.view(), std::vector<Label>{2, 4, 4, 5, 0, 7, 5, 6, 4}));
    const auto micro_batches = batch.micro_batches(2);
    CHECK(std::ranges::equal(micro_batches[0].labels.view(), std::vector<Label>{2, 4, 4, 5, 0, 7}));
    CHECK(std::ranges::equal(micro_batches[1].labels.view(), std::vector<Label>{5, 6, 4}));
    CHECK(std::ranges::equal(batch.part(1, 1).labels.view(), std::vector<Label>{5, 0, 7}));

    const gacc::Subset last(data, std::vector<Index>{2, 0});
    CHECK(gacc::RowLabelledDataset<gacc::Subset<TextDataset<float>>>);
    const auto of_subset = gacc::ordered_batches(last, {.batch_size = 2});
    CHECK(std::ranges::equal(of_subset[0].labels.view(), std::vector<Label>{5, 6, 4, 2, 4, 4}));
}

TEST_CASE_TEMPLATE("TextDataset: a model learns it, to the same bytes for every cut", Scalar, float, double) {
    const auto whole = train<Scalar>(16);
    CHECK(whole.second[2] < 0.8 * whole.second[0]);
    for (const Index micro_batch : {1, 3, 7}) { CHECK(train<Scalar>(micro_batch) == whole); }
}

TEST_CASE_TEMPLATE("TextDataset: training takes the bytes that were planned", Scalar, float, double) {
    const TextDataset<Scalar> data(Text(sentences), {.tokens = 5, .stride = 2});
    const auto before = gacc::memory::live();
    auto model = language_model(data);
    gacc::SoftmaxCrossEntropy<Scalar> loss;
    gacc::Adam<Scalar> adam(model.parameters());
    const auto plan = gacc::plan({.batch_size = 16, .micro_batch = 6}, model, loss, adam, data);
    CHECK(plan.bytes[Kind::staging] ==
          6 * 5 * (sizeof(Scalar) + sizeof(Label)) + static_cast<std::size_t>(data.size()) * sizeof(Index));
    gacc::memory::forget_peak();
    gacc::Rng rng(1);
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 16}, rng)) {
        for (const auto& micro : batch.micro_batches(plan)) {
            loss.forward(model.forward(micro.inputs), micro.labels);
            model.backward(loss.backward());
        }
        adam.step();
        adam.zero_grad();
    }
    for (const Kind kind :
         {Kind::parameters, Kind::gradients, Kind::moments, Kind::activations, Kind::scratch, Kind::staging}) {
        CHECK(gacc::memory::peak()[kind] - before[kind] == plan.bytes[kind]);
    }
}

TEST_CASE("TextDataset: can be audited") {
    const TextDataset data(Text(sentences), {.tokens = 5});
    auto model = language_model(data);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 16});
    gacc::SoftmaxCrossEntropy loss;
    CHECK(gacc::audit(model, loss, batches[0], 3).same());
}

TEST_CASE("fingerprint: of windows sees inputs, labels and their number") {
    const auto of = [](const char* text, gacc::TextOptions options) {
        return gacc::fingerprint(TextDataset(Text(text), options));
    };
    std::set<std::uint64_t> seen;
    for (const std::uint64_t one : {of("abcd", {.tokens = 3}), of("abca", {.tokens = 3}), of("abcd", {.tokens = 2}),
                                    of("abcd", {.tokens = 1}), of("abcd", {.tokens = 1, .stride = 2})}) {
        CHECK(seen.insert(one).second);
    }
    CHECK(of("abcd", {.tokens = 3}) == of("abcd", {.tokens = 3, .stride = 5}));  // the same single window
    // Sizes 1, 1 and 1, the label 1, the input 0.0F.
    const Bytes bytes{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    gacc::Crc64 sum;
    sum.add(bytes);
    CHECK(of("ab", {.tokens = 1}) == sum.value());
}

TEST_CASE("TextDataset: options out of range and texts shorter than a window are refused") {
    const Text text("hello");
    CHECK_THROWS_WITH_AS(TextDataset(text, {}), "gacc: TextDataset: expected 1 token or more, got 0", UsageError);
    CHECK_THROWS_WITH_AS(TextDataset(text, {.tokens = -2}), "gacc: TextDataset: expected 1 token or more, got -2",
                         UsageError);
    CHECK_THROWS_WITH_AS(TextDataset(text, {.tokens = 2, .stride = -1}),
                         "gacc: TextDataset: expected a stride of 0 or more, got -1", UsageError);
    CHECK_THROWS_WITH_AS(TextDataset(text, {.tokens = 5}),
                         "gacc: TextDataset: expected more characters than the 5 tokens of a window, got 5", DataError);
    CHECK_THROWS_AS(TextDataset(text, {.tokens = std::numeric_limits<Index>::max()}), DataError);
    CHECK(TextDataset(text, {.tokens = 4}).size() == 1);
    CHECK(TextDataset(text, {.tokens = 4, .stride = std::numeric_limits<Index>::max()}).size() == 1);
}

}  // namespace text_dataset_test
