#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/padding.hpp>
#include <gacc/kernels/panels.hpp>

#include <algorithm>
#include <array>

namespace gacc::inline GACC_ABI::detail {

/// Attention of one head in one sample: y = P v, where row i of P is the softmax of scale q_i kᵀ over the keys that
/// query i sees. These are all keys or, if it is causal, keys 0 to i, and of them only those that are no padding. If a
/// query sees no key, its y and its lse are 0.
///
/// Queries go in panels, as many as fit into two packets. The scores of a panel have a row for each key and the queries
/// side by side. So the softmax works in every lane by itself, and the scores are the factor B of the next product.
/// Keys go in blocks of a constant size. P is never there for all pairs: backward computes it again from `lse`, the
/// logarithm of the sum of exp(scale q_i kᵀ) for each query.
///
/// Shapes     q, k, v, y tokens x size
template <class Scalar>
struct AttentionHead {
    static constexpr Index width = Panels<Scalar>::width;           // queries of a panel
    static constexpr Index most_keys = std::max<Index>(64, width);  // of a block
    static_assert(most_keys % width == 0);

    Index tokens, size;
    bool causal;
    Scalar scale;
    Strided<Scalar> q, k, v;
    Padding<Scalar> padding = {};

    /// The keys that queries up to `last` - 1 see, and the padding before them.
    Index keys_seen(Index last) const { return causal ? std::min(last, tokens) : tokens; }

    /// Calls f(first_key, keys) for blocks of the keys that queries up to `last` - 1 see. A block ends before padding,
    /// and the next begins after it. So padding at the end of a sample leaves the blocks as they are without it.
    template <class F>
    void for_keys(Index last, const F& f) const {
        const Index seen = keys_seen(last);
        for (Index first = padding.next(true, 0, seen); first < seen;) {
            const Index last_key = padding.next(false, first, std::min(first + most_keys, seen));
            f(first, last_key - first);
            first = padding.next(true, last_key, seen);
        }
    }

    /// Whether some of these keys come after some of the queries from `first_query` on, so that these do not see them.
    bool hides(Index first_query, Index first_key, Index keys) const {
        return causal && first_key + keys - 1 > first_query;
    }

    /// scores = k qᵀ for some keys and a panel of queries, which is transposed: size x width.
    void multiply_keys(Index first_key, Index keys, const Scalar* queries, Scalar* scores) const {
        multiply_panel(keys, size, k.rows(first_key), queries, {zeros<Scalar>.data(), 0}, {scores, width});
    }
};

/// A panel of tokens from rows: number (c, r) of the panel is element c of token first + r, or 0 if there are fewer.
template <class Scalar>
void transpose_tokens(const Strided<Scalar>& rows, Index first, Index tokens, Index size, Scalar* panel) {
    Panels<Scalar>::transpose(std::min(Panels<Scalar>::width, tokens - first), size, rows.rows(first), panel);
}

/// Copies a few numbers by packets. They are pinned, or compilers make the loop a call or a slow string instruction.
template <class Scalar>
void copy_numbers(Index count, const Scalar* from, Scalar* to) {
    constexpr Index lanes = Simd<Scalar>::lanes;
    Index i = 0;
    for (; i + lanes <= count; i += lanes) {
        auto packet = load_packet(from + i);
        pin(packet);
        store_packet(to + i, packet);
    }
    for (; i < count; ++i) {
        Scalar number = from[i];
        pin(number);
        to[i] = number;
    }
}

/// The way back.
template <class Scalar>
void write_tokens(const Scalar* panel, Index first, Index tokens, Index size, PanelRows<Scalar> rows) {
    constexpr Index width = Panels<Scalar>::width;
    const Index count = std::min(width, tokens - first);
    alignas(64) std::array<Scalar, static_cast<std::size_t>(width * width)> part;
    for (Index c = 0; c < size; c += width) {
        const Index here = std::min(width, size - c);
        Panels<Scalar>::transpose(here, count, Strided<Scalar>{panel + c * width, width, 1}, part.data());
        for (Index r = 0; r < count; ++r) {
            copy_numbers(here, part.data() + r * width, rows.data + (first + r) * rows.row + c);
        }
    }
}

/// Every score is kept.
struct DropNothing {
    static constexpr bool drops = false;
    template <class Scalar>
    void factors(Index, Index, Index, Scalar*) const {}
};

}  // namespace gacc::detail
