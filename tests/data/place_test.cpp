#include <gacc/data/place.hpp>

#include <gacc/data/batches.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

using gacc::Index;
using gacc::Place;
using gacc::Rng;

namespace {

gacc::TensorDataset<float> numbers(Index count) {
    gacc::Tensor<float> inputs({count, 1});
    std::iota(inputs.data(), inputs.data() + count, 0.0F);
    return {std::move(inputs), std::vector<gacc::Label>(static_cast<std::size_t>(count), 0)};
}

/// The samples from `place` to the end of the epoch, batch after batch, in micro-batches of two.
std::vector<Index> rest_of_epoch(const gacc::TensorDataset<float>& data, Rng& rng, Place& place, Index most = 1000) {
    std::vector<Index> seen;
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 7}, rng, place)) {
        for (const auto& micro : batch.from(place.sample).micro_batches(2)) {
            if (static_cast<Index>(seen.size()) >= most) { return seen; }
            seen.insert(seen.end(), micro.samples.begin(), micro.samples.end());
            place.end_micro_batch(micro.size());
        }
        place.end_batch();
    }
    place.end_epoch();
    return seen;
}

}  // namespace

TEST_CASE("Place: an epoch from the start is the epoch without a place, and draws as much") {
    const auto data = numbers(30);
    Rng with(5), without(5);
    Place place;
    for (int epoch = 0; epoch < 3; ++epoch) {
        const auto seen = rest_of_epoch(data, with, place);
        std::vector<Index> expected;
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 7}, without)) {
            expected.insert(expected.end(), batch.samples.begin(), batch.samples.end());
        }
        CHECK(seen == expected);
        CHECK(with.state() == without.state());
        CHECK(place.epoch == epoch + 1);
    }
}

TEST_CASE("Place: left anywhere and taken up with a generator of any state, the epoch goes on where it was") {
    const auto data = numbers(30);
    Rng rng(5);
    Place whole;
    const auto all = rest_of_epoch(data, rng, whole);
    for (Index done = 0; done <= 30; ++done) {
        Rng first(5);
        Place place;
        auto seen = rest_of_epoch(data, first, place, done);
        Place taken_up;
        taken_up.set_state(place.state());
        Rng second(99);
        if (place.epoch == 0) {
            const auto rest = rest_of_epoch(data, second, taken_up);
            seen.insert(seen.end(), rest.begin(), rest.end());
            CHECK(second.drawn() == 0);  // the order was drawn before
        }
        CHECK(seen == all);
        CHECK(taken_up.epoch == 1);
    }
}

TEST_CASE("Place: the rest of a batch is cut as the whole batch would have been") {
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

TEST_CASE("Place: ordered batches begin at it too") {
    const auto data = numbers(30);
    Place place;
    place.enter(30, 7);
    place.end_batch();
    place.end_batch();
    const auto batches = gacc::ordered_batches(data, {.batch_size = 7}, place);
    CHECK((*batches.begin()).samples.front() == 14);
    CHECK(std::ranges::distance(batches) == 3);
}

TEST_CASE("Place: in the middle of an epoch, other data or another batch size are an error") {
    const auto data = numbers(30), other = numbers(31);
    Rng rng(5);
    Place place;
    rest_of_epoch(data, rng, place, 10);
    const auto before = place.state(), drawn = rng.state();
    CHECK_THROWS_WITH_AS(
        gacc::shuffled_batches(other, {.batch_size = 7}, rng, place),
        "gacc: batches: expected the 30 samples in batches of 7 that this place is in, got 31 in batches "
        "of 7",
        gacc::UsageError);
    CHECK_THROWS_AS(gacc::shuffled_batches(data, {.batch_size = 8}, rng, place), gacc::UsageError);
    CHECK_THROWS_AS(gacc::shuffled_batches(data, {.batch_size = 0}, rng, place), gacc::UsageError);
    CHECK(place.state() == before);
    CHECK(rng.state() == drawn);
    rest_of_epoch(data, rng, place);
    CHECK_NOTHROW(gacc::shuffled_batches(other, {.batch_size = 8}, rng, place));  // a new epoch may differ
}

TEST_CASE("Place: other data are an error as soon as the order is drawn, a batch or a micro-batch is done") {
    const auto data = numbers(30), other = numbers(31);
    Rng rng(5);
    Place drawn, batch, micro_batch;
    gacc::shuffled_batches(data, {.batch_size = 7}, rng, drawn);
    gacc::ordered_batches(data, {.batch_size = 7}, batch);
    batch.end_batch();
    gacc::ordered_batches(data, {.batch_size = 7}, micro_batch);
    micro_batch.end_micro_batch(2);
    for (Place* place : {&drawn, &batch, &micro_batch}) {
        CHECK_THROWS_AS(gacc::ordered_batches(other, {.batch_size = 7}, *place), gacc::UsageError);
        CHECK_THROWS_AS(gacc::shuffled_batches(data, {.batch_size = 8}, rng, *place), gacc::UsageError);
    }
}

TEST_CASE("Place: words that are no place are an error, and change nothing") {
    Place place;
    place.end_epoch();
    const auto before = place.state();
    auto words = before;
    CHECK_THROWS_WITH_AS(place.set_state(std::span(words).first(7)),
                         "gacc: Place: expected the state of a place in the data, got other words", gacc::DataError);
    for (std::size_t i = 0; i < 6; ++i) {
        words = before;
        words[i] = ~std::uint64_t{0};
        CHECK_THROWS_AS(place.set_state(words), gacc::DataError);
        CHECK(place.state() == before);
    }
}

TEST_CASE("Place: batches and samples beyond those of its data are no place, nor are more epochs than can be") {
    const auto valid = [](std::uint64_t epoch, std::uint64_t batch, std::uint64_t sample, std::uint64_t data_size,
                          std::uint64_t batch_size) {
        Place place;
        try {
            place.set_state(gacc::State{epoch, batch, sample, 0, data_size, batch_size, 0, 0});
        } catch (const gacc::DataError& error) {
            CHECK(error.what() ==
                  std::string("gacc: Place: expected the state of a place in the data, got other words"));
            CHECK(place.state() == Place().state());
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
    constexpr std::uint64_t half = std::uint64_t{1} << (8 * sizeof(Index) / 2);  // times itself it overflows
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
