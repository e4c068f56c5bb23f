#pragma once

#include <gacc/kernels/attention_head.hpp>
#include <gacc/kernels/attention_softmax.hpp>
#include <gacc/kernels/padded_band.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Writes the gradients of a head by q, k and v. They may lie over q, k and v. With P from lse, and for each query the
/// sum s of grad_y y,
///
///     grad_v = Pᵀ grad_y,  G = scale P (grad_y vᵀ - s),  grad_q = G k,  grad_k = Gᵀ q
///
/// Every element is one chain over the keys or queries in order. Queries go in groups. The probabilities and G of a
/// group and a block of keys are in scratch, and so are the sums of grad_k and grad_v over groups.
///
/// Blocks of keys between padding begin anywhere. So a panel may see a part of a block, or nothing of it: the rest of P
/// and G are zeros there, and all sums start from zeros in memory.
template <class Scalar, class Drop = DropNothing>
class AttentionBackward {
public:
    static constexpr Index width = AttentionHead<Scalar>::width, most_keys = AttentionHead<Scalar>::most_keys;

    /// Gradients by q, k and v have rows like y's.
    struct Gradients {
        PanelRows<Scalar> q, k, v;
    };

    AttentionBackward(const AttentionHead<Scalar>& head, const Strided<Scalar>& y, const Scalar* lse,
                      const Strided<Scalar>& grad_y, const Gradients& grads, const Drop& drop = {})
        : head_(head), y_(y), lse_(lse), grad_y_(grad_y), grads_(grads), drop_(drop) {}

    /// Numbers that run() needs.
    static Index scratch(Index tokens, Index size) {
        const Index padded = product_of(Panels<Scalar>::count(size), width);
        const Index of_group = sum_of(sum_of(product_of(3, size), product_of(2, padded)), 2 * most_keys + 2);
        return sum_of(product_of(most_queries, of_group), product_of(2, tokens, padded), most_keys * width);
    }

    void run(Scalar* scratch) {
        place(scratch);
        if (is_padded()) {
            std::fill_n(grad_keys_, of_columns(), Scalar(0));
            std::fill_n(grad_values_, of_columns(), Scalar(0));
        }
        for (Index first = 0; first < head_.tokens; first += most_queries) {
            queries_ = {first, std::min(first + most_queries, head_.tokens)};
            for_panels([&](Index panel) { prepare(panel); });
            pack_rows();
            head_.for_keys(queries_.last, [&](Index key, Index keys) {
                for_panels([&](Index panel) { multiply_scores(panel, key, keys); });
                add_gradients(key, keys);
            });
            for_panels([&](Index panel) {
                write_tokens(grad_queries_ + panel * of_panel(), first + panel * width, head_.tokens, head_.size,
                             grads_.q);
            });
        }
        write_sums(grad_keys_, grads_.k);
        write_sums(grad_values_, grads_.v);
    }

private:
    static constexpr Index lanes = Simd<Scalar>::lanes;
    static constexpr Index most_queries = most_keys;  // of a group
    static constexpr Index of_scores = most_keys * width;

    Index of_panel() const { return head_.size * width; }
    Index column_panels() const { return Panels<Scalar>::count(head_.size); }
    Index of_columns() const { return head_.tokens * column_panels() * width; }
    bool is_padded() const { return head_.padding.is_possible(); }

    void place(Scalar* scratch) {
        const auto take = [&](Index count) { return std::exchange(scratch, scratch + count); };
        const Index transposed = most_queries * head_.size, rows = most_queries * column_panels() * width;
        scores_ = take(most_queries * most_keys);
        grad_scores_ = take(most_queries * most_keys);
        queries_transposed_ = take(transposed);
        grad_y_transposed_ = take(transposed);
        grad_queries_ = take(transposed);
        query_rows_ = take(rows);
        grad_y_rows_ = take(rows);
        grad_keys_ = take(of_columns());
        grad_values_ = take(of_columns());
        lse_of_group_ = take(most_queries);
        sums_ = take(most_queries);
        factors_ = take(of_scores);
    }

    template <class F>
    void for_panels(const F& f) const {
        for (Index panel = 0; panel * width < queries_.size(); ++panel) { f(panel); }
    }

    /// Transposes q and grad_y of a panel, and adds up grad_y y.
    void prepare(Index panel) {
        const Index first = queries_.first + panel * width;
        transpose_tokens(head_.q, first, head_.tokens, head_.size, queries_transposed_ + panel * of_panel());
        transpose_tokens(grad_y_, first, head_.tokens, head_.size, grad_y_transposed_ + panel * of_panel());
        Scalar* y = grad_queries_ + panel * of_panel();  // its place is not used yet
        transpose_tokens(y_, first, head_.tokens, head_.size, y);
        PanelSoftmax<Scalar>::sum_of_products(head_.size, grad_y_transposed_ + panel * of_panel(), y,
                                              sums_ + panel * width);
        if (is_padded()) { std::fill_n(y, of_panel(), Scalar(0)); }
        const Index count = std::min(width, head_.tokens - first);
        std::copy_n(lse_ + first, count, lse_of_group_ + panel * width);
        std::fill_n(lse_of_group_ + panel * width + count, width - count, Scalar(0));
    }

    /// Copies q and grad_y of the group into panels of columns.
    void pack_rows() const {
        for (Index p = 0; p < column_panels(); ++p) {
            const Index count = std::min(width, head_.size - p * width), to = p * most_queries * width;
            const auto pack = [&](const Strided<Scalar>& rows, Scalar* panels) {
                copy_pixels(queries_.size(), rows.rows(queries_.first).at(p * width), rows.row, count, panels + to,
                            width);
            };
            pack(head_.q, query_rows_);
            pack(grad_y_, grad_y_rows_);
        }
    }

    /// P and G of a panel and the keys of a block that it sees, and their part of grad_q.
    void multiply_scores(Index panel, Index key, Index most) {
        using Softmax = PanelSoftmax<Scalar>;
        const Index first = queries_.first + panel * width, keys = std::min(most, head_.keys_seen(first + width) - key);
        Scalar* scores = scores_ + panel * of_scores;
        Scalar* grad_scores = grad_scores_ + panel * of_scores;
        if (is_padded()) {
            const Index seen = std::max<Index>(keys, 0), unseen = (most - seen) * width;
            std::fill_n(scores + seen * width, unseen, Scalar(0));
            std::fill_n(grad_scores + seen * width, unseen, Scalar(0));
            if (seen == 0) { return; }
        }
        head_.multiply_keys(key, keys, queries_transposed_ + panel * of_panel(), scores);
        const PanelRows<const Scalar> none{zeros<Scalar>.data(), 0};
        multiply_panel(keys, head_.size, head_.v.rows(key), grad_y_transposed_ + panel * of_panel(), none,
                       PanelRows<Scalar>{grad_scores, width});
        const bool hides = head_.hides(first, key, keys);
        if (hides) { Softmax::hide(keys, first - key, -std::numeric_limits<Scalar>::infinity(), scores); }
        if constexpr (Drop::drops) { drop_.factors(first, key, keys, factors_); }
        Softmax::template gradient<Drop::drops>(keys, head_.scale, lse_of_group_ + panel * width, sums_ + panel * width,
                                                scores, grad_scores, factors_);
        if (hides) { Softmax::hide(keys, first - key, 0, grad_scores); }  // not 0 times infinity

        Scalar* grad_queries = grad_queries_ + panel * of_panel();
        multiply_panel(head_.size, keys, Strided<Scalar>{head_.k.rows(key).data, 1, head_.k.row}, grad_scores,
                       key == 0 && !is_padded() ? none : PanelRows<const Scalar>{grad_queries, width},
                       PanelRows<Scalar>{grad_queries, width});
    }

    /// The group's part of grad_k and grad_v. Where some panels do not see all keys, the keys go in strips. Each strip
    /// goes from the first panel that sees it.
    void add_gradients(Index key, Index keys) const {
        const bool hides = head_.hides(queries_.first, key, keys);
        const Index strip = hides ? width : keys;
        const bool from_zero = !is_padded() && (queries_.first == 0 || (head_.causal && key >= queries_.first));
        for (Index row = 0; row < keys; row += strip) {
            const Index rows = std::min(strip, keys - row);
            const Index panel = hides ? std::max<Index>(key + row - queries_.first, 0) / width : 0;
            const Index depth = queries_.size() - panel * width;
            const auto add = [&](const Scalar* scores, const Scalar* factor, Scalar* sums) {
                const Runs<Scalar> a{scores + panel * of_scores + row * width, width, of_scores};
                for (Index p = 0; p < column_panels(); ++p) {
                    const Scalar* b = factor + (p * most_queries + panel * width) * width;
                    Scalar* to = sums + (p * head_.tokens + key + row) * width;
                    const PanelRows<const Scalar> from = from_zero ? PanelRows<const Scalar>{zeros<Scalar>.data(), 0}
                                                                   : PanelRows<const Scalar>{to, width};
                    if (head_.size - p * width > lanes) {
                        multiply_panel<2>(rows, depth, a, b, from, PanelRows<Scalar>{to, width});
                    } else {
                        multiply_panel<1>(rows, depth, a, b, from, PanelRows<Scalar>{to, width});
                    }
                }
            };
            add(scores_, grad_y_rows_, grad_values_);
            add(grad_scores_, query_rows_, grad_keys_);
        }
    }

    void write_sums(const Scalar* sums, const PanelRows<Scalar>& to) const {
        for (Index p = 0; p < column_panels(); ++p) {
            const Index count = std::min(width, head_.size - p * width);
            for (Index token = 0; token < head_.tokens; ++token, sums += width) {
                copy_numbers(count, sums, to.data + token * to.row + p * width);
            }
        }
    }

    AttentionHead<Scalar> head_;
    Strided<Scalar> y_;
    const Scalar* lse_;
    Strided<Scalar> grad_y_;
    Gradients grads_;
    Drop drop_;

    Range queries_{0, 0};  // of the group
    // Panels of queries: scores and their gradients, keys x width each; the others size x width each.
    Scalar *scores_ = nullptr, *grad_scores_ = nullptr;
    Scalar *queries_transposed_ = nullptr, *grad_y_transposed_ = nullptr, *grad_queries_ = nullptr;
    // Panels of columns: of the group, most_queries x width each; and of all tokens, tokens x width each.
    Scalar *query_rows_ = nullptr, *grad_y_rows_ = nullptr;
    Scalar *grad_keys_ = nullptr, *grad_values_ = nullptr;
    Scalar *lse_of_group_ = nullptr, *sums_ = nullptr;  // most_queries
    Scalar* factors_ = nullptr;                         // keys x width
};

}  // namespace gacc::detail
