#pragma once

#include <gacc/kernels/attention_head.hpp>
#include <gacc/kernels/attention_softmax.hpp>

#include <algorithm>
#include <limits>

namespace gacc::inline GACC_ABI::detail {

/// Writes y and lse of a head. Every element of y is one chain over the keys in order, scaled where a block has a
/// larger score.
///
/// `drop` may drop probabilities: factors(first_query, first_key, keys, panel) writes 0 or what else each of them is
/// multiplied by.
template <class Scalar, class Drop = DropNothing>
struct AttentionForward {
    static constexpr Index width = AttentionHead<Scalar>::width, most_keys = AttentionHead<Scalar>::most_keys;

    AttentionHead<Scalar> head;
    PanelRows<Scalar> y;
    Scalar* lse;  // tokens
    Drop drop{};

    /// Numbers that run() needs.
    static Index scratch(Index size) { return product_of(width, sum_of(product_of(2, size), 2 * most_keys)); }

    void run(Scalar* scratch) const {
        Scalar* scores = scratch;
        Scalar* factors = scores + most_keys * width;
        Scalar* queries = factors + most_keys * width;
        Scalar* sums = queries + head.size * width;
        for (Index first = 0; first < head.tokens; first += width) {
            transpose_tokens(head.q, first, head.tokens, head.size, queries);
            PanelSoftmax<Scalar> softmax(head.scale, head.padding.is_possible());
            bool is_first = true;
            head.for_keys(first + width, [&](Index key, Index keys) {
                head.multiply_keys(key, keys, queries, scores);
                if (head.hides(first, key, keys)) {
                    softmax.hide(keys, first - key, -std::numeric_limits<Scalar>::infinity(), scores);
                }
                softmax.add(keys, scores, is_first, head.size, sums);
                if constexpr (Drop::drops) {
                    drop.factors(first, key, keys, factors);
                    softmax.multiply(keys, scores, factors);
                }
                const PanelRows<const Scalar> from =
                    is_first ? PanelRows<const Scalar>{zeros<Scalar>.data(), 0} : PanelRows<const Scalar>{sums, width};
                multiply_panel(head.size, keys, Strided<Scalar>{head.v.rows(key).data, 1, head.v.row}, scores, from,
                               PanelRows<Scalar>{sums, width});
                is_first = false;
            });
            if (is_first) { std::fill_n(sums, head.size * width, Scalar(0)); }
            const auto logarithms = softmax.finish(head.size, sums);
            std::copy_n(logarithms.data(), std::min(width, head.tokens - first), lse + first);
            write_tokens(sums, first, head.tokens, head.size, y);
        }
    }
};

}  // namespace gacc::detail
