#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::mpi::detail {

/// Where the numbers of a buffer lie among those of all parameters.
struct Extent {
    Index first, count;
};

/// Numbers first to first + count - 1 of a buffer.
struct Piece {
    std::size_t buffer;
    Index first, count;
    bool operator==(const Piece&) const = default;
};

/// Shares out `numbers` numbers, those of all parameters one after the other, over the ranks: a slice for each, as equal
/// as whole units allow.
class Slices {
public:
    /// Buffers may lie over each other, as the gradients of shared values do. Their sizes are whole units.
    Slices(std::vector<Extent> buffers, Index numbers, Index ranks, Index unit)
        : buffers_(std::move(buffers)), units_(numbers / unit), ranks_(ranks), unit_(unit) {}

    /// The first number of a rank's slice, or the end for `rank` == ranks.
    Index first(Index rank) const { return gacc::detail::share(units_, rank, ranks_) * unit_; }
    Index ranks() const { return ranks_; }

    /// The parts of buffers in a rank's slice, in order.
    std::vector<Piece> pieces(Index rank) const {
        std::vector<Piece> all;
        for (std::size_t i = 0; i < buffers_.size(); ++i) {
            const Extent& buffer = buffers_[i];
            const Index begin = std::max(first(rank), buffer.first);
            const Index end = std::min(first(rank + 1), buffer.first + buffer.count);
            if (begin < end) { all.push_back({i, begin - buffer.first, end - begin}); }
        }
        return all;
    }

private:
    std::vector<Extent> buffers_;
    Index units_, ranks_, unit_;
};

/// The numbers in all of these pieces.
inline Index numbers_in(const std::vector<Piece>& pieces) {
    Index sum = 0;
    for (const Piece& piece : pieces) { sum += piece.count; }
    return sum;
}

}  // namespace gacc::mpi::detail
