#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/attention_backward.hpp>
#include <gacc/kernels/attention_forward.hpp>
#include <gacc/kernels/rotary.hpp>
#include <gacc/layers/attention_dropout.hpp>
#include <gacc/layers/layer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

namespace gacc::inline GACC_ABI {

struct DotProductAttentionOptions {
    Index heads = 1;             ///< parts of the width; each has its own softmax
    bool causal = false;         ///< a token sees itself and those before it
    double dropout = 0;          ///< the probability with which a weight of the mean is dropped in training
    Index rotary_positions = 0;  ///< turn q and k by their positions, for at most so many tokens; 0: do not
};

/// Attention of the tokens of a sample to each other. A token of x is its query, key and value side by side. For each
/// head, y is the mean of the values that a token sees, with the weights softmax(q kᵀ / sqrt(width / heads)).
///
/// Shapes     samples {tokens, 3 width} -> {tokens, width}; head h has columns h width / heads and on of q, k, v and y
/// Kept       a number for each token and head. The weights are computed again in backward; they are never there for
///            all pairs of tokens
/// Throws     ShapeError if a size is less than 1, the heads do not divide the width, samples have other shapes, or
/// with
///            rotary positions a head has an odd size or samples have more tokens; UsageError unless 0 <= dropout < 1
/// Source     Vaswani et al. 2017, arXiv:1706.03762, section 3.2; in blocks of keys as Dao et al. 2022,
/// arXiv:2205.14135;
///            kernels/rotary.hpp for rotary positions
/// Example    gacc::Chain(gacc::Linear(128, 384), gacc::DotProductAttention(128, {.heads = 4, .causal = true}))
template <class Scalar = float>
class DotProductAttention : public Layer<Scalar> {
public:
    explicit DotProductAttention(Index width, DotProductAttentionOptions options = {})
        : width_(width), options_(options), size_(checked(width, options)) {
        if (options.rotary_positions > 0) { rotary_.emplace(options.rotary_positions, size_); }
    }

    std::string description() const override {
        return detail::text("DotProductAttention(", width_, ", ", options_.heads,
                            options_.heads == 1 ? " head" : " heads", options_.causal ? ", causal)" : ")");
    }
    LayerConfig config() const override {
        return {"DotProductAttention",
                {{"width", width_},
                 {"heads", options_.heads},
                 {"causal", options_.causal},
                 {"dropout", options_.dropout},
                 {"rotary_positions", options_.rotary_positions}}};
    }
    LayerPlan plan(const Shape& x) const override {
        if (x.size() != 2 || x[1] != detail::product_of(3, width_)) {
            throw ShapeError(description(), detail::text("expected samples of tokens x ", detail::product_of(3, width_),
                                                         ", got samples of shape ", to_string(x)));
        }
        if (rotary_ && x[0] > options_.rotary_positions) {
            throw ShapeError(description(), detail::text("expected at most ", options_.rotary_positions,
                                                         " tokens, its rotary positions, got ", x[0]));
        }
        const Index pairs = detail::product_of(x[0], x[0]);
        return {.y = {x[0], width_},
                .kept = detail::product_of(x[0], options_.heads),
                .work = detail::product_of(options_.causal ? pairs / 2 + 1 : pairs, 2, width_),
                .overwrites_x = true};
    }

    void forward(Forward<Scalar> call) const override {
        using Kernel = detail::AttentionForward<Scalar>;
        const Index tokens = call.x.rows() / call.samples;
        for_heads(call.samples, tokens, Kernel::scratch(size_), [&](Index sample, Index number, Scalar* scratch) {
            const auto head = head_of(call.x, sample, number, tokens, scratch);
            Scalar* lse = call.kept.data() + sample * call.kept.outerStride() + number * tokens;
            with_drop(call.where, sample, number, tokens, [&](const auto& drop) {
                detail::AttentionForward<Scalar, std::decay_t<decltype(drop)>>{
                    head, at(call.y, sample * tokens, number * size_), lse, drop}
                    .run(scratch);
            });
        });
    }

    void backward(Backward<Scalar> call) override {
        if (!call.wants_grad_x()) { return; }
        using Kernel = detail::AttentionBackward<Scalar>;
        const Index tokens = call.x.rows() / call.samples;
        for_heads(
            call.samples, tokens, Kernel::scratch(tokens, size_), [&](Index sample, Index number, Scalar* scratch) {
                const auto head = head_of(call.x, sample, number, tokens, scratch);
                const Index row = sample * tokens, column = number * size_;
                const typename Kernel::Gradients grads{at(call.grad_x, row, column),
                                                       at(call.grad_x, row, width_ + column),
                                                       at(call.grad_x, row, 2 * width_ + column)};
                const Scalar* lse = call.kept.data() + sample * call.kept.outerStride() + number * tokens;
                with_drop(call.where, sample, number, tokens, [&](const auto& drop) {
                    detail::AttentionBackward<Scalar, std::decay_t<decltype(drop)>>(head, at(call.y, row, column), lse,
                                                                                    at(call.grad_y, row, column),
                                                                                    {grads.q, grads.k, grads.v}, drop)
                        .run(scratch);
                });
                for (Index token = 0; rotary_ && token < tokens; ++token) {
                    rotary_->turn_back(token, grads.q.data + token * grads.q.row);
                    rotary_->turn_back(token, grads.k.data + token * grads.k.row);
                }
            });
    }

private:
    /// The size of a head.
    static Index checked(Index width, const DotProductAttentionOptions& options) {
        const char* name = "DotProductAttention";
        detail::checked_dropout(name, options.dropout);
        if (width < 1 || options.heads < 1 || width % options.heads != 0) {
            throw ShapeError(name, detail::text("expected heads that divide the width, got ", options.heads,
                                                " heads for a width of ", width));
        }
        const Index size = width / options.heads;
        constexpr Index most = Index{1} << 20;  // numbers: a file may ask for them with a few bytes
        if (options.rotary_positions < 0 || detail::product_of(options.rotary_positions, size) > most) {
            throw ShapeError(name, detail::text("expected rotary positions from 0 to ", most / size, ", got ",
                                                options.rotary_positions));
        }
        if (options.rotary_positions > 0 && size % 2 != 0) {
            throw ShapeError(name, detail::text("expected heads of an even size for rotary positions, got ", size));
        }
        return size;
    }

    static detail::Strided<Scalar> at(const ConstMatrixView<Scalar>& rows, Index row, Index column) {
        return {rows.data() + row * rows.outerStride() + column, rows.outerStride(), 1};
    }
    static detail::PanelRows<Scalar> at(MatrixView<Scalar>& rows, Index row, Index column) {
        return {rows.data() + row * rows.outerStride() + column, rows.outerStride()};
    }

    /// Calls f(sample, head, scratch) for all heads, each on one thread.
    template <class F>
    void for_heads(Index samples, Index tokens, Index of_kernel, const F& f) const {
        const Index turned = rotary_ ? detail::product_of(2, tokens, size_) : 0;
        const std::int64_t work = std::int64_t{samples} * tokens * tokens * width_ * (options_.causal ? 1 : 2);
        detail::parallel_for(samples * options_.heads, work, [&](Index first, Index last) {
            const detail::ThreadScratch::Numbers<Scalar> scratch(
                static_cast<std::size_t>(detail::sum_of(of_kernel, turned)));
            for (Index i = first; i < last; ++i) { f(i / options_.heads, i % options_.heads, scratch.data()); }
        });
    }

    /// Moves `scratch` on if it puts turned queries and keys there.
    detail::AttentionHead<Scalar> head_of(const ConstMatrixView<Scalar>& x, Index sample, Index number, Index tokens,
                                          Scalar*& scratch) const {
        const Index row = sample * tokens, column = number * size_;
        const auto scale = static_cast<Scalar>(1 / std::sqrt(static_cast<double>(size_)));
        detail::AttentionHead<Scalar> head{tokens,
                                           size_,
                                           options_.causal,
                                           scale,
                                           at(x, row, column),
                                           at(x, row, width_ + column),
                                           at(x, row, 2 * width_ + column)};
        if (!rotary_) { return head; }
        for (detail::Strided<Scalar>* part : {&head.q, &head.k}) {
            for (Index token = 0; token < tokens; ++token) {
                rotary_->turn(token, part->rows(token).data, scratch + token * size_);
            }
            *part = {scratch, size_, 1};
            scratch += tokens * size_;
        }
        return head;
    }

    template <class F>
    void with_drop(const Where& where, Index sample, Index number, Index tokens, const F& f) const {
        if (!where.training || options_.dropout == 0) { return f(detail::DropNothing{}); }
        f(detail::AttentionDropout<Scalar>{where.at(sample * tokens, 0), number * tokens, options_.dropout});
    }

    Index width_;
    DotProductAttentionOptions options_;
    Index size_;  // of a head
    std::optional<detail::Rotary<Scalar>> rotary_;
};

}  // namespace gacc
