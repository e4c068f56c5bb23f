#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>
#include <gacc/model/activation.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// A part of a graph that large micro-batches go through in blocks of one size, before the next part begins.
struct Segment {
    std::size_t first, last;  // its activations: first to last - 1
    Index block;              // samples of a block, at most

    Index blocks(Index samples) const { return (samples + block - 1) / block; }
    /// Samples of every block but the last one, which may have fewer.
    Index block_rows(Index samples) const {
        return (samples + blocks(samples) - 1) / std::max<Index>(blocks(samples), 1);
    }
};

inline constexpr Index rows_of_a_block = 128;

/// The samples of a block with such a value. It has 128 rows, or as many samples as fit into 256 KiB if that is more,
/// but 128 at most; and at least one sample, or `least_block`.
template <class Scalar>
constexpr Index block_of(const Activation& activation) {
    constexpr Index numbers = (Index{1} << 18) / static_cast<Index>(sizeof(Scalar));
    const Index of_a_sample = std::max<Index>(value_numbers<Scalar>(activation), 1);
    return std::max<Index>({activation.least_block, rows_of_a_block / activation.rows,
                            std::min(rows_of_a_block, numbers / of_a_sample)});
}

/// Cuts a graph where the values after a kept activation allow blocks of four times the size, or need blocks of a
/// quarter. A block of a segment is the smallest of its values. So images go through convolutions one by one or in
/// small groups, and the wide Linear layer after them reads its weights only once for many images.
template <class Scalar>
std::vector<Segment> segments_of(const std::vector<Activation>& activations) {
    constexpr Index much = 4;
    std::vector<Segment> segments;
    for (std::size_t i = 0; i < activations.size();) {
        std::size_t end = i;
        Index block = block_of<Scalar>(activations[i]);
        do {
            block = std::min(block, block_of<Scalar>(activations[end]));
            ++end;
        } while (end < activations.size() && !(activations[end - 1].kept && activations[end - 1].separates));
        const Index before = segments.empty() ? 0 : segments.back().block;
        if (segments.empty() || block / much >= before || before / much >= block) {
            segments.push_back({i, end, block});
        } else {
            segments.back() = {segments.back().first, end, std::min(block, before)};
        }
        i = end;
    }
    return segments;
}

/// The segment of an activation.
inline std::size_t segment_at(const std::vector<Segment>& segments, std::size_t activation) {
    std::size_t i = 0;
    while (activation >= segments[i].last) { ++i; }
    return i;
}

}  // namespace gacc::detail
