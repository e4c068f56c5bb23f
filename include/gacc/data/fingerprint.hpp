#pragma once

#include <gacc/core/checksum.hpp>
#include <gacc/core/types.hpp>
#include <gacc/data/dataset.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace gacc::inline GACC_ABI {

namespace detail {

/// Adds the bytes of each number from the lowest to the highest, so they are the same on every machine.
template <class T>
void add_little_endian(Crc64& sum, std::span<T> numbers) {
    static_assert(std::is_arithmetic_v<T>, "gacc: a dataset has numbers of a built-in type");
    const std::span bytes(reinterpret_cast<std::uint8_t*>(numbers.data()), numbers.size_bytes());
    if constexpr (std::endian::native == std::endian::big) {
        for (std::size_t i = 0; i < bytes.size(); i += sizeof(T)) { std::reverse(&bytes[i], &bytes[i] + sizeof(T)); }
    }
    sum.add(bytes);
}

}  // namespace detail

/// A checksum of the inputs, labels and targets of all samples, in their order. A program that keeps it in the settings
/// of its checkpoint can refuse to continue with other data of the same size.
///
/// The same numbers give the same fingerprint on every machine and in any type of dataset. Two datasets have the same
/// fingerprint by chance with probability 2^-64; an attacker can construct them. It reads all samples once, at some
/// 1 GB/s. copy_inputs must give the same numbers at every call: data that is augmented there has no fingerprint.
///
/// Example    checkpoint.save("run", {{"data", std::to_string(gacc::fingerprint(train))}});
template <Dataset Data>
std::uint64_t fingerprint(const Data& data) {
    using Scalar = typename Data::scalar_type;
    const Index samples = data.size(), features = data.features();
    Crc64 sum;
    std::array<std::int64_t, 2> shape{samples, features};
    detail::add_little_endian<std::int64_t>(sum, shape);
    std::vector<Scalar> row(static_cast<std::size_t>(features)), targets;
    std::vector<Label> labels;
    if constexpr (RowLabelledDataset<Data>) {
        std::array<std::int64_t, 1> labels_per_sample{static_cast<Index>(data.labels_per_sample())};
        detail::add_little_endian<std::int64_t>(sum, labels_per_sample);
        labels.resize(static_cast<std::size_t>(labels_per_sample[0]));
    }
    if constexpr (TargetDataset<Data>) {
        std::array<std::int64_t, 1> target_features{static_cast<Index>(data.target_features())};
        detail::add_little_endian<std::int64_t>(sum, target_features);
        targets.resize(static_cast<std::size_t>(target_features[0]));
    }
    for (Index sample = 0; sample < samples; ++sample) {
        if constexpr (LabelledDataset<Data>) {
            std::array<std::int64_t, 1> label{static_cast<Label>(data.label(sample))};
            detail::add_little_endian<std::int64_t>(sum, label);
        }
        if constexpr (RowLabelledDataset<Data>) {
            data.copy_labels(sample, labels);
            detail::add_little_endian<Label>(sum, labels);
        }
        if constexpr (TargetDataset<Data>) {
            data.copy_targets(sample, targets);
            detail::add_little_endian<Scalar>(sum, targets);
        }
        data.copy_inputs(sample, row);
        detail::add_little_endian<Scalar>(sum, row);
    }
    return sum.value();
}

}  // namespace gacc
