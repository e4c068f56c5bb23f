#include <gacc/data/regression_dataset.hpp>

#include <gacc/data/batches.hpp>
#include <gacc/data/fingerprint.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/huber.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam.hpp>
#include <gacc/train/metrics.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace regression_dataset_test {

using gacc::Index;
using gacc::Matrix;
using gacc::RegressionDataset;
using gacc::Tensor;

namespace {

template <class Scalar>
Tensor<Scalar> tensor(gacc::Shape shape, const std::vector<Scalar>& numbers) {
    Tensor<Scalar> out(std::move(shape));
    std::ranges::copy(numbers, out.data());
    return out;
}

/// 4 samples of 1 input and 2 targets.
RegressionDataset<float> four() {
    return {tensor<float>({4, 1}, {1, 2, 3, 4}), tensor<float>({4, 2}, {10, 11, 20, 21, 30, 31, 40, 41})};
}

/// A dataset with labels and targets. It counts the calls for targets.
struct Both {
    using scalar_type = float;
    Index size() const { return 6; }
    Index features() const { return 1; }
    Index target_features() const { return 2; }
    int label(Index sample) const { return static_cast<int>(sample); }
    void copy_inputs(Index sample, std::span<float> row) const { row[0] = static_cast<float>(sample); }
    void copy_targets(Index sample, std::span<float> row) const {
        row[0] = static_cast<float>(10 * sample);
        row[1] = -row[0];
        copied.push_back(sample);
        places.insert(row.data());
    }
    mutable std::vector<Index> copied;
    mutable std::set<const float*> places;
};

template <class B>
concept HasLabels = requires(const B& batch) {
    batch.labels;
};
template <class B>
concept HasTargets = requires(const B& batch) {
    batch.targets;
};

/// The bytes of the parameters and the mean loss of the epoch after training with this micro-batch.
template <class Scalar, class Loss>
std::vector<std::byte> train(Index micro_batch, int threads) {
    gacc::set_threads(threads);
    gacc::Rng rng(1);
    Tensor<Scalar> inputs({90, 60}), targets({90, 33});
    for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<Scalar>(rng.normal()); }
    for (Index i = 0; i < targets.size(); ++i) { targets.data()[i] = static_cast<Scalar>(rng.normal()); }
    const RegressionDataset<Scalar> data(std::move(inputs), std::move(targets));
    gacc::Sequential model(gacc::Linear<Scalar>(60, 70), gacc::ReLU<Scalar>(), gacc::Linear<Scalar>(70, 33));
    model.initialize(rng);
    Loss loss;
    gacc::Adam adam(model.parameters());
    gacc::MeanLoss mean, again;
    for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = 40}, rng)) {
        for (const auto& micro : batch.micro_batches(micro_batch)) {
            again.add(loss.value(model.predict(micro.inputs), micro.targets));
            mean.add(loss.forward(model.forward(micro.inputs), micro.targets));
            model.backward(loss.backward());
        }
        adam.step();
        adam.zero_grad();
    }
    CHECK(again.mean() == mean.mean());
    auto bytes = gacc::test::values_of(model.parameters());
    const double value = mean.mean();
    gacc::test::append_bytes(bytes, &value, 1);
    return bytes;
}

}  // namespace

TEST_CASE("RegressionDataset: gives inputs and targets as they are") {
    const auto data = four();
    CHECK(data.size() == 4);
    CHECK(data.features() == 1);
    CHECK(data.target_features() == 2);
    std::vector<float> input(1), targets(2);
    data.copy_inputs(2, input);
    data.copy_targets(2, targets);
    CHECK(input == std::vector<float>{3});
    CHECK(targets == std::vector<float>{30, 31});
}

TEST_CASE("RegressionDataset: needs targets for each sample") {
    CHECK_THROWS_WITH_AS(RegressionDataset<float>(Tensor<float>({3, 2}), Tensor<float>({2, 1})),
                         "gacc: RegressionDataset: expected targets for each of 3 samples, got 2", gacc::DataError);
    CHECK_THROWS_AS(RegressionDataset<float>(Tensor<float>({2, 2}), Tensor<float>({3, 1})), gacc::DataError);
}

TEST_CASE("batches: have labels or targets as the dataset has, or both") {
    CHECK(gacc::Dataset<RegressionDataset<float>>);
    CHECK(HasTargets<gacc::Batch<RegressionDataset<float>>>);
    CHECK_FALSE(HasLabels<gacc::Batch<RegressionDataset<float>>>);
    CHECK(HasLabels<gacc::Batch<gacc::TensorDataset<float>>>);
    CHECK_FALSE(HasTargets<gacc::Batch<gacc::TensorDataset<float>>>);

    const Both data;
    const auto batches = gacc::ordered_batches(data, {.batch_size = 4});
    const auto second = batches[0].micro_batches(2)[1];
    CHECK(std::ranges::equal(second.labels, std::vector<gacc::Label>{2, 3}));
    CHECK(second.targets.view() == Matrix<float>{{20, -20}, {30, -30}});
}

TEST_CASE("batches: targets belong to the inputs, in every micro-batch and part") {
    const auto data = four();
    gacc::Rng rng(3);
    const auto batches = gacc::shuffled_batches(data, {.batch_size = 4}, rng);
    const auto batch = batches[0];
    const auto check = [](const auto& micro) {
        const gacc::ConstMatrixView<float> inputs = micro.inputs, targets = micro.targets;
        REQUIRE(targets.rows() == micro.size());
        for (Index i = 0; i < micro.size(); ++i) {
            CHECK(targets(i, 0) == 10 * inputs(i, 0));
            CHECK(targets(i, 1) == 10 * inputs(i, 0) + 1);
        }
    };
    for (const auto& micro : batch.micro_batches(3)) { check(micro); }
    check(batch.from(1));
    check(batch.part(2, 2));
}

TEST_CASE("batches: targets are gathered when they are used, into the room of one micro-batch") {
    const Both data;
    const std::size_t before = gacc::memory::live()[gacc::memory::Kind::staging];
    const auto batches = gacc::ordered_batches(data, {.batch_size = 6});
    const auto batch = batches[0];
    CHECK(data.copied.empty());
    for (const auto& micro : batch.micro_batches(2)) { CHECK(micro.targets.view().cols() == 2); }
    CHECK(data.copied == std::vector<Index>{0, 1, 2, 3, 4, 5});
    CHECK(data.places.size() == 2);
    CHECK(gacc::memory::live()[gacc::memory::Kind::staging] - before ==
          6 * sizeof(Index) + 6 * sizeof(gacc::Label) + 2 * 2 * sizeof(float));  // no inputs were used
}

TEST_CASE("fingerprint: of data with targets sees each of them") {
    const auto of = [](std::vector<float> targets, Index columns) {
        const auto rows = static_cast<Index>(targets.size()) / columns;
        return gacc::fingerprint(
            RegressionDataset<float>(Tensor<float>({rows, 1}), tensor<float>({rows, columns}, targets)));
    };
    std::set<std::uint64_t> seen;
    for (const std::uint64_t one :
         {of({1, 2, 3, 4}, 1), of({1, 2, 3, 5}, 1), of({2, 1, 3, 4}, 1), of({1, 2, 3, 4}, 2), of({1, 2, 3, 4}, 4)}) {
        CHECK(seen.insert(one).second);
    }
    // Sizes 1, 1 and 1, the target 1.0F, the input 0.0F.
    std::vector<std::uint8_t> bytes{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0,    0,    0, 0, 0, 0,
                                    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0};
    gacc::Crc64 sum;
    sum.add(bytes);
    CHECK(of({1}, 1) == sum.value());
}

TEST_CASE_TEMPLATE("RegressionDataset: neither the cut nor the threads change a bit of training", Scalar, float,
                   double) {
    const int threads = gacc::threads();
    const auto expected = train<Scalar, gacc::MeanSquaredError<Scalar>>(40, 1);
    const auto with_huber = train<Scalar, gacc::Huber<Scalar>>(40, 1);
    CHECK(with_huber != expected);
    for (const Index micro_batch : {1, 7, 13, 40}) {
        for (const int team : {1, 2, 3}) {
            CAPTURE(micro_batch);
            CAPTURE(team);
            CHECK(train<Scalar, gacc::MeanSquaredError<Scalar>>(micro_batch, team) == expected);
            CHECK(train<Scalar, gacc::Huber<Scalar>>(micro_batch, team) == with_huber);
        }
    }
    gacc::set_threads(threads);
}

}  // namespace regression_dataset_test
