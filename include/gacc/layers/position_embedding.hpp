#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/layers/layer.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Adds a row of weights to every token of a sample, chosen by its position: y = x + weight[position].
///
/// Shapes     samples {tokens, features} with at most `tokens` tokens;  weight tokens x features
/// Gradients  grad_weight += grad_y, sample by sample;  grad_x = grad_y
/// Defaults   weights normal with deviation 0.02, as in GPT-2
/// Throws     ShapeError if a size is less than 1, or samples have another number of features or more tokens
/// Example    gacc::PositionEmbedding layer(64, 128);
template <class Scalar = float>
class PositionEmbedding : public Layer<Scalar> {
public:
    PositionEmbedding(Index tokens, Index features)
        : weight_("weight", {checked(tokens), checked(features)}, described(tokens, features)) {}

    std::string description() const override { return described(weight_.rows(), weight_.cols()); }
    LayerConfig config() const override {
        return {"PositionEmbedding", {{"tokens", weight_.rows()}, {"features", weight_.cols()}}};
    }
    LayerPlan plan(const Shape& x) const override {
        if (x.size() != 2 || x[0] > weight_.rows() || x[1] != weight_.cols()) {
            throw ShapeError(description(), detail::text("expected samples of at most ", weight_.rows(), " x ",
                                                         weight_.cols(), ", got samples of shape ", to_string(x)));
        }
        return {.y = x,
                .work = elements(x),
                .reads_x = false,
                .reads_y = false,
                .overwrites_x = true,
                .by_rows = true};
    }

    void forward(Forward<Scalar> call) const override {
        const Scalar* weight = weight_.stored_values().data();
        const Index tokens = call.x.rows() / call.samples, features = weight_.cols();
        detail::parallel_for(call.x.rows(), std::int64_t{call.x.rows()} * features, [&](Index first, Index last) {
            for (Index row = first; row < last; ++row) {
                const Scalar* add = weight + start(row % tokens);
                for (Index i = 0; i < features; ++i) { call.y(row, i) = call.x(row, i) + add[i * width]; }
            }
        });
    }

    void backward(Backward<Scalar> call) override {
        if (!weight_.is_frozen()) { add_gradient(call); }
        if (call.wants_grad_x()) { call.grad_x = call.grad_y; }
    }

    Parameter<Scalar>& weight() { return weight_; }
    std::vector<Parameter<Scalar>*> parameters() override { return {&weight_}; }
    void initialize(Rng& rng) override {
        weight_.generate([&] { return static_cast<Scalar>(0.02 * rng.normal()); });
    }

private:
    static constexpr Index width = detail::Panels<Scalar>::width;

    static std::string described(Index tokens, Index features) {
        return detail::text("PositionEmbedding(", tokens, ", ", features, ")");
    }
    static Index checked(Index size) {
        if (size < 1) { throw ShapeError("PositionEmbedding", detail::text("expected sizes of 1 or more, got ", size)); }
        return size;
    }
    /// The index of a position's first weight; its weights lie `width` apart.
    Index start(Index position) const { return position / width * width * weight_.cols() + position % width; }

    void add_gradient(const Backward<Scalar>& call) {
        Scalar* grad = weight_.materialize_grads().data();
        const Index tokens = call.grad_y.rows() / call.samples, features = weight_.cols();
        // Threads share out tokens; each walks all samples in order.
        detail::parallel_for(tokens, std::int64_t{call.grad_y.rows()} * features, [&](Index first, Index last) {
            for (Index sample = 0; sample < call.samples; ++sample) {
                for (Index token = first; token < last; ++token) {
                    Scalar* to = grad + start(token);
                    const Index row = sample * tokens + token;
                    for (Index i = 0; i < features; ++i) { to[i * width] += call.grad_y(row, i); }
                }
            }
        });
    }

    Parameter<Scalar> weight_;  // tokens x features
};

}  // namespace gacc
