#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/attention_backward.hpp>
#include <gacc/kernels/attention_forward.hpp>
#include <gacc/kernels/rotary_table.hpp>
#include <gacc/layers/attention_dropout.hpp>
#include <gacc/layers/layer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace gacc::inline GACC_ABI {

struct DotProductAttentionOptions {
    Index heads = 1;             ///< parts of the width; each has its own softmax
    bool causal = false;         ///< a token sees itself and those before it
    double dropout = 0;          ///< the probability with which a weight of the mean is dropped in training
    Index rotary_positions = 0;  ///< turn q and k by their positions, for at most so many tokens; 0: do not
    Index padding_token = -1;    ///< where the model's input has this token, the key does not count; -1: all count
};

/// Attention of the tokens of a sample to each other. A token of x is its query, key and value side by side. For each
/// head, y is the mean of the values that a token sees, with the weights softmax(q kᵀ / sqrt(width / heads)).
///
/// Keys of padding do not count: they have no weight, and their k and v no gradient. If a query sees no key, its y is
/// 0. A sample with padding after its last token gives the bytes of the sample without padding.
///
/// Shapes     samples {tokens, 3 width} -> {tokens, width}; head h has columns h width / heads and on of q, k, v and y
/// Kept       a number for each token and head. The weights are computed again in backward; they are never there for
///            all pairs of tokens
/// Throws     ShapeError if a size is less than 1, the heads do not divide the width, samples have other shapes, or
///            with rotary positions a head has an odd size or samples have more tokens, or with a padding token the
///            model's input is other than {tokens}; UsageError unless 0 <= dropout < 1 and the padding token fits
/// Source     Vaswani et al. 2017, arXiv:1706.03762, section 3.2; in blocks of keys as Dao et al. 2022,
/// arXiv:2205.14135;
///            kernels/rotary.hpp for rotary positions
/// Example    gacc::Chain(gacc::Linear(128, 384), gacc::DotProductAttention(128, {.heads = 4, .causal = true}))
template <class Scalar = float>
class DotProductAttention : public Layer<Scalar> {
public:
    explicit DotProductAttention(Index width, DotProductAttentionOptions options = {})
        : width_(width), options_(options), size_(checked(width, options)) {
        if (options.rotary_positions > 0) { rotary_.emplace(size_); }
    }

    std::string description() const override {
        return detail::text("DotProductAttention(", width_, ", ", options_.heads,
                            options_.heads == 1 ? " head" : " heads", options_.causal ? ", causal)" : ")");
    }
    LayerConfig config() const override {
        LayerConfig config{"DotProductAttention",
                           {{"width", width_},
                            {"heads", options_.heads},
                            {"causal", options_.causal},
                            {"dropout", options_.dropout},
                            {"rotary_positions", options_.rotary_positions}}};
        if (is_padded()) { config.options.push_back({"padding_token", options_.padding_token}); }
        return config;
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
                .overwrites_x = true,
                .reads_tokens = is_padded()};
    }

    void forward(Forward<Scalar> call) const override {
        using Kernel = detail::AttentionForward<Scalar>;
        const Index tokens = call.x.rows() / call.samples;
        for_heads(call.samples, tokens, Kernel::scratch(size_), [&](Index sample, Index number, Scalar* scratch) {
            const auto head = head_of(call, sample, number, tokens, scratch);
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
                const auto head = head_of(call, sample, number, tokens, scratch);
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
                if (!rotary_) { return; }
                const auto& rotary = rotary_->of(tokens);
                for (Index token = 0; token < tokens; ++token) {
                    rotary.turn_back(token, grads.q.data + token * grads.q.row);
                    rotary.turn_back(token, grads.k.data + token * grads.k.row);
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
        constexpr Index largest = Index{1} << std::min(std::numeric_limits<Scalar>::digits, 30);  // a Scalar holds it
        if (options.padding_token < -1 || options.padding_token > largest) {
            throw UsageError(name, detail::text("expected a padding token from 0 to ", largest,
                                                ", or -1 for none, got ", options.padding_token));
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

    bool is_padded() const { return options_.padding_token >= 0; }

    /// Moves `scratch` on if it puts turned queries and keys there. `call` is of forward or backward.
    template <class Call>
    detail::AttentionHead<Scalar> head_of(const Call& call, Index sample, Index number, Index tokens,
                                          Scalar*& scratch) const {
        const Index row = sample * tokens, column = number * size_;
        const auto scale = static_cast<Scalar>(1 / std::sqrt(static_cast<double>(size_)));
        detail::AttentionHead<Scalar> head{tokens,
                                           size_,
                                           options_.causal,
                                           scale,
                                           at(call.x, row, column),
                                           at(call.x, row, width_ + column),
                                           at(call.x, row, 2 * width_ + column)};
        if (is_padded()) {
            head.padding = {call.tokens.data() + sample * call.tokens.outerStride(),
                            static_cast<Scalar>(options_.padding_token)};
        }
        if (!rotary_) { return head; }
        const auto& rotary = rotary_->of(tokens);
        for (detail::Strided<Scalar>* part : {&head.q, &head.k}) {
            for (Index token = 0; token < tokens; ++token) {
                rotary.turn(token, part->rows(token).data, scratch + token * size_);
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
    std::optional<detail::RotaryTable<Scalar>> rotary_;
};

}  // namespace gacc
