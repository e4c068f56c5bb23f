#include <gacc/data/position.hpp>

#include <gacc/data/batches.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace position_test {

using gacc::Index;
using gacc::DataPosition;
using gacc::Rng;

namespace {

gacc::TensorDataset<float> numbers(Index count) {
    gacc::Tensor<float> inputs({count, 1});
    std::iota(inputs.data(), inputs.data() + count, 0.0F);
    return {std::move(inputs), std::vector<gacc::Label>(static_cast<std::size_t>(count), 0)};
}

/// The samples from `position` to the end of the epoch, batch after batch, in micro-batches of two.
std::vector<Index> rest_of_epoch(const gacc::TensorDataset<float>& data, Rng& rng, DataPosition& position, Index most = 1000) {
    std::vector<Index> seen;
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 7}, rng, position)) {
        for (const auto& micro : batch.from(position.sample).micro_batches(2)) {
            if (static_cast<Index>(seen.size()) >= most) { return seen; }
            seen.insert(seen.end(), micro.samples.begin(), micro.samples.end());
            position.end_micro_batch(micro.size());
        }
        position.end_batch();
    }
    position.end_epoch();
    return seen;
}

}  // namespace

TEST_CASE("DataPosition: an epoch from the start is the epoch without a position, and draws as much") {
    const auto data = numbers(30);
    Rng with(5), without(5);
    DataPosition position;
    for (int epoch = 0; epoch < 3; ++epoch) {
        const auto seen = rest_of_epoch(data, with, position);
        std::vector<Index> expected;
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 7}, without)) {
            expected.insert(expected.end(), batch.samples.begin(), batch.samples.end());
        }
        CHECK(seen == expected);
        CHECK(with.state() == without.state());
        CHECK(position.epoch == epoch + 1);
    }
}

TEST_CASE("DataPosition: left anywhere and taken up with a generator of any state, the epoch goes on where it was") {
    const auto data = numbers(30);
    Rng rng(5);
    DataPosition whole;
    const auto all = rest_of_epoch(data, rng, whole);
    for (Index done = 0; done <= 30; ++done) {
        Rng first(5);
        DataPosition position;
        auto seen = rest_of_epoch(data, first, position, done);
        DataPosition taken_up;
        taken_up.set_state(position.state());
        Rng second(99);
        if (position.epoch == 0) {
            const auto rest = rest_of_epoch(data, second, taken_up);
            seen.insert(seen.end(), rest.begin(), rest.end());
            CHECK(second.drawn() == 0);  // the order was drawn before
        }
        CHECK(seen == all);
        CHECK(taken_up.epoch == 1);
    }
}

TEST_CASE("DataPosition: the rest of a batch is cut as the whole batch would have been") {
    const auto data = numbers(100);
    for (Index at_most = 1; at_most <= 100; ++at_most) {
        const auto batches = gacc::ordered_batches(data, {.batch_size = 100});
        const auto batch = batches[0];
        Index done = 0, left = batch.micro_batches(at_most).size();
        for (const auto& micro : batch.micro_batches(at_most)) {
            const auto rest = batch.from(done).micro_batches(at_most);
            REQUIRE(rest.size() == left--);
            REQUIRE(rest[0].size() == micro.size());
            done += micro.size();
        }
        CHECK(batch.from(done).micro_batches(at_most).size() == 0);
    }
}

TEST_CASE("DataPosition: ordered batches begin at it too") {
    const auto data = numbers(30);
    DataPosition position;
    position.enter(30, 7);
    position.end_batch();
    position.end_batch();
    const auto batches = gacc::ordered_batches(data, {.batch_size = 7}, position);
    CHECK((*batches.begin()).samples.front() == 14);
    CHECK(std::ranges::distance(batches) == 3);
}

TEST_CASE("DataPosition: in the middle of an epoch, other data or another batch size are an error") {
    const auto data = numbers(30), other = numbers(31);
    Rng rng(5);
    DataPosition position;
    rest_of_epoch(data, rng, position, 10);
    const auto before = position.state(), drawn = rng.state();
    CHECK_THROWS_WITH_AS(
        gacc::shuffled_batches(other, {.batch_size = 7}, rng, position),
        "gacc: batches: expected the 30 samples in batches of 7 that this position is in, got 31 in batches "
        "of 7",
        gacc::UsageError);
    CHECK_THROWS_AS(gacc::shuffled_batches(data, {.batch_size = 8}, rng, position), gacc::UsageError);
    CHECK_THROWS_AS(gacc::shuffled_batches(data, {.batch_size = 0}, rng, position), gacc::UsageError);
    CHECK(position.state() == before);
    CHECK(rng.state() == drawn);
    rest_of_epoch(data, rng, position);
    CHECK_NOTHROW(gacc::shuffled_batches(other, {.batch_size = 8}, rng, position));  // a new epoch may differ
}

TEST_CASE("DataPosition: other data are an error as soon as the order is drawn, a batch or a micro-batch is done") {
    const auto data = numbers(30), other = numbers(31);
    Rng rng(5);
    DataPosition drawn, batch, micro_batch;
    gacc::shuffled_batches(data, {.batch_size = 7}, rng, drawn);
    gacc::ordered_batches(data, {.batch_size = 7}, batch);
    batch.end_batch();
    gacc::ordered_batches(data, {.batch_size = 7}, micro_batch);
    micro_batch.end_micro_batch(2);
    for (DataPosition* position : {&drawn, &batch, &micro_batch}) {
        CHECK_THROWS_AS(gacc::ordered_batches(other, {.batch_size = 7}, *position), gacc::UsageError);
        CHECK_THROWS_AS(gacc::shuffled_batches(data, {.batch_size = 8}, rng, *position), gacc::UsageError);
    }
}

TEST_CASE("DataPosition: words that are no position are an error, and change nothing") {
    DataPosition position;
    position.end_epoch();
    const auto before = position.state();
    auto words = before;
    CHECK_THROWS_WITH_AS(position.set_state(std::span(words).first(7)),
                         "gacc: DataPosition: expected the state of a position in the data, got other words", gacc::DataError);
    for (std::size_t i = 0; i < 6; ++i) {
        words = before;
        words[i] = ~std::uint64_t{0};
        CHECK_THROWS_AS(position.set_state(words), gacc::DataError);
        CHECK(position.state() == before);
    }
}

TEST_CASE("DataPosition: batches and samples beyond those of its data are no position, nor are more epochs than can be") {
    const auto valid = [](std::uint64_t epoch, std::uint64_t batch, std::uint64_t sample, std::uint64_t data_size,
                          std::uint64_t batch_size) {
        DataPosition position;
        try {
            position.set_state(gacc::State{epoch, batch, sample, 0, data_size, batch_size, 0, 0});
        } catch (const gacc::DataError& error) {
            CHECK(error.what() ==
                  std::string("gacc: DataPosition: expected the state of a position in the data, got other words"));
            CHECK(position.state() == DataPosition().state());
            return false;
        }
        return true;
    };
    CHECK(valid(0, 0, 0, 0, 0));
    CHECK(valid(7, 0, 0, 30, 7));
    CHECK(valid(7, 4, 2, 30, 7));  // the last batch has two
    CHECK_FALSE(valid(7, 4, 3, 30, 7));
    CHECK(valid(7, 3, 7, 30, 7));
    CHECK_FALSE(valid(7, 3, 8, 30, 7));
    CHECK(valid(7, 5, 0, 30, 7));  // between the last batch and the end of the epoch
    CHECK_FALSE(valid(7, 5, 1, 30, 7));
    CHECK_FALSE(valid(7, 6, 0, 30, 7));
    CHECK(valid(0, 1, 0, 5, 7));
    CHECK_FALSE(valid(0, 2, 0, 5, 7));
    CHECK_FALSE(valid(0, 1, 0, 0, 7));
    CHECK_FALSE(valid(0, 1, 0, 5, 0));
    CHECK_FALSE(valid(0, 0, 1, 0, 1));
    constexpr std::uint64_t half = std::uint64_t{1} << (8 * sizeof(Index) / 2);  // its square overflows
    CHECK_FALSE(valid(0, half, 0, 30, half));
    CHECK(valid(1000, 0, 0, 30, 7));
    CHECK_FALSE(valid((std::uint64_t{1} << 40) + 1, 0, 0, 30, 7));
    CHECK_FALSE(valid(std::uint64_t{1} << 55, 0, 0, 30, 7));
}

TEST_CASE("Batch: from() leaves out what is done, and no more than there is") {
    const auto data = numbers(5);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 5});
    CHECK(batches[0].from(2).size() == 3);
    CHECK(batches[0].from(2).samples.front() == 2);
    CHECK(batches[0].from(5).size() == 0);
    CHECK_THROWS_AS(batches[0].from(6), gacc::UsageError);
}

}  // namespace position_test
