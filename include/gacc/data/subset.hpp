#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/random.hpp>
#include <gacc/data/dataset.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// Some samples of a dataset, in any order. It copies no sample: it refers to the dataset, which must outlive it.
///
/// Throws     UsageError if the dataset has no sample of a given index
/// Example    const gacc::Subset first(data, std::vector<gacc::Index>{0, 1, 2});
template <Dataset Data>
class Subset {
public:
    using scalar_type = typename Data::scalar_type;

    Subset(const Data& data, std::span<const Index> samples)
        : data_(&data), samples_(static_cast<Index>(samples.size())) {
        const Index all = data.size();
        for (const Index sample : samples) {
            if (sample < 0 || sample >= all) {
                throw UsageError("Subset",
                                 detail::text("expected samples of the ", all, " of the dataset, got ", sample));
            }
        }
        std::copy(samples.begin(), samples.end(), samples_.data());
    }
    Subset(const Data&& data, std::span<const Index> samples) = delete;  // it would outlive the data

    Index size() const { return samples_.size(); }
    Index features() const { return data_->features(); }
    /// Their indices in the dataset.
    std::span<const Index> samples() const& { return samples_.span(); }
    void samples() const&& = delete;
    void copy_inputs(Index sample, std::span<scalar_type> row) const { data_->copy_inputs(samples_[sample], row); }
    void copy_inputs(Index sample, std::span<scalar_type> row, Index epoch) const requires EpochDataset<Data> {
        data_->copy_inputs(samples_[sample], row, epoch);
    }

    auto label(Index sample) const requires LabelledDataset<Data> { return data_->label(samples_[sample]); }
    Index labels_per_sample() const requires RowLabelledDataset<Data> { return data_->labels_per_sample(); }
    void copy_labels(Index sample, std::span<Label> labels) const requires RowLabelledDataset<Data> {
        data_->copy_labels(samples_[sample], labels);
    }
    Index target_features() const requires TargetDataset<Data> { return data_->target_features(); }
    void copy_targets(Index sample, std::span<scalar_type> row) const requires TargetDataset<Data> {
        data_->copy_targets(samples_[sample], row);
    }

private:
    const Data* data_;
    Buffer<Index> samples_;
};

/// The result of split().
template <Dataset Data>
struct TrainAndTest {
    Subset<Data> train, test;
};

/// Draws the samples for training and leaves the others for a test. Each sample is in one of the two parts. Both parts
/// keep the order of the dataset. Training gets `share` of the samples, rounded to the nearest integer.
///
/// Throws     UsageError if share is not from 0 to 1
/// Example    gacc::Rng rng(42);  const auto [train, test] = gacc::split(data, 0.8, rng);
template <Dataset Data>
TrainAndTest<Data> split(const Data& data, double share, Rng& rng) {
    if (!(share >= 0 && share <= 1)) {
        throw UsageError("split", detail::text("expected a share from 0 to 1, got ", share));
    }
    const Index size = data.size(), training = std::llround(share * static_cast<double>(size));
    Buffer<Index> order(size, memory::Kind::staging), is_train(size, memory::Kind::staging);
    std::iota(order.data(), order.data() + size, Index{0});
    rng.shuffle(order.span());
    for (Index i = 0; i < size; ++i) { is_train.data()[order[i]] = i < training; }
    Index *train = order.data(), *test = train + training;
    for (Index sample = 0; sample < size; ++sample) { *(is_train[sample] != 0 ? train : test)++ = sample; }
    const std::span<const Index> all(order.data(), static_cast<std::size_t>(size));
    const auto in_train = static_cast<std::size_t>(training);
    return {Subset<Data>(data, all.first(in_train)), Subset<Data>(data, all.subspan(in_train))};
}
template <Dataset Data>
TrainAndTest<Data> split(const Data&& data, double share, Rng& rng) = delete;  // both would outlive the data

}  // namespace gacc
