#include <gacc/data/batch.hpp>
#include <gacc/data/batches.hpp>

#include "support/numbered_dataset.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace batch_test {

using gacc::ConstMatrixView;
using gacc::Index;
using gacc::Label;
using gacc::Rng;
using gacc::test::Numbered;

namespace {

template <class Data>
std::vector<Index> sizes(const gacc::MicroBatches<Data>& micro_batches) {
    std::vector<Index> out;
    for (const auto& micro : micro_batches) { out.push_back(micro.size()); }
    return out;
}

/// 0, 1, ..., size - 1
std::vector<Index> all(Index size) {
    std::vector<Index> out(static_cast<std::size_t>(size));
    std::iota(out.begin(), out.end(), Index{0});
    return out;
}

}  // namespace

TEST_CASE("micro_batches: are as equal as can be, larger ones first") {
    const Numbered data(100);
    const auto hundred = gacc::ordered_batches(data, {.batch_size = 100});
    CHECK(sizes(hundred[0].micro_batches(32)) == std::vector<Index>{25, 25, 25, 25});
    const auto ten = gacc::ordered_batches(data, {.batch_size = 10});
    CHECK(sizes(ten[0].micro_batches(4)) == std::vector<Index>{4, 3, 3});
    CHECK(sizes(ten[0].micro_batches(1)) == std::vector<Index>(10, 1));
    CHECK(sizes(ten[0].micro_batches(10)) == std::vector<Index>{10});
    CHECK(sizes(ten[0].micro_batches(1000)) == std::vector<Index>{10});
}

TEST_CASE("micro_batches: every cut covers the batch in order with the fewest pieces, equal but for one sample") {
    const Numbered data(40);
    for (Index batch_size = 1; batch_size <= 40; ++batch_size) {
        for (Index at_most = 1; at_most <= 50; ++at_most) {
            CAPTURE(batch_size);
            CAPTURE(at_most);
            const auto batches = gacc::ordered_batches(data, {.batch_size = batch_size});
            const auto batch = batches[0];

            std::vector<Index> covered;
            std::vector<Label> labels;
            Index smallest = batch_size, largest = 0, count = 0;
            for (const auto& micro : batch.micro_batches(at_most)) {
                covered.insert(covered.end(), micro.samples.begin(), micro.samples.end());
                labels.insert(labels.end(), micro.labels.begin(), micro.labels.end());
                smallest = std::min(smallest, micro.size());
                largest = std::max(largest, micro.size());
                ++count;
            }
            CHECK(covered == all(batch_size));
            CHECK(std::ranges::equal(labels, batch.labels));
            CHECK(largest <= at_most);
            CHECK(largest - smallest <= 1);
            CHECK((count - 1) * at_most < batch_size);  // one piece fewer could not hold the batch
            CHECK(count == batch.micro_batches(at_most).size());
        }
    }
}

TEST_CASE("micro_batches: less than one sample is refused") {
    const Numbered data(4);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 4});
    CHECK_THROWS_WITH_AS(batches[0].micro_batches(0),
                         "gacc: micro_batches: expected 1 or more samples a micro-batch, got 0", gacc::UsageError);
    CHECK_THROWS_WITH_AS(batches[0].micro_batches(-3),
                         "gacc: micro_batches: expected 1 or more samples a micro-batch, got -3", gacc::UsageError);
}

TEST_CASE("micro_batches: a micro-batch is a batch and can be cut again") {
    const Numbered data(12);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 12});
    const auto last = batches[0].micro_batches(6)[1];
    CHECK(sizes(last.micro_batches(4)) == std::vector<Index>{3, 3});
    CHECK(std::ranges::equal(last.micro_batches(4)[1].samples, std::vector<Index>{9, 10, 11}));
}

TEST_CASE("micro_batches: inputs, labels and samples belong together") {
    const Numbered data(5);
    Rng rng(42);
    const auto batches = gacc::shuffled_batches(data, {.batch_size = 5}, rng);
    const auto batch = batches[0];
    for (const auto& micro : batch.micro_batches(2)) {
        const ConstMatrixView<float> inputs = micro.inputs;
        REQUIRE(inputs.rows() == micro.size());
        for (Index i = 0; i < micro.size(); ++i) {
            const Index sample = micro.samples[static_cast<std::size_t>(i)];
            CHECK(inputs(i, 0) == static_cast<float>(10 * sample));
            CHECK(micro.labels[static_cast<std::size_t>(i)] == static_cast<Label>(100 + sample));
        }
    }
}

TEST_CASE("Batch: a part is some of its samples in a row") {
    const Numbered data(8);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 8});
    const auto part = batches[0].part(2, 3);
    CHECK(std::ranges::equal(part.samples, std::vector<Index>{2, 3, 4}));
    CHECK(std::ranges::equal(part.labels, std::vector<Label>{102, 103, 104}));
    CHECK(part.inputs.view().col(0).isApprox(Eigen::Vector3f(20, 30, 40), 0));
}

TEST_CASE("Batch: a part outside of it is refused") {
    const Numbered data(10);
    const auto batches = gacc::ordered_batches(data, {.batch_size = 10});
    CHECK_THROWS_WITH_AS(batches[0].part(8, 5),
                         "gacc: Batch::part: expected samples within the 10 of the batch, got 5 from 8 on",
                         gacc::UsageError);
}

}  // namespace batch_test
