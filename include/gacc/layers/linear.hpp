#pragma once

#include <gacc/kernels/column_strips.hpp>
#include <gacc/kernels/product.hpp>
#include <gacc/kernels/row_product.hpp>
#include <gacc/layers/initialization.hpp>
#include <gacc/layers/layer.hpp>

#include <optional>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

struct LinearOptions {
    Initialization initialization = Initialization::he_normal;
    bool bias = true;  ///< add b; without it y = x Wᵀ
    /// Use the values of this parameter of the model for W, for example "0.weight" of an Embedding before it.
    std::string shares{};
    double initial_scale = 1;  ///< multiplies the first values of W
};

/// Fully connected layer: y = x Wᵀ + b, for every row.
///
/// Shapes     x rows x in_features;  y rows x out_features;  W out_features x in_features;  b out_features,
///            for samples of shape {..., in_features}; each sample has one row or more
/// Gradients  grad_W += grad_yᵀ x,  grad_b += column sums of grad_y   (added, summed over rows, never divided)
///            grad_x  = grad_y W                                      (written)
/// Throws     ShapeError if a size is not positive or the last size of samples is not in_features; MemoryError if there
///            is no memory for the parameters
/// Example    gacc::Linear layer(784, 128);  gacc::Linear<double> exact(784, 128, {.bias = false});
///            gacc::Linear head(128, vocabulary, {.bias = false, .shares = "0.weight"});
template <class Scalar = float>
class Linear : public Layer<Scalar> {
public:
    Linear(Index in_features, Index out_features, LinearOptions options = {})
        : options_(std::move(options)), weight_(made_weight(in_features, out_features)) {
        if (options_.bias) { bias_.emplace("bias", Shape{out_features}, described(in_features, out_features)); }
    }

    std::string description() const override { return described(weight_.cols(), weight_.rows()); }
    LayerConfig config() const override {
        LayerConfig config{"Linear", {{"in_features", weight_.cols()},
                                      {"out_features", weight_.rows()},
                                      {"bias", bias_.has_value()},
                                      {"initialization", detail::name_of(options_.initialization)}}};
        if (!options_.shares.empty()) { config.options.push_back({"shares", options_.shares}); }
        if (options_.initial_scale != 1) { config.options.push_back({"initial_scale", options_.initial_scale}); }
        return config;
    }
    Shape input_shape() const override { return {weight_.cols()}; }

    LayerPlan plan(const Shape& x) const override {
        if (x.empty() || x.back() != weight_.cols()) {
            throw ShapeError(description(), detail::text("expected samples whose last size is ", weight_.cols(),
                                                         ", got samples of shape ", to_string(x)));
        }
        Shape y = x;
        y.back() = weight_.rows();
        const Index work = weight_.size() + (bias_ ? bias_->size() : 0);
        return {.y = std::move(y), .work = detail::product_of(rows_of(x), work), .reads_y = false,
                .overwrites_x = true, .puts_tiles = true, .by_rows = true};
    }

    void forward(Forward<Scalar> call) const override {
        Product{.rows = call.x.rows(),
                .cols = call.y.cols(),
                .depth = call.x.cols(),
                .a = {call.x.data(), call.x.outerStride(), 1},
                .b = {weight_.stored_values().data(), width, call.x.cols() * width, true},
                .c0 = bias_ ? Columns{bias_->stored_values().data(), 0, width, true} : zeros(),
                .c = {call.y.data(), call.y.outerStride(), width, false}}
            .run();
    }

    void backward(Backward<Scalar> call) override {
        if (!weight_.is_frozen()) { add_weight_gradient(call.x, call.grad_y); }
        if (bias_ && !bias_->is_frozen()) { detail::add_column_sums(call.grad_y, bias_->materialize_grads().data()); }
        if (!call.wants_grad_x()) { return; }
        input_gradient(call.grad_y).run_into([&](Index row, Index column, const ConstMatrixView<Scalar>& tile) {
            call.put(row, column, tile);
        });
    }

    Parameter<Scalar>& weight() { return weight_; }
    /// Throws     UsageError if the layer has no bias
    Parameter<Scalar>& bias() {
        if (!bias_) { throw UsageError(description(), "expected a layer with a bias, got one with .bias = false"); }
        return *bias_;
    }
    std::vector<Parameter<Scalar>*> parameters() override {
        if (!bias_) { return {&weight_}; }
        return {&weight_, &*bias_};
    }

    /// Draws W row by row, then b.
    void initialize(Rng& rng) override {
        detail::draw_first_values(rng, options_.initialization, weight_.cols(),
                                  options_.shares.empty() ? &weight_ : nullptr, bias_ ? &*bias_ : nullptr,
                                  options_.initial_scale);
    }

private:
    using Product = detail::Product<Scalar>;
    using Columns = typename Product::template Columns<const Scalar>;
    static constexpr Index width = Product::width;

    static std::string described(Index in_features, Index out_features) {
        return detail::text("Linear(", in_features, " -> ", out_features, ")");
    }
    static Index checked(Index features) {
        if (features < 1) { throw ShapeError("Linear", detail::text("expected 1 or more features, got ", features)); }
        return features;
    }
    Parameter<Scalar> made_weight(Index in_features, Index out_features) const {
        Shape shape{checked(out_features), checked(in_features)};
        const std::string layer = described(in_features, out_features);
        if (options_.shares.empty()) { return Parameter<Scalar>("weight", std::move(shape), layer); }
        return Parameter<Scalar>("weight", std::move(shape), SharedValues{options_.shares}, layer);
    }
    static Columns zeros() { return {detail::zeros<Scalar>.data(), 0, 0, true}; }

    /// grad_W += grad_yᵀ x
    void add_weight_gradient(const ConstMatrixView<Scalar>& x, const ConstMatrixView<Scalar>& grad_y) {
        const auto [grad_weight, weight_from_zero] = weight_.start_grads();
        const Index panel = x.cols() * width;
        Product{.rows = x.cols(),
                .cols = grad_y.cols(),
                .depth = x.rows(),
                .a = {x.data(), 1, x.outerStride()},
                .b = {grad_y.data(), grad_y.outerStride(), width, false},
                .c0 = weight_from_zero ? zeros() : Columns{grad_weight.data(), width, panel, true},
                .c = {grad_weight.data(), width, panel, true}}
            .run();
    }

    /// The product grad_x = grad_y W. The caller says where the result goes.
    detail::RowProduct<Scalar> input_gradient(const ConstMatrixView<Scalar>& grad_y) const {
        return {.rows = grad_y.rows(),
                .cols = weight_.cols(),
                .depth = grad_y.cols(),
                .x = {grad_y.data(), grad_y.outerStride(), 1},
                .y = {weight_.stored_values().data(), width, weight_.cols() * width}};
    }

    LinearOptions options_;
    Parameter<Scalar> weight_;               // out_features x in_features
    std::optional<Parameter<Scalar>> bias_;  // out_features
};

}  // namespace gacc
