#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/data/dataset.hpp>

#include <algorithm>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// Numbers in memory with rows of numbers as targets.
///
/// Shapes     inputs samples x features;  targets samples x target_features
/// Throws     DataError if there are not as many targets as samples
/// Example    const gacc::RegressionDataset<float> data(inputs, targets);
///            loss.forward(model.forward(micro.inputs), micro.targets);
template <class Scalar = float>
class RegressionDataset {
public:
    using scalar_type = Scalar;

    RegressionDataset(Tensor<Scalar> inputs, Tensor<Scalar> targets)
        : inputs_(std::move(inputs)), targets_(std::move(targets)) {
        if (inputs_.samples() != targets_.samples()) {
            throw DataError("RegressionDataset", detail::text("expected targets for each of ", inputs_.samples(),
                                                              " samples, got ", targets_.samples()));
        }
    }

    Index size() const { return inputs_.samples(); }
    Index features() const { return inputs_.features(); }
    Index target_features() const { return targets_.features(); }
    void copy_inputs(Index sample, std::span<Scalar> row) const {
        std::copy_n(inputs_.data() + sample * features(), features(), row.data());
    }
    void copy_targets(Index sample, std::span<Scalar> row) const {
        std::copy_n(targets_.data() + sample * target_features(), target_features(), row.data());
    }

private:
    Tensor<Scalar> inputs_;
    Tensor<Scalar> targets_;
};

}  // namespace gacc
