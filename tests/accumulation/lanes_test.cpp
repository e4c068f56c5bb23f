#include <gacc/accumulation/lanes.hpp>

#include <gacc/gacc.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "support/numbered_dataset.hpp"

namespace lanes_test {

using gacc::Index;
using gacc::Lanes;
using gacc::Matrix;

namespace {

/// Samples with targets, and a model with dropout.
struct Training {
    explicit Training(Index samples = 23) : inputs(samples, 6), targets(samples, 3) {
        gacc::Rng rng(1);
        model.initialize(rng);
        for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.normal()); }
        for (Index i = 0; i < targets.size(); ++i) { targets.data()[i] = static_cast<float>(rng.normal()); }
    }
    Index samples() const { return inputs.rows(); }
    void add(Index first, Index count) {
        loss.forward(model.forward(inputs.middleRows(first, count)), targets.middleRows(first, count));
        model.backward(loss.backward());
    }
    /// Lanes first() to last() - 1 of the batch, in micro-batches of at most `at_most`.
    void compute(Lanes<float>& lanes, Index at_most, bool early = false) {
        lanes.begin_batch(samples());
        for (Index lane = lanes.first(); lane < lanes.last(); ++lane) {
            lanes.begin_lane();
            const Index end = lanes.first_sample(lane + 1);
            for (Index i = lanes.first_sample(lane); i < end; i += at_most) { add(i, std::min(at_most, end - i)); }
            if (early && lane + 1 == lanes.last()) { join_early(lanes); }
            lanes.end_lane();
        }
    }

    /// Some of the gradient buffers, the last one first.
    void join_early(Lanes<float>& lanes) {
        lanes.begin_last_micro_batch();
        CHECK(lanes.in_last_micro_batch());
        for (const std::size_t i : {3, 2, 0}) { lanes.join_early(parameters[i], i); }
    }

    gacc::Sequential<float> model{gacc::Linear(6, 5), gacc::ReLU(), gacc::Dropout(0.5), gacc::Linear(5, 3)};
    gacc::MeanSquaredError<float> loss;
    gacc::Parameters<float> parameters = model.parameters();
    Matrix<float> inputs, targets;
};

std::vector<float> numbers(const gacc::Parameters<float>& parameters) {
    std::vector<float> all;
    for (auto& parameter : parameters.with_gradients()) {
        const auto grads = parameter.materialize_grads();
        all.insert(all.end(), grads.begin(), grads.end());
    }
    return all;
}
bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// The gradients of a batch whose lanes are computed by `ranks` models, each with some of them.
std::vector<float> with_ranks(Index lane_count, Index ranks, Index at_most, Index samples = 23) {
    struct Sum {
        gacc::detail::LaneNode node;
        std::vector<float> numbers;
    };
    std::vector<Sum> sums;
    for (Index rank = 0; rank < ranks; ++rank) {
        Training training(samples);
        Lanes<float> lanes(training.parameters, lane_count, lane_count * rank / ranks, lane_count * (rank + 1) / ranks);
        training.compute(lanes, at_most);
        const auto& nodes = lanes.nodes();
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const bool last = i + 1 == nodes.size();
            if (!last) { lanes.sums(i).swap(training.parameters); }
            sums.push_back({nodes[i], numbers(training.parameters)});
            if (!last) { lanes.sums(i).swap(training.parameters); }
        }
    }
    gacc::detail::LaneTree tree(lane_count);
    std::vector<std::vector<float>> waiting;
    for (Sum& sum : sums) {
        for (Index joins = tree.add(sum.node); joins > 0; --joins) {
            for (std::size_t i = 0; i < sum.numbers.size(); ++i) { sum.numbers[i] = waiting.back()[i] + sum.numbers[i]; }
            waiting.pop_back();
        }
        waiting.push_back(sum.numbers);
    }
    REQUIRE(waiting.size() == 1);
    return waiting.front();
}

}  // namespace

TEST_CASE("Lanes: the same bytes for every cut and whoever computes which lanes") {
    for (const Index lane_count : {2, 3, 5, 8}) {
        CAPTURE(lane_count);
        Training training;
        Lanes<float> lanes(training.parameters, lane_count);
        training.compute(lanes, 100);
        lanes.join();
        const auto expected = numbers(training.parameters);
        CHECK(training.parameters.tally().weight() == 23);
        CHECK(training.parameters.tally().samples() == 23);
        CHECK(training.parameters.tally().seen() == 23);
        for (const Index ranks : {Index{1}, Index{2}, Index{3}, lane_count}) {
            if (ranks > lane_count) { continue; }
            for (const Index at_most : {1, 2, 100}) { CHECK(same(with_ranks(lane_count, ranks, at_most), expected)); }
        }
    }
}

TEST_CASE("Lanes: each lane starts from zero, and the sums are added in pairs") {
    Training training;
    std::vector<std::vector<float>> each;
    for (Index lane = 0; lane < 3; ++lane) {
        Training alone;
        gacc::GradientTally tally = alone.parameters.tally();
        const Index first = gacc::detail::first_of_lane(23, lane, 3);
        tally.set_seen(first);
        alone.parameters.set_tally(tally);
        alone.add(first, gacc::detail::first_of_lane(23, lane + 1, 3) - first);
        each.push_back(numbers(alone.parameters));
    }
    Lanes<float> lanes(training.parameters, 3);
    training.compute(lanes, 4);
    lanes.join();
    const auto sum = numbers(training.parameters);
    for (std::size_t i = 0; i < sum.size(); ++i) { REQUIRE(sum[i] == (each[0][i] + each[1][i]) + each[2][i]); }

    Training uncut;
    uncut.add(0, 23);
    CHECK(!same(numbers(uncut.parameters), sum));  // another rounding
}

TEST_CASE("Lanes: gradients that are final may be joined before the last lane has ended") {
    for (const Index last : {1, 2, 3, 5, 7, 8}) {
        Training late, early;
        Lanes<float> lanes(late.parameters, 8, 0, last), others(early.parameters, 8, 0, last);
        for (int batch = 0; batch < 2; ++batch) {
            late.compute(lanes, 2);
            early.compute(others, 2, true);
            CHECK_FALSE(others.in_last_micro_batch());
            for (const std::size_t i : {0, 1, 2, 3}) { others.join_early(early.parameters[i], i); }  // too late
            CHECK(same(numbers(late.parameters), numbers(early.parameters)));
            CHECK(late.parameters.tally().weight() == early.parameters.tally().weight());
            for (auto* each : {&late, &early}) { each->parameters.zero_grad(); }
        }
    }
}

TEST_CASE("Lanes: know when the last micro-batch of the last lane has begun") {
    Training training;
    const gacc::test::Numbered data(23);
    for (const Index at_most : {1, 2, 3, 23}) {
        Lanes<float> lanes(training.parameters, 4, 1, 3);
        for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 23})) {
            const auto micro_batches = lanes.of(batch).micro_batches(at_most);
            Index left = micro_batches.size();
            for ([[maybe_unused]] const auto& micro : micro_batches) { CHECK(lanes.in_last_micro_batch() == (--left == 0)); }
            CHECK(left == 0);
        }
        training.parameters.zero_grad();
    }
}

TEST_CASE("Lanes: one lane is the same as none") {
    Training training, plain;
    Lanes<float> lanes(training.parameters, 1);
    CHECK(lanes.bytes() == 0);
    training.compute(lanes, 7);
    lanes.join();
    plain.add(0, 23);
    CHECK(same(numbers(training.parameters), numbers(plain.parameters)));
    CHECK(training.parameters.tally().state()[0] == plain.parameters.tally().state()[0]);
    CHECK(training.parameters.tally().seen() == plain.parameters.tally().seen());
}

TEST_CASE("Lanes: lanes without samples count as zeros") {
    Training training(3);
    Lanes<float> lanes(training.parameters, 8);
    training.compute(lanes, 2);
    lanes.join();
    CHECK(training.parameters.tally().samples() == 3);
    for (const Index ranks : {3, 4, 8}) { CHECK(same(with_ranks(8, ranks, 1, 3), numbers(training.parameters))); }
}

TEST_CASE("Lanes: the micro-batches of a batch go lane by lane, in order, and none is in two lanes") {
    Training training;
    const gacc::test::Numbered data(23);
    Lanes<float> lanes(training.parameters, 4);  // of 6, 6, 6 and 5 samples
    for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 23})) {
        const auto micro_batches = lanes.of(batch).micro_batches(4);
        CHECK(micro_batches.size() == 8);
        std::vector<Index> sizes, seen, samples;
        for (const auto& micro : micro_batches) {
            sizes.push_back(micro.size());
            seen.push_back(training.parameters.tally().seen());
            samples.insert(samples.end(), micro.samples.begin(), micro.samples.end());
            training.add(micro.samples[0], micro.size());
        }
        CHECK(sizes == std::vector<Index>{3, 3, 3, 3, 3, 3, 3, 2});
        CHECK(seen == std::vector<Index>{0, 3, 6, 9, 12, 15, 18, 21});
        CHECK(samples == std::vector<Index>(batch.samples.begin(), batch.samples.end()));
        lanes.join();
    }
    Training other;
    Lanes<float> same_lanes(other.parameters, 4);
    other.compute(same_lanes, 1);
    same_lanes.join();
    CHECK(same(numbers(training.parameters), numbers(other.parameters)));
}

TEST_CASE("Lanes: empty lanes of a small batch are passed over") {
    Training training;
    const gacc::test::Numbered data(2);
    Lanes<float> lanes(training.parameters, 5);
    for (int epoch = 0; epoch < 2; ++epoch) {
        for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 23})) {
            int count = 0;
            for (const auto& micro : lanes.of(batch).micro_batches(4)) {
                training.add(micro.samples[0], micro.size());
                ++count;
            }
            lanes.join();
            CHECK(count == 2);
            CHECK(training.parameters.tally().samples() == 2);
            training.parameters.zero_grad();
        }
    }
    CHECK(training.parameters.tally().batches() == 2);
}

TEST_CASE("Lanes: after end_batch() a model that computed some of the lanes has seen all samples of the batch") {
    Training training;
    Lanes<float> lanes(training.parameters, 4, 0, 2);
    training.compute(lanes, 5);
    CHECK(training.parameters.tally().seen() == lanes.first_sample(2));
    lanes.end_batch(training.parameters.tally());
    CHECK(training.parameters.tally().seen() == training.samples());
}

TEST_CASE("Lanes: a step trains as without lanes, up to rounding") {
    Training one, other;
    gacc::Adam<float> adam(one.parameters), plain(other.parameters);
    Lanes<float> lanes(one.parameters, 8);
    for (int step = 0; step < 3; ++step) {
        one.compute(lanes, 2);
        lanes.join();
        adam.step();
        adam.zero_grad();
        other.add(0, 23);
        plain.step();
        plain.zero_grad();
    }
    for (std::size_t i = 0; i < one.parameters.size(); ++i) {
        // A step changes a value by about 1e-3.
        CHECK((one.parameters[i].value() - other.parameters[i].value()).cwiseAbs().maxCoeff() < 1e-5F);
    }
}

TEST_CASE("Lanes: the plan counts the sums that wait, and cuts lanes") {
    Training training(64);
    const gacc::test::Numbered data(64);
    gacc::Adam<float> adam(training.parameters);
    Lanes<float> lanes(training.parameters, 8);
    CHECK(lanes.bytes() == 3 * static_cast<std::size_t>(training.parameters.stored_gradients()) * sizeof(float));
    const auto without = gacc::plan({.batch_size = 30}, training.model, training.loss, adam);
    const auto plan = gacc::plan({.batch_size = 30}, training.model, training.loss, adam, lanes);
    using gacc::memory::Kind;
    CHECK(plan.bytes[Kind::gradients] == without.bytes[Kind::gradients] + lanes.bytes());
    CHECK(plan.batch_size == 30);
    CHECK(plan.micro_batch == 4);
    CHECK(plan.micro_batches == 8);
    CHECK(gacc::plan({.batch_size = 5}, training.model, training.loss, adam, lanes).micro_batches == 5);
    CHECK(gacc::plan({.batch_size = 30, .micro_batch = 2}, training.model, training.loss, adam, lanes).micro_batches == 16);
    const auto before = gacc::memory::live()[Kind::gradients];
    training.compute(lanes, 2);
    lanes.join();
    CHECK(gacc::memory::live()[Kind::gradients] == before);
}

TEST_CASE("Lanes: what comes in the wrong order is refused") {
    Training training;
    gacc::Adam<float> adam(training.parameters);
    CHECK_THROWS_WITH_AS(Lanes<float>(training.parameters, 0), "gacc: Lanes: expected 1 or more lanes, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(Lanes<float>(training.parameters, 8, 3, 3),
                         "gacc: Lanes: expected one or more of the 8 lanes, got those from 3 to before 3", gacc::UsageError);
    Lanes<float> lanes(training.parameters, 4);
    const gacc::test::Numbered data(23);
    auto batches = gacc::ordered_batches(data, {.batch_size = 23});
    CHECK_THROWS_WITH_AS(lanes.join(),
                         "gacc: Lanes::join: expected the micro-batches of all lanes, got those of 0 of 4; go through all "
                         "of them before",
                         gacc::UsageError);
    const auto two_lanes = [&] {
        int count = 0;
        for (const auto& micro : lanes.of(batches[0]).micro_batches(6)) {
            if (count++ == 2) { break; }
            training.add(micro.samples[0], micro.size());
        }
    };
    two_lanes();
    CHECK_THROWS_WITH_AS(lanes.join(),
                         "gacc: Lanes::join: expected the micro-batches of all lanes, got those of 2 of 4; go through all "
                         "of them before",
                         gacc::UsageError);
    training.add(0, 1);
    CHECK_THROWS_WITH_AS(adam.step(),
                         "gacc: Adam::step: expected the gradients of all lanes, got those of some; call the Lanes' join() "
                         "before",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(lanes.begin_batch(23),
                         "gacc: Lanes: expected no gradients at the start of a batch, got those of a batch before; call "
                         "step() and zero_grad(), or zero_grad() alone to leave that batch out",
                         gacc::UsageError);
    adam.zero_grad();
    training.compute(lanes, 5);  // nothing of the other batch is left
    lanes.join();
    CHECK(training.parameters.tally().samples() == 23);
    CHECK(training.parameters.tally().batches() == 1);
    CHECK_NOTHROW(adam.step());
    CHECK_THROWS_AS(lanes.of(batches[0]).micro_batches(0), gacc::UsageError);
    gacc::Plan small;
    small.batch_size = 22;
    small.micro_batch = 4;
    CHECK_THROWS_AS(lanes.of(batches[0]).micro_batches(small), gacc::UsageError);

    Lanes<float> some(training.parameters, 4, 0, 2);
    adam.zero_grad();
    training.compute(some, 5);
    CHECK_THROWS_WITH_AS(some.join(), "gacc: Lanes::join: expected all lanes to be computed here, got a part of them",
                         gacc::UsageError);
}

}  // namespace lanes_test
