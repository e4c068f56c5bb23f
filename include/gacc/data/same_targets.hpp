#pragma once

#include <gacc/core/types.hpp>
#include <gacc/data/dataset.hpp>

#include <span>

namespace gacc::inline GACC_ABI::detail {

/// The part of a dataset that it has in common with another one: samples with the same labels or targets. Derive from
/// it to change or prepare the inputs alone. The other dataset must outlive it.
template <Dataset Data>
class SameTargets {
public:
    using scalar_type = typename Data::scalar_type;

    Index size() const { return data_->size(); }
    Index features() const { return data_->features(); }

    auto label(Index sample) const requires LabelledDataset<Data> { return data_->label(sample); }
    Index labels_per_sample() const requires RowLabelledDataset<Data> { return data_->labels_per_sample(); }
    void copy_labels(Index sample, std::span<Label> labels) const requires RowLabelledDataset<Data> {
        data_->copy_labels(sample, labels);
    }
    Index target_features() const requires TargetDataset<Data> { return data_->target_features(); }
    void copy_targets(Index sample, std::span<scalar_type> row) const requires TargetDataset<Data> {
        data_->copy_targets(sample, row);
    }

protected:
    explicit SameTargets(const Data& data) : data_(&data) {}

    const Data* data_;
};

}  // namespace gacc::detail
