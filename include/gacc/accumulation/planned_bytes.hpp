#pragma once

#include <gacc/accumulation/noise_scale.hpp>
#include <gacc/accumulation/non_finite_guard.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/data/dataset.hpp>
#include <gacc/data/lazy_inputs.hpp>
#include <gacc/losses/features.hpp>
#include <gacc/optim/weight_average.hpp>

#include <concepts>
#include <cstddef>

namespace gacc::inline GACC_ABI::detail {

/// What a part of the training must know to say how many bytes it takes.
struct PlanContext {
    Index micro_batch;  // samples of the largest
    Index batch_size;   // of the largest
    Shape outputs;      // of a sample
};

inline std::size_t planned_bytes(Index numbers, std::size_t each) {
    return static_cast<std::size_t>(product_of(numbers, static_cast<Index>(each)));
}

/// The bytes of batches of the data: inputs and targets of a micro-batch, labels of a batch (or of a micro-batch, if
/// every row has a label), and the order of all samples. Prefetched data hold two micro-batches.
template <Dataset Data>
memory::Bytes bytes_of(const Data& data, const PlanContext& context) {
    constexpr std::size_t number = sizeof(typename Data::scalar_type);
    Index features = data.features();
    if constexpr (TargetDataset<Data>) { features = sum_of(features, Index{data.target_features()}); }
    const Index samples = product_of(context.micro_batch, Staging<Data>::buffers);
    std::size_t bytes = planned_bytes(product_of(samples, features), number);
    if constexpr (RowLabelledDataset<Data>) {
        bytes += planned_bytes(product_of(samples, Index{data.labels_per_sample()}), sizeof(Label));
    }
    if constexpr (LabelledDataset<Data>) { bytes += planned_bytes(context.batch_size, sizeof(Label)); }
    memory::Bytes all;
    all[memory::Kind::staging] = bytes + planned_bytes(data.size(), sizeof(Index));
    return all;
}
template <class Scalar>
memory::Bytes bytes_of(const NonFiniteGuard<Scalar>& guard, const PlanContext&) {
    memory::Bytes all;
    all[memory::Kind::gradients] = guard.state_bytes();
    return all;
}
template <class Scalar>
memory::Bytes bytes_of(const NoiseScale<Scalar>& noise, const PlanContext&) {
    memory::Bytes all;
    all[memory::Kind::gradients] = noise.state_bytes();
    return all;
}
template <class Scalar>
memory::Bytes bytes_of(const WeightAverage<Scalar>& average, const PlanContext&) {
    memory::Bytes all;
    all[memory::Kind::moments] = average.state_bytes();
    return all;
}
/// Lanes of a batch: the sums of lanes that wait.
template <class Part>
concept WithLanes = requires(const Part& part) {
    { part.lanes() } -> std::convertible_to<Index>;
    { part.bytes() } -> std::convertible_to<std::size_t>;
};
template <WithLanes Part>
memory::Bytes bytes_of(const Part& lanes, const PlanContext&) {
    memory::Bytes all;
    all[memory::Kind::gradients] = lanes.bytes();
    return all;
}
/// The bytes that a loss keeps for a micro-batch.
template <class Scalar, class Loss>
memory::Bytes bytes_of_loss(const PlanContext& context) {
    const Index rows = product_of(context.micro_batch, rows_of(context.outputs));
    memory::Bytes all;
    if constexpr (TakesFeatures<Loss>) {
        all[memory::Kind::scratch] = Loss::bytes(rows, context.outputs.back());
    } else {
        all[memory::Kind::scratch] =
            planned_bytes(product_of(rows, Loss::numbers_per_sample(context.outputs.back())), sizeof(Scalar));
    }
    return all;
}

}  // namespace gacc::detail
