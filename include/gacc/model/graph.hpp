#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/text.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/activation_plan.hpp>
#include <gacc/model/graph_marks.hpp>
#include <gacc/model/operation.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The operations of a model in the order in which they run. Each reads values that were made before. The graph is the
/// same for all sizes of micro-batches. It does not say where the values lie in memory.
template <class Scalar>
class Graph {
public:
    /// Throws     ShapeError if a size is less than 1
    void set_input(Shape shape) { values_ = {Value{std::move(shape)}}; }
    bool has_input() const { return !values_.empty(); }

    /// Applies a layer to a value. Returns the new value.
    ///
    /// Throws     ShapeError if the layer cannot take it, or reads tokens that the model's input does not have;
    ///            UsageError if it is elementwise and has parameters, or reads tokens and is by rows
    std::size_t apply(Layer<Scalar>& layer, std::size_t x) {
        Operation<Scalar> operation{.kind = OperationKind::layer, .layer = &layer, .number = layers_};
        operation.plan = layer.plan(values_[x].shape);
        operation.inputs = {x};
        operation.by_samples = layer.parameters().empty();
        if (operation.plan.elementwise && (!operation.by_samples || operation.plan.y != values_[x].shape)) {
            throw UsageError("Sequential", "expected an elementwise layer without parameters whose y has the shape of x, got " +
                                               layer.description());
        }
        if (operation.plan.reads_tokens) { check_tokens(layer, operation.plan, rows_of(values_[x].shape)); }
        ++layers_;
        Shape y = operation.plan.y;
        return append(std::move(operation), std::move(y));
    }

    /// branch + shortcut, element by element.
    ///
    /// Throws     ShapeError if their shapes differ
    std::size_t sum(std::size_t branch, std::size_t shortcut) {
        if (values_[branch].shape != values_[shortcut].shape) {
            throw ShapeError("Residual", text("expected a branch and a shortcut of one shape, got samples of ",
                                              to_string(values_[branch].shape), " and ",
                                              to_string(values_[shortcut].shape)));
        }
        return append({.kind = OperationKind::sum, .inputs = {branch, shortcut}}, values_[branch].shape);
    }

    /// The features of all parts side by side, row by row.
    ///
    /// Throws     ShapeError if they differ in a size other than the last
    std::size_t concat(std::vector<std::size_t> parts) {
        const Shape& first = values_[parts.front()].shape;
        Shape y = first;
        y.back() = 0;
        for (const std::size_t part : parts) {
            const Shape& other = values_[part].shape;
            if (other.size() != first.size() || !std::equal(first.begin(), first.end() - 1, other.begin())) {
                throw ShapeError("Concat", text("expected parts that differ in their last size alone, got samples of ",
                                                to_string(first), " and ", to_string(other)));
            }
            y.back() = sum_of(y.back(), other.back());
        }
        return append({.kind = OperationKind::concat, .inputs = std::move(parts)}, std::move(y));
    }

    /// Decides which values share an activation, and how far down the backward pass goes. Call it when all operations
    /// are there, and again after operations were added or parameters frozen.
    void finish() {
        if (!has_input()) { return; }
        GraphMarks<Scalar>(values_, operations_).mark();
        activations_ = ActivationPlanner<Scalar>(values_, operations_).plan();
        for (Activation& activation : activations_) { activation.least_block = least_block_; }
    }
    /// From now on the blocks of a micro-batch have at least so many samples.
    void set_least_block(Index samples) {
        least_block_ = samples;
        finish();
    }

    const std::vector<Value>& values() const { return values_; }
    const std::vector<Operation<Scalar>>& operations() const { return operations_; }
    const Operation<Scalar>& producer(const Value& value) const { return operations_[value.producer]; }
    const Value& input() const { return values_.front(); }
    const Value& output() const { return values_.back(); }
    /// In the order in which they are first written.
    const std::vector<Activation>& activations() const { return activations_; }

    /// The last operation, if a loss can compute it in blocks of rows: a Linear that reads the value of another layer.
    /// Else null.
    const Operation<Scalar>* head() const {
        if (operations_.empty()) { return nullptr; }
        const auto& last = operations_.back();
        const bool is_head = dynamic_cast<const Linear<Scalar>*>(last.layer) != nullptr && last.inputs[0] != 0;
        return is_head ? &last : nullptr;
    }
    /// The value that the head reads.
    const Value& features() const { return values_[operations_.back().inputs[0]]; }
    /// The activations but that of the outputs. The features are kept, and so are those behind them: of a shortcut, if
    /// the features are a sum.
    std::vector<Activation> feature_activations() const {
        auto all = activations_;
        all.pop_back();
        for (std::size_t i = features().slot; i < all.size(); ++i) { all[i].kept = all[i].needed = true; }
        return all;
    }

private:
    /// Checks that a layer which reads the tokens of the model's input can do so.
    void check_tokens(const Layer<Scalar>& layer, const LayerPlan& plan, Index tokens) const {
        if (plan.elementwise || plan.by_rows) {
            throw UsageError("Sequential", "expected a layer that is not by rows to read tokens, got " +
                                               layer.description());
        }
        if (input().shape != Shape{tokens}) {
            throw ShapeError(layer.description(),
                             text("expected a model whose input is ", tokens, " tokens, which it reads to find padding, "
                                  "got inputs of shape ", to_string(input().shape)));
        }
    }

    std::size_t append(Operation<Scalar> operation, Shape shape) {
        operation.output = values_.size();
        values_.push_back({.shape = std::move(shape), .producer = operations_.size()});
        operations_.push_back(std::move(operation));
        return values_.size() - 1;
    }

    std::vector<Value> values_;
    std::vector<Operation<Scalar>> operations_;
    std::vector<Activation> activations_;
    std::size_t layers_ = 0;
    Index least_block_ = 1;
};

}  // namespace gacc::detail
