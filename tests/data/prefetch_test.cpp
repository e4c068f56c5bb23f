#include <gacc/data/prefetch.hpp>

#include <gacc/accumulation/plan.hpp>
#include <gacc/data/augmentation.hpp>
#include <gacc/data/batches.hpp>
#include <gacc/data/position.hpp>
#include <gacc/data/subset.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/optim/adam.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace prefetch_test {

using gacc::Index;
using gacc::Label;
using gacc::memory::Kind;

namespace {

/// Sample i has the inputs 10 i and 10 i + 1. It notes who asks for which samples, and can fail at one of them.
class Watched {
public:
    using scalar_type = float;

    explicit Watched(Index size, Index fails_at = -1) : size_(size), fails_at_(fails_at) {}

    Index size() const { return size_; }
    Index features() const { return 2; }
    Label label(Index sample) const { return static_cast<Label>(sample); }
    void copy_inputs(Index sample, std::span<float> row) const {
        {
            const std::lock_guard lock(mutex_);
            copied.push_back(sample);
            own_thread += std::this_thread::get_id() == owner_ ? 1 : 0;
        }
        if (sample == fails_at_) { throw std::runtime_error("sample " + std::to_string(sample)); }
        row[0] = static_cast<float>(10 * sample);
        row[1] = static_cast<float>(10 * sample + 1);
        ++made;
    }

    mutable std::vector<Index> copied;    // read it only when all batches are gone
    mutable Index own_thread = 0;         // calls from the thread that made this object
    mutable std::atomic<Index> made = 0;  // samples

private:
    Index size_, fails_at_;
    std::thread::id owner_ = std::this_thread::get_id();
    mutable std::mutex mutex_;
};

/// Targets, and labels of rows.
struct Rows {
    using scalar_type = double;
    Index size() const { return 23; }
    Index features() const { return 3; }
    Index target_features() const { return 2; }
    Index labels_per_sample() const { return 3; }
    void copy_inputs(Index sample, std::span<double> row) const { std::ranges::fill(row, static_cast<double>(sample)); }
    void copy_targets(Index sample, std::span<double> row) const {
        std::ranges::fill(row, -static_cast<double>(sample));
    }
    void copy_labels(Index sample, std::span<Label> labels) const {
        std::ranges::fill(labels, static_cast<Label>(sample));
    }
};

gacc::ImageDataset<float> images(Index samples) {
    gacc::Tensor<std::uint8_t> pixels({samples, 6, 6, 1}), labels({samples});
    gacc::Rng rng(3);
    for (Index i = 0; i < pixels.size(); ++i) { pixels.data()[i] = static_cast<std::uint8_t>(rng.below(256)); }
    for (Index i = 0; i < samples; ++i) { labels.data()[i] = static_cast<std::uint8_t>(i % 10); }
    return {std::move(pixels), std::move(labels)};
}

/// All inputs and labels of some epochs, in the order in which training sees them.
template <class Data>
std::vector<float> seen(const Data& data, Index batch_size, Index micro_batch, bool from_the_middle = false) {
    gacc::Rng rng(5);
    gacc::DataPosition position;
    if (from_the_middle) {  // of a batch in the second epoch
        position.epoch = 1;
        position.batch = 2;
        position.sample = 4;
        position.data_size = data.size();
        position.batch_size = batch_size;
    }
    std::vector<float> all;
    for (; position.epoch < 3; position.end_epoch()) {
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = batch_size}, rng, position)) {
            for (const auto& micro : batch.from(position.sample).micro_batches(micro_batch)) {
                const gacc::ConstMatrixView<float> inputs = micro.inputs;
                all.insert(all.end(), inputs.data(), inputs.data() + inputs.size());
                all.insert(all.end(), micro.labels.begin(), micro.labels.end());
                position.end_micro_batch(micro.size());
            }
            position.end_batch();
        }
    }
    return all;
}

}  // namespace

TEST_CASE("Prefetched: the same samples for every batch size and cut, also of images that differ from epoch to epoch") {
    const auto plain = images(41);
    const gacc::AugmentedImages moved(plain, {6, 6, 1}, {.crop_padding = 2});
    const gacc::Prefetched ahead(moved);
    for (const Index batch_size : {1, 7, 16, 41, 100}) {
        for (const Index micro_batch : {1, 3, 5, 16, 200}) {
            CAPTURE(batch_size);
            CAPTURE(micro_batch);
            REQUIRE(seen(ahead, batch_size, micro_batch) == seen(moved, batch_size, micro_batch));
        }
    }
    CHECK(seen(ahead, 7, 2, true) == seen(moved, 7, 2, true));
}

TEST_CASE("Prefetched: makes each sample once, in order, and all but the first micro-batch on another thread") {
    const Watched data(22);
    const gacc::Prefetched ahead(data);
    for (const auto& batch : gacc::ordered_batches(ahead, {.batch_size = 10})) {  // 4, 3, 3; 4, 3, 3; 2
        for (const auto& micro : batch.micro_batches(4)) {
            const gacc::ConstMatrixView<float> inputs = micro.inputs;
            REQUIRE(inputs(0, 0) == 10.0F * static_cast<float>(micro.samples[0]));
            CHECK(gacc::ConstMatrixView<float>(micro.inputs).data() == inputs.data());  // it is not made again
        }
    }
    std::vector<Index> all(22);
    for (Index i = 0; i < 22; ++i) { all[static_cast<std::size_t>(i)] = i; }
    CHECK(data.copied == all);
    CHECK(data.own_thread == 4);
}

TEST_CASE("Prefetched: the next micro-batch is made while the present one is in use") {
    const Watched data(20);
    const gacc::Prefetched ahead(data);
    const auto batches = gacc::ordered_batches(ahead, {.batch_size = 10});
    const auto first = batches[0].micro_batches(5);
    CHECK(gacc::ConstMatrixView<float>(first[0].inputs)(4, 1) == 41);
    const auto start = std::chrono::steady_clock::now();
    while (data.made < 10 && std::chrono::steady_clock::now() - start < std::chrono::seconds(10)) {
        std::this_thread::yield();
    }
    CHECK(data.made == 10);
    CHECK(gacc::ConstMatrixView<float>(first[0].inputs)(4, 1) == 41);  // in a place of its own
    CHECK(gacc::ConstMatrixView<float>(first[1].inputs)(4, 1) == 91);
}

TEST_CASE("Prefetched: micro-batches in any order, and parts of batches") {
    const Watched data(30);
    const gacc::Prefetched ahead(data);
    const auto batches = gacc::ordered_batches(ahead, {.batch_size = 10, .drop_last = true});
    gacc::Rng rng(1);
    for (int i = 0; i < 500; ++i) {
        const auto batch = batches[static_cast<Index>(rng.below(3))];
        const auto first = static_cast<Index>(rng.below(10));
        const auto part = batch.part(first, static_cast<Index>(1 + rng.below(static_cast<std::uint64_t>(10 - first))));
        for (const auto& micro : part.micro_batches(1 + static_cast<Index>(rng.below(6)))) {
            const gacc::ConstMatrixView<float> inputs = micro.inputs;
            REQUIRE(inputs.rows() == micro.size());
            for (Index row = 0; row < inputs.rows(); ++row) {
                const auto sample = static_cast<float>(micro.samples[static_cast<std::size_t>(row)]);
                REQUIRE(inputs(row, 0) == 10 * sample);
                REQUIRE(static_cast<float>(micro.labels[static_cast<std::size_t>(row)]) == sample);
            }
            if (rng.below(10) == 0) { break; }
        }
    }
    CHECK(gacc::ConstMatrixView<float>(batches[0].part(0, 0).inputs).rows() == 0);
}

TEST_CASE("Prefetched: targets and labels of rows come from the same micro-batch, whichever is read first") {
    const Rows data;
    const gacc::Prefetched ahead(data);
    Index at = 0;
    for (const auto& batch : gacc::ordered_batches(ahead, {.batch_size = 8})) {
        for (const auto& micro : batch.micro_batches(3)) {
            const std::span<const Label> early = micro.labels;
            const gacc::ConstMatrixView<double> inputs = micro.inputs, targets = micro.targets;
            const std::span<const Label> labels = micro.labels;
            REQUIRE(early.data() == labels.data());
            REQUIRE(labels.size() == static_cast<std::size_t>(3 * inputs.rows()));
            for (Index row = 0; row < inputs.rows(); ++row, ++at) {
                REQUIRE(inputs(row, 2) == static_cast<double>(at));
                REQUIRE(targets(row, 1) == -static_cast<double>(at));
                REQUIRE(labels[static_cast<std::size_t>(3 * row + 2)] == static_cast<Label>(at));
            }
        }
    }
    CHECK(at == 23);
}

TEST_CASE("Prefetched: an exception of the dataset comes at its micro-batch, every time") {
    const Watched data(12, 7);
    const gacc::Prefetched ahead(data);
    const auto batches = gacc::ordered_batches(ahead, {.batch_size = 12});
    const auto batch = batches[0];
    const auto micro = batch.micro_batches(3);
    const auto use = [&](Index i) { return gacc::ConstMatrixView<float>(micro[i].inputs)(0, 0); };
    CHECK(use(0) == 0);
    CHECK(use(1) == 30);
    CHECK_THROWS_WITH_AS(use(2), "sample 7", std::runtime_error);
    CHECK_THROWS_WITH_AS(use(2), "sample 7", std::runtime_error);
    CHECK(use(3) == 90);
    CHECK(use(1) == 30);  // the third is made ahead once more, and not used
}

TEST_CASE("Prefetched: batches that end early leave no thread behind, and an error ahead is none") {
    for (int i = 0; i < 200; ++i) {
        const Watched data(12, i % 2 == 0 ? 5 : -1);
        const gacc::Prefetched ahead(data);
        for (const auto& batch : gacc::ordered_batches(ahead, {.batch_size = 4})) {
            CHECK(gacc::ConstMatrixView<float>(batch.inputs)(3, 0) == 30);
            break;
        }
        const std::size_t copied = data.copied.size();
        CHECK(copied <= 8);
    }
}

TEST_CASE("Prefetched: takes the bytes that plan() says, all from the first micro-batch on") {
    const auto measure = [](const auto& data, auto& loss, Index outputs, const auto& answers) {
        const auto before = gacc::memory::live();
        gacc::Sequential<float> model(gacc::Linear(data.features(), outputs));
        const gacc::Adam<float> adam(model.parameters());
        const auto plan = gacc::plan({.batch_size = 10, .micro_batch = 4}, model, loss, adam, data);
        gacc::memory::forget_peak();
        for (const auto& batch : gacc::ordered_batches(data, {.batch_size = 10})) {
            for (const auto& micro : batch.micro_batches(plan)) {
                const gacc::ConstMatrixView<float> inputs = micro.inputs;
                answers(micro);
                CHECK(inputs.rows() == micro.size());
                CHECK(gacc::memory::live()[Kind::staging] - before[Kind::staging] == plan.bytes[Kind::staging]);
            }
        }
        CHECK(gacc::memory::peak()[Kind::staging] - before[Kind::staging] == plan.bytes[Kind::staging]);
    };
    const Watched data(24);
    const gacc::Prefetched ahead(data);
    gacc::SoftmaxCrossEntropy<float> loss;
    measure(ahead, loss, 30, [](const auto&) {});
    const std::vector<Index> few{0, 1, 2};
    const gacc::Subset small(data, few);  // one micro-batch
    measure(gacc::Prefetched(small), loss, 30, [](const auto&) {});
    static_assert(gacc::EpochDataset<gacc::Prefetched<gacc::AugmentedImages<gacc::ImageDataset<float>>>>);
    static_assert(!gacc::EpochDataset<gacc::Prefetched<Watched>>);
}

}  // namespace prefetch_test
