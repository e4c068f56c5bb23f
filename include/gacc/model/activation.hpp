#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <vector>

namespace gacc::inline GACC_ABI {

/// The place of one value in the workspace, or of several values that lie one over the other. Its numbers are kept for
/// all samples of a micro-batch. Or they are dropped and computed again in the backward pass, for one block of samples
/// at a time.
struct Activation {
    Index width = 0;  ///< features of a row
    bool kept = true;
    Index work = 0;   ///< multiply-adds to compute it for a sample
    Index rows = 1;   ///< rows of a sample
    Index extra = 0;  ///< numbers of a sample that layers keep beside it: means, scales
    /// Whether no value before it is read after it. Only then may a run of dropped activations end here.
    bool boundary = true;
    /// Whether it is a boundary over which its own gradient lies. If it is kept, the values after it may go through
    /// blocks of another size (detail::segments_of).
    bool separates = false;
    /// Whether the backward pass may read it. If not, it is only there while the forward pass reads it, at `place`.
    bool needed = true;
    Index place = 0;  ///< numbers of a sample that lie before it; only if it is not needed
    Index least_block = 1;  ///< samples of a block, at least: see FoldedBackward

    bool operator==(const Activation&) const = default;
};

namespace detail {

/// Numbers of a sample: those of the activation's values, and all.
template <class Scalar>
constexpr Index value_numbers(const Activation& activation) {
    return product_of(activation.rows, row_stride<Scalar>(activation.width, activation.rows));
}
template <class Scalar>
constexpr Index sample_numbers(const Activation& activation) {
    return sum_of(value_numbers<Scalar>(activation), row_stride<Scalar>(activation.extra));
}

/// Drops the activations that no backward pass reads. They are the first ones. If the next one is dropped too, it is
/// computed again from them, and some may be kept.
inline void drop_unneeded(std::vector<Activation>& activations) {
    const auto needed = std::find_if(activations.begin(), activations.end(), [](const auto& each) { return each.needed; });
    if (needed == activations.end() || !needed->kept) { return; }
    for (auto each = activations.begin(); each != needed; ++each) { each->kept = false; }
}

}  // namespace detail
}  // namespace gacc
