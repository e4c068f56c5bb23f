#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/layers/layer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

struct EmbeddingOptions {
    double deviation = 1;  ///< of the first weights; 0.02 in GPT-2
};

/// A row of weights for every token: y = weight[x]. Tokens are numbers of the input, from 0.
///
/// Shapes     samples {tokens} -> {tokens, features};  weight vocabulary x features
/// Gradients  grad_weight[x] += grad_y, row by row, in order;  there is no gradient by x
/// Defaults   first weights normal with deviation 1, as PyTorch's
/// Throws     ShapeError if a size is less than 1, or samples have more than one size; DataError from forward if a
///            number is not a token: not an integer, negative, or not below the vocabulary
/// Example    gacc::Sequential model(gacc::Input(64), gacc::Embedding(65, 128), gacc::Linear(128, 65));
template <class Scalar = float>
class Embedding : public Layer<Scalar> {
public:
    Embedding(Index vocabulary, Index features, EmbeddingOptions options = {})
        : options_(options),
          weight_("weight", {checked(vocabulary), checked(features)}, described(vocabulary, features)) {}

    std::string description() const override { return described(weight_.rows(), weight_.cols()); }
    LayerConfig config() const override {
        LayerConfig config{"Embedding", {{"vocabulary", weight_.rows()}, {"features", weight_.cols()}}};
        if (options_.deviation != 1) { config.options.push_back({"deviation", options_.deviation}); }
        return config;
    }
    LayerPlan plan(const Shape& x) const override {
        if (x.size() != 1) {
            throw ShapeError(description(),
                             "expected samples with one size, their tokens, got samples of shape " + to_string(x));
        }
        return {.y = {x.front(), weight_.cols()},
                .work = detail::product_of(x.front(), weight_.cols()),
                .reads_y = false};
    }

    void forward(Forward<Scalar> call) const override {
        const Scalar* weight = weight_.stored_values().data();
        const Index tokens = call.x.cols(), features = weight_.cols();
        detail::parallel_for(call.y.rows(), std::int64_t{call.y.rows()} * features, [&](Index first, Index last) {
            for (Index row = first; row < last; ++row) {
                const Scalar* from = weight + start(token(call.x(row / tokens, row % tokens)));
                for (Index i = 0; i < features; ++i) { call.y(row, i) = from[i * width]; }
            }
        });
    }

    void backward(Backward<Scalar> call) override {
        if (!weight_.is_frozen()) { add_gradient(call); }
        if (call.wants_grad_x()) { call.grad_x.setZero(); }
    }

    Parameter<Scalar>& weight() { return weight_; }
    std::vector<Parameter<Scalar>*> parameters() override { return {&weight_}; }
    void initialize(Rng& rng) override {
        weight_.generate([&] { return static_cast<Scalar>(options_.deviation * rng.normal()); });
    }

private:
    static constexpr Index width = detail::Panels<Scalar>::width;

    static std::string described(Index vocabulary, Index features) {
        return detail::text("Embedding(", vocabulary, ", ", features, ")");
    }
    static Index checked(Index size) {
        if (size < 1) { throw ShapeError("Embedding", detail::text("expected sizes of 1 or more, got ", size)); }
        return size;
    }
    /// The index of a token's first weight; its weights lie `width` apart.
    Index start(Index token) const { return token / width * width * weight_.cols() + token % width; }
    Index token(Scalar number) const {
        if (!(number >= 0 && number < static_cast<Scalar>(weight_.rows()) && number == std::floor(number))) {
            throw DataError(description(), detail::text("expected tokens from 0 to ", weight_.rows() - 1, ", got ",
                                                        number));
        }
        return static_cast<Index>(number);
    }

    void add_gradient(const Backward<Scalar>& call) {
        Scalar* grad = weight_.materialize_grads().data();
        const Index tokens = call.x.cols(), features = weight_.cols();
        // Threads share out features; each walks all rows in order.
        detail::parallel_for(features, std::int64_t{call.grad_y.rows()} * features, [&](Index first, Index last) {
            for (Index row = 0; row < call.grad_y.rows(); ++row) {
                Scalar* to = grad + start(token(call.x(row / tokens, row % tokens)));
                for (Index i = first; i < last; ++i) { to[i * width] += call.grad_y(row, i); }
            }
        });
    }

    EmbeddingOptions options_;
    Parameter<Scalar> weight_;  // vocabulary x features
};

}  // namespace gacc
