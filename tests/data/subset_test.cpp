#include <gacc/data/subset.hpp>

#include <gacc/core/memory.hpp>
#include <gacc/data/batches.hpp>
#include <gacc/data/fingerprint.hpp>
#include <gacc/data/regression_dataset.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace subset_test {

using gacc::Index;
using gacc::Label;
using gacc::Rng;
using gacc::Subset;

namespace {

/// Sample i has the input i, and the label 100 + i or the target 10 i.
gacc::TensorDataset<float> labelled(Index size) {
    gacc::Tensor<float> inputs({size, 1});
    std::iota(inputs.data(), inputs.data() + size, 0.0F);
    std::vector<Label> labels(static_cast<std::size_t>(size));
    std::iota(labels.begin(), labels.end(), 100);
    return {std::move(inputs), std::move(labels)};
}
gacc::RegressionDataset<float> with_targets(Index size) {
    gacc::Tensor<float> inputs({size, 1}), targets({size, 1});
    for (Index i = 0; i < size; ++i) {
        inputs.data()[i] = static_cast<float>(i);
        targets.data()[i] = static_cast<float>(10 * i);
    }
    return {std::move(inputs), std::move(targets)};
}

template <class Data>
concept Splits = requires(Data&& data, Rng& rng) {
    gacc::split(std::forward<Data>(data), 0.5, rng);
};

}  // namespace

TEST_CASE("Subset: is the samples that it names, with their labels") {
    const auto data = labelled(5);
    const Subset some(data, std::vector<Index>{4, 0, 4});
    CHECK(some.size() == 3);
    CHECK(some.features() == 1);
    CHECK(some.label(0) == 104);
    CHECK(some.label(1) == 100);
    const auto batches = gacc::ordered_batches(some, {.batch_size = 3});
    const auto batch = batches[0];
    CHECK(batch.inputs.view() == gacc::Matrix<float>{{4}, {0}, {4}});
    CHECK(std::ranges::equal(batch.labels, std::vector<Label>{104, 100, 104}));
}

TEST_CASE("Subset: and with their targets") {
    const auto data = with_targets(5);
    const Subset some(data, std::vector<Index>{3, 1});
    CHECK(gacc::TargetDataset<Subset<gacc::RegressionDataset<float>>>);
    CHECK_FALSE(gacc::LabelledDataset<Subset<gacc::RegressionDataset<float>>>);
    CHECK(some.target_features() == 1);
    const auto batches = gacc::ordered_batches(some, {.batch_size = 2});
    CHECK(batches[0].targets.view() == gacc::Matrix<float>{{30}, {10}});
    const Subset part_of_it(some, std::vector<Index>{1});
    CHECK(gacc::ordered_batches(part_of_it, {.batch_size = 1}).size() == 1);
    CHECK(gacc::fingerprint(part_of_it) == gacc::fingerprint(Subset(data, std::vector<Index>{1})));
}

TEST_CASE("Subset: samples that the dataset does not have are refused") {
    const auto data = labelled(5);
    CHECK_THROWS_WITH_AS(Subset(data, std::vector<Index>{0, 5}),
                         "gacc: Subset: expected samples of the 5 of the dataset, got 5", gacc::UsageError);
    CHECK_THROWS_AS(Subset(data, std::vector<Index>{-1}), gacc::UsageError);
}

TEST_CASE("split: every sample is in one of the two, in the order of the dataset") {
    for (const Index size : {0, 1, 2, 7, 100}) {
        for (const double share : {0.0, 0.3, 0.5, 0.8, 1.0}) {
            CAPTURE(size);
            CAPTURE(share);
            const auto data = labelled(size);
            Rng rng(42);
            const auto [train, test] = gacc::split(data, share, rng);
            CHECK(std::abs(static_cast<double>(train.size()) - share * static_cast<double>(size)) <= 0.5);
            CHECK(std::ranges::is_sorted(train.samples()));
            CHECK(std::ranges::is_sorted(test.samples()));
            std::vector<Index> all(train.samples().begin(), train.samples().end());
            all.insert(all.end(), test.samples().begin(), test.samples().end());
            std::ranges::sort(all);
            std::vector<Index> expected(static_cast<std::size_t>(size));
            std::iota(expected.begin(), expected.end(), Index{0});
            CHECK(all == expected);
        }
    }
}

TEST_CASE("split: the same seed gives the same samples, another seed others, and the samples are drawn") {
    const auto data = labelled(100);
    const auto train_of = [&](std::uint64_t seed) {
        Rng rng(seed);
        const auto split = gacc::split(data, 0.8, rng);
        CHECK(rng.drawn() > 0);
        return std::vector<Index>(split.train.samples().begin(), split.train.samples().end());
    };
    CHECK(train_of(1) == train_of(1));
    CHECK(train_of(1) != train_of(2));
    CHECK(train_of(1).back() > 79);
    CHECK(train_of(1)[0] + train_of(2)[0] + train_of(3)[0] < 20);
}

TEST_CASE("split: copies no sample") {
    const auto data = labelled(1000);
    const auto before = gacc::memory::live();
    Rng rng(1);
    const auto split = gacc::split(data, 0.8, rng);
    const auto after = gacc::memory::live();
    CHECK(after[gacc::memory::Kind::data] - before[gacc::memory::Kind::data] == 1000 * sizeof(Index));
    CHECK(after.total() - before.total() == 1000 * sizeof(Index));
}

TEST_CASE("split: a share that is none is refused") {
    const auto data = labelled(10);
    Rng rng(1);
    CHECK_THROWS_WITH_AS(gacc::split(data, 80, rng), "gacc: split: expected a share from 0 to 1, got 80",
                         gacc::UsageError);
    CHECK_THROWS_AS(gacc::split(data, -0.1, rng), gacc::UsageError);
    CHECK_THROWS_AS(gacc::split(data, std::numeric_limits<double>::quiet_NaN(), rng), gacc::UsageError);
    CHECK(rng.drawn() == 0);
}

TEST_CASE("split: of data that would not live long enough is refused") {
    using Data = gacc::TensorDataset<float>;
    CHECK(Splits<const Data&>);
    CHECK(Splits<Data&>);
    CHECK_FALSE(Splits<Data>);
    CHECK_FALSE(Splits<const Data>);
    CHECK(std::is_constructible_v<Subset<Data>, const Data&, std::span<const Index>>);
    CHECK_FALSE(std::is_constructible_v<Subset<Data>, Data, std::span<const Index>>);
}

}  // namespace subset_test
