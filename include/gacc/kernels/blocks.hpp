#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/kernels/panels.hpp>

#include <algorithm>

namespace gacc::inline GACC_ABI::detail {

/// Rows or columns from first to last - 1.
struct Range {
    Index first, last;
    Index size() const { return last - first; }
};

/// Calls f(block) for pieces of the range, of about the same size, up to a largest size.
template <class F>
void for_blocks(Range range, Index most, const F& f) {
    const Index blocks = (range.size() + most - 1) / most;
    for (Index i = 0; i < blocks; ++i) {
        f(Range{range.first + share(range.size(), i, blocks), range.first + share(range.size(), i + 1, blocks)});
    }
}

/// Calls part(panels, rows) for all parts of a product, rows x cols. Shares out panels of columns over the threads, or
/// rows if there are fewer panels than threads; never the depth.
template <class Scalar, class Part>
void share_product(Index rows, Index cols, Index depth, const Part& part) {
    const Index panels = Panels<Scalar>::count(cols);
    const bool by_panel = panels >= threads();
    parallel_for(
        by_panel ? panels : rows, std::int64_t{rows} * cols * depth,
        [&](Index first, Index last) {
            if (by_panel) {
                part(Range{first, last}, Range{0, rows});
            } else {
                part(Range{0, panels}, Range{first, last});
            }
        },
        by_panel ? 1 : Simd<Scalar>::tile_height);
}

}  // namespace gacc::detail
