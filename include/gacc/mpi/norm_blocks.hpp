#pragma once

#include <gacc/core/types.hpp>
#include <gacc/mpi/slices.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// Which rank adds up which blocks of the norm of all gradients (GradientNorm). A block belongs to the rank whose slice has
/// the block's first number. Only the last block of a rank can reach into the slices of the ranks after it.
class NormBlocks {
public:
    /// `sizes` are those of the parameters, `slices` the first number of each rank's slice and the end.
    NormBlocks(const std::vector<Index>& sizes, Index block, std::vector<Index> slices) : slices_(std::move(slices)) {
        Index first = 0;
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            for (Index at = 0; at < sizes[i]; at += block) {
                blocks_.push_back({i, at, std::min(block, sizes[i] - at)});
                first_.push_back(first + at);
            }
            first += sizes[i];
        }
    }

    /// The number of a rank's first block, or the end for `rank` == ranks.
    Index first(Index rank) const {
        const Index number = slices_[static_cast<std::size_t>(rank)];
        return static_cast<Index>(std::ranges::lower_bound(first_, number) - first_.begin());
    }
    const Piece& block(Index i) const { return blocks_[static_cast<std::size_t>(i)]; }

    /// The numbers of `of`'s last block that lie in the slice of `in`. It has none if `of` has no block.
    Piece part(Index of, Index in) const {
        if (first(of) == first(of + 1)) { return {}; }
        const Index last = first(of + 1) - 1, begin = first_[static_cast<std::size_t>(last)];
        const Piece& whole = block(last);
        const auto in_block = [&](Index rank) {
            return std::clamp(slices_[static_cast<std::size_t>(rank)] - begin, Index{0}, whole.count);
        };
        return {whole.buffer, whole.first + in_block(in), in_block(in + 1) - in_block(in)};
    }

private:
    std::vector<Index> slices_;
    std::vector<Piece> blocks_;  // of the parameters
    std::vector<Index> first_;   // the first number of each block among those of all parameters
};

}  // namespace gacc::mpi::detail
