#include <gacc/data/batches.hpp>

#include "support/numbered_dataset.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <ranges>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace batches_test {

using gacc::BatchOptions;
using gacc::ConstMatrixView;
using gacc::Index;
using gacc::Label;
using gacc::Matrix;
using gacc::Rng;
using gacc::TensorDataset;
using gacc::test::Numbered;

namespace {

template <class Data>
std::vector<Index> sizes(const gacc::Batches<Data>& batches) {
    std::vector<Index> out;
    for (const auto& batch : batches) { out.push_back(batch.size()); }
    return out;
}

/// The samples of all batches, one after the other.
template <class Data>
std::vector<Index> samples(const gacc::Batches<Data>& batches) {
    std::vector<Index> out;
    for (const auto& batch : batches) { out.insert(out.end(), batch.samples.begin(), batch.samples.end()); }
    return out;
}

/// 0, 1, ..., size - 1
std::vector<Index> all(Index size) {
    std::vector<Index> out(static_cast<std::size_t>(size));
    std::iota(out.begin(), out.end(), Index{0});
    return out;
}

TensorDataset<float> ten_rows() {
    gacc::Tensor<float> inputs({10, 2});
    std::iota(inputs.data(), inputs.data() + inputs.size(), 0.0F);
    return {std::move(inputs), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}};
}

template <class Data>
concept Ordered = requires(Data&& data) {
    gacc::ordered_batches(std::forward<Data>(data), BatchOptions{1});
};

template <class Data>
concept Shuffled = requires(Data&& data, Rng& rng) {
    gacc::shuffled_batches(std::forward<Data>(data), BatchOptions{1}, rng);
};

template <class B>
concept GivesBatch = requires(B&& batches) { std::forward<B>(batches)[0]; };
template <class R>
concept GivesBegin = requires(R&& range) { std::forward<R>(range).begin(); };

/// Labels that a Label cannot hold.
struct WideLabels {
    using scalar_type = float;
    Index size() const { return 1; }
    Index features() const { return 1; }
    std::int64_t label(Index) const { return std::int64_t{1} << 32; }
    void copy_inputs(Index, std::span<float> row) const { row[0] = 0; }
};

}  // namespace

TEST_CASE("ordered_batches: walks over the samples in order, the last batch is what remains") {
    const Numbered data(10);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 4});
    CHECK(batches.size() == 3);
    CHECK(sizes(batches) == std::vector<Index>{4, 4, 2});
    CHECK(samples(batches) == all(10));
}

TEST_CASE("ordered_batches: drop_last leaves the samples out that do not fill a batch") {
    const Numbered data(10);
    CHECK(sizes(gacc::ordered_batches(data, {.batch_size = 4, .drop_last = true})) == std::vector<Index>{4, 4});
    CHECK(sizes(gacc::ordered_batches(data, {.batch_size = 5, .drop_last = true})) == std::vector<Index>{5, 5});
    CHECK(gacc::ordered_batches(data, {.batch_size = 11, .drop_last = true}).size() == 0);
}

TEST_CASE("ordered_batches: a batch larger than the dataset is the dataset") {
    const Numbered data(10);
    CHECK(sizes(gacc::ordered_batches(data, {.batch_size = 64})) == std::vector<Index>{10});
}

TEST_CASE("ordered_batches: no samples make no batches") {
    const Numbered data(0);
    CHECK(sizes(gacc::ordered_batches(data, {.batch_size = 4})).empty());
}

TEST_CASE("batches: a batch size below one is refused, ordered and shuffled") {
    const Numbered data(10);
    Rng rng(42);
    CHECK_THROWS_WITH_AS(gacc::ordered_batches(data, {}), "gacc: batches: expected a batch_size of 1 or more, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(gacc::shuffled_batches(data, {.batch_size = -2}, rng),
                         "gacc: batches: expected a batch_size of 1 or more, got -2", gacc::UsageError);
}

TEST_CASE("batches: inputs are the rows of the dataset") {
    const TensorDataset data = ten_rows();
    const auto batches = gacc::ordered_batches(data, {.batch_size = 6});
    const auto first = batches[0];
    CHECK(first.inputs.view() == Matrix<float>{{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}});
    CHECK(first.micro_batches(2)[2].inputs.view() == Matrix<float>{{8, 9}, {10, 11}});
    const auto second = batches[1];
    CHECK(second.inputs.view() == Matrix<float>{{12, 13}, {14, 15}, {16, 17}, {18, 19}});
    CHECK(std::ranges::equal(second.labels, std::vector<Label>{6, 7, 8, 9}));
}

TEST_CASE("batches: inputs are gathered when they are used, and only those used") {
    const Numbered data(10);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 6});
    const auto batch = batches[0];
    const auto micro_batches = batch.micro_batches(3);
    CHECK(batch.labels[5] == 105);
    CHECK(data.copied.empty());
    CHECK(micro_batches[1].inputs.view().rows() == 3);
    CHECK(data.copied == std::vector<Index>{3, 4, 5});
}

TEST_CASE("batches: all inputs pass through the room of one micro-batch") {
    const Numbered data(100);
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 40})) {
        for (const auto& micro : batch.micro_batches(8)) { CHECK(micro.inputs.view().cols() == 3); }
    }
    CHECK(data.copied == all(100));
    CHECK(data.places.size() == 8);
    CHECK(*data.places.rbegin() - *data.places.begin() == 7 * 3);  // rows side by side
}

TEST_CASE("shuffled_batches: covers every sample once") {
    const Numbered data(103);
    Rng rng(42);
    const auto batches = gacc::shuffled_batches(data, {.batch_size = 10}, rng);
    CHECK(sizes(batches).back() == 3);
    CHECK(samples(batches) != all(103));
    CHECK(std::ranges::is_permutation(samples(batches), all(103)));
}

TEST_CASE("shuffled_batches: drop_last leaves out different samples every epoch, and none twice in one") {
    const Numbered data(11);
    Rng rng(42);
    std::set<Index> seen;
    for (int epoch = 0; epoch < 20; ++epoch) {
        const auto batches = gacc::shuffled_batches(data, {.batch_size = 5, .drop_last = true}, rng);
        const std::vector<Index> kept = samples(batches);
        CHECK(kept.size() == 10);
        CHECK(std::set(kept.begin(), kept.end()).size() == 10);
        seen.insert(kept.begin(), kept.end());
    }
    CHECK(seen.size() == 11);
}

TEST_CASE("shuffled_batches: another call gives another order, the same seed the same one") {
    const Numbered data(50);
    Rng rng(42), again(42);
    const auto first = gacc::shuffled_batches(data, {.batch_size = 8}, rng);
    const auto second = gacc::shuffled_batches(data, {.batch_size = 8}, rng);
    const auto first_again = gacc::shuffled_batches(data, {.batch_size = 8}, again);
    CHECK(samples(first) != samples(second));
    CHECK(samples(first) == samples(first_again));
}

TEST_CASE("shuffled_batches: the order does not depend on the batch size") {
    const Numbered data(50);
    Rng rng(42), again(42);
    CHECK(samples(gacc::shuffled_batches(data, {.batch_size = 8}, rng)) ==
          samples(gacc::shuffled_batches(data, {.batch_size = 50}, again)));
}

TEST_CASE("shuffled_batches: can be walked over more than once, in the same order") {
    const Numbered data(20);
    Rng rng(42);
    const auto batches = gacc::shuffled_batches(data, {.batch_size = 6}, rng);
    const std::vector<Index> order = samples(batches);
    CHECK(samples(batches) == order);
    CHECK(std::ranges::equal(batches[1].samples, std::span(order).subspan(6, 6)));
}

TEST_CASE("batches: work with the algorithms of the standard library") {
    const Numbered data(10);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 4});
    CHECK(std::ranges::input_range<decltype(batches)>);
    CHECK(std::ranges::count_if(batches, [](const auto& batch) { return batch.size() == 4; }) == 2);
}

TEST_CASE("batches: a dataset that would not live long enough is refused, one that does is not") {
    CHECK(Ordered<const Numbered&>);
    CHECK(Ordered<Numbered&>);
    CHECK_FALSE(Ordered<Numbered>);
    CHECK_FALSE(Ordered<const Numbered>);

    CHECK(Shuffled<const Numbered&>);
    CHECK(Shuffled<Numbered&>);
    CHECK_FALSE(Shuffled<Numbered>);
    CHECK_FALSE(Shuffled<const Numbered>);
}

TEST_CASE("batches: sizes as large as can be mean everything at once") {
    constexpr Index most = std::numeric_limits<Index>::max();
    const Numbered data(10);
    const auto batches = gacc::ordered_batches(data, {.batch_size = most});
    CHECK(sizes(batches) == std::vector<Index>{10});
    CHECK(batches[0].micro_batches(most).size() == 1);
}

TEST_CASE("Batches: a temporary gives no batch that would outlive it, but can be walked over") {
    CHECK(GivesBatch<gacc::Batches<Numbered>&>);
    CHECK(GivesBatch<const gacc::Batches<Numbered>&>);
    CHECK_FALSE(GivesBatch<gacc::Batches<Numbered>>);
    CHECK(GivesBegin<gacc::Batches<Numbered>&>);
    CHECK_FALSE(GivesBegin<gacc::Batches<Numbered>>);
    CHECK(GivesBegin<gacc::MicroBatches<Numbered>&>);
    CHECK_FALSE(GivesBegin<gacc::MicroBatches<Numbered>>);

    const Numbered data(5);
    Index samples = 0;
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 3})) {
        for (const auto& micro : batch.micro_batches(2)) { samples += micro.size(); }
    }
    CHECK(samples == 5);
}

TEST_CASE("batches: a label that a Label cannot hold is refused") {
    const WideLabels data;
    const auto batches = gacc::ordered_batches(data, {.batch_size = 1});
    CHECK_THROWS_WITH_AS(batches[0], "gacc: batches: expected labels that a Label holds, got 4294967296 for sample 0",
                         gacc::DataError);
}

namespace {

/// A dataset that claims more features than any memory can hold.
struct Endless {
    using scalar_type = float;
    Index size() const { return 4; }
    Index features() const { return std::numeric_limits<Index>::max() / 2 + 1; }
    Label label(Index) const { return 0; }
    void copy_inputs(Index, std::span<float>) const { FAIL("there was no room for this"); }
};

/// A dataset of one sample, whose label has a type of its own.
template <class T>
struct LabelledBy {
    using scalar_type = float;
    Index size() const { return 1; }
    Index features() const { return 1; }
    T label(Index) const { return value; }
    void copy_inputs(Index, std::span<float> row) const { row[0] = 0; }
    T value;
};

template <class T>
Label batched(T label) {
    const LabelledBy<T> data{label};
    const auto batches = gacc::ordered_batches(data, {.batch_size = 1});
    return batches[0].labels[0];
}

}  // namespace

TEST_CASE("batches: inputs that no memory can hold are an error, and nothing is written") {
    const Endless data;
    const auto batches = gacc::ordered_batches(data, {.batch_size = 4});
    const auto batch = batches[0];
    const auto text = gacc::detail::text("gacc: batches: expected memory for more than ",
                                         gacc::detail::grouped(std::numeric_limits<Index>::max()),
                                         " bytes of inputs, got none; use smaller micro-batches");
    CHECK_THROWS_WITH_AS(batch.inputs.view(), text.c_str(), gacc::MemoryError);
}

TEST_CASE("batches: labels may be integers of any type, and one that would change its sign is refused") {
    CHECK(batched<std::int64_t>(7) == 7);
    CHECK(batched<std::int64_t>(-100) == -100);
    CHECK(batched<std::uint8_t>(255) == 255);
    CHECK(batched<bool>(true) == 1);
    CHECK_THROWS_WITH_AS(batched<std::uint32_t>(4294967196U),  // -100 if it were truncated
                         "gacc: batches: expected labels that a Label holds, got 4294967196 for sample 0",
                         gacc::DataError);
    CHECK_THROWS_AS(batched<std::uint64_t>(~std::uint64_t{0}), gacc::DataError);
}

}  // namespace batches_test
