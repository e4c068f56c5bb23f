#pragma once

#include <gacc/core/shape.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/lifetimes.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// A value that a model computes for each sample. Value 0 is the inputs.
struct Value {
    Shape shape;                         // of a sample
    std::size_t producer = 0;            // the operation that writes it; not for the inputs
    std::vector<std::size_t> readers{};  // the operations that read it, in order
    std::size_t slot = 0;                // the activation in which it lies; not for the inputs
    bool wants_grad = false;             // whether a parameter that is trained lies below it
    bool by_rows = false;                // whether each row reaches no row of the outputs but that at its place

    Index rows() const { return rows_of(shape); }
    Index features() const { return shape.back(); }
};

enum class OperationKind {
    layer,
    sum,     // the first input plus the second
    concat,  // the features of the inputs side by side
};

/// Makes one value from earlier ones.
template <class Scalar>
struct Operation {
    OperationKind kind;
    Layer<Scalar>* layer = nullptr;  // null for other kinds
    std::size_t number = 0;          // of the layer in the model, counted from 0
    LayerPlan plan{};                // of the layer
    std::vector<std::size_t> inputs{};
    std::size_t output = 0;
    bool by_samples = true;  // whether threads may share out its samples: it has no parameters
    /// Parameters whose gradients are complete, for a block, after the backward pass of this operation.
    std::vector<Parameter<Scalar>*> completes{};
};

/// The operations of a model in the order in which they run. Each reads values that were made before. The graph is the
/// same for all sizes of micro-batches. It does not say where the values lie in memory.
///
/// A value lies in the activation of an input of its operation if that input is not needed any more. That is so if the
/// operation is a sum, or works element by element and does not read x in backward; it is the only reader of the input;
/// and the operation that made the input does not read its y.
template <class Scalar>
class Graph {
public:
    /// Throws     ShapeError if a size is less than 1
    void set_input(Shape shape) { values_ = {Value{std::move(shape)}}; }
    bool has_input() const { return !values_.empty(); }

    /// Applies a layer to a value. Returns the new value.
    ///
    /// Throws     ShapeError if the layer cannot take it; UsageError if it is elementwise and has parameters
    std::size_t apply(Layer<Scalar>& layer, std::size_t x) {
        Operation<Scalar> operation{.kind = OperationKind::layer, .layer = &layer, .number = layers_};
        operation.plan = layer.plan(values_[x].shape);
        operation.inputs = {x};
        operation.by_samples = layer.parameters().empty();
        if (operation.plan.elementwise && (!operation.by_samples || operation.plan.y != values_[x].shape)) {
            throw UsageError("Sequential", "expected an elementwise layer without parameters whose y has the shape of x, got " +
                                               layer.description());
        }
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
        activations_.clear();
        for (Value& value : values_) {
            value.readers.clear();
            value.wants_grad = false;
        }
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            for (const std::size_t input : operations_[i].inputs) { values_[input].readers.push_back(i); }
        }
        for (const auto& operation : operations_) { place(operation); }
        mark_boundaries();
        mark_needed();
        mark_by_rows();
        mark_completed();
    }

    const std::vector<Value>& values() const { return values_; }
    const std::vector<Operation<Scalar>>& operations() const { return operations_; }
    const Operation<Scalar>& producer(const Value& value) const { return operations_[value.producer]; }
    const Value& input() const { return values_.front(); }
    const Value& output() const { return values_.back(); }
    /// In the order in which they are first written.
    const std::vector<Activation>& activations() const { return activations_; }

    /// Whether the operation's output shares an activation with its input.
    bool in_place(const Operation<Scalar>& operation) const {
        return operation.inputs[0] != 0 && values_[operation.output].slot == values_[operation.inputs[0]].slot;
    }

    /// Whether the backward of an elementwise layer takes the tiles of grad_x that the reader of its output puts.
    bool fuses(const LayerPlan& reader, const Operation<Scalar>& before) const {
        return reader.puts_tiles && reader.overwrites_x && before.kind == OperationKind::layer &&
               before.plan.elementwise && !before.plan.reads_x && in_place(before);
    }

private:
    std::size_t append(Operation<Scalar> operation, Shape shape) {
        operation.output = values_.size();
        values_.push_back({.shape = std::move(shape), .producer = operations_.size()});
        operations_.push_back(std::move(operation));
        return values_.size() - 1;
    }

    void place(const Operation<Scalar>& operation) {
        Value& y = values_[operation.output];
        const std::size_t first = operation.inputs[0];
        const bool element_by_element = operation.kind == OperationKind::sum ||
                                        (operation.plan.elementwise && !operation.plan.reads_x);
        const bool shares = element_by_element && first != 0 && values_[first].readers.size() == 1 &&
                            !(producer(values_[first]).kind == OperationKind::layer &&
                              producer(values_[first]).plan.reads_y);
        if (!shares) { activations_.push_back({.width = y.features(), .rows = y.rows()}); }
        y.slot = shares ? values_[first].slot : activations_.size() - 1;
        Activation& activation = activations_[y.slot];
        activation.work = sum_of(activation.work, operation.plan.work);
        activation.extra = sum_of(activation.extra, operation.plan.kept);
        for (const std::size_t input : operation.inputs) { y.wants_grad = y.wants_grad || values_[input].wants_grad; }
        y.wants_grad = y.wants_grad || !trained(operation).empty();
    }

    /// The trained parameters of its layer.
    static std::vector<Parameter<Scalar>*> trained(const Operation<Scalar>& operation) {
        if (operation.by_samples) { return {}; }
        auto all = operation.layer->parameters();
        std::erase_if(all, [](const auto* parameter) { return parameter->is_frozen(); });
        return all;
    }

    /// A gradient is complete after the first operation that uses the parameter's values: backward reaches it last.
    void mark_completed() {
        std::set<const Parameter<Scalar>*> seen;
        for (auto& operation : operations_) {
            operation.completes.clear();
            for (auto* parameter : trained(operation)) {
                Parameter<Scalar>& owner = parameter->owner();
                if (seen.insert(&owner).second) { operation.completes.push_back(&owner); }
            }
        }
    }

    /// Marks activations whose last value is the only earlier value that later operations read.
    void mark_boundaries() {
        std::vector<std::size_t> last_reader(values_.size());
        for (std::size_t i = 1; i < values_.size(); ++i) {
            last_reader[i] = values_[i].readers.empty() ? operations_.size() : values_[i].readers.back();
        }
        std::size_t alive_until = 0;  // the inputs are always there
        for (auto& activation : activations_) { activation.boundary = activation.separates = false; }
        for (std::size_t i = 1; i < values_.size(); ++i) {
            const bool last_of_slot = i + 1 == values_.size() || values_[i + 1].slot != values_[i].slot;
            if (last_of_slot && alive_until <= values_[i].producer) {
                activations_[values_[i].slot].boundary = true;
                activations_[values_[i].slot].separates = takes_gradient(values_[i]);
            }
            alive_until = std::max(alive_until, last_reader[i]);
        }
    }

    /// Whether the only reader of a value writes the gradient by it over it. The BackwardPlanner decides likewise.
    bool takes_gradient(const Value& value) const {
        if (value.readers.size() != 1 || operations_[value.readers[0]].kind != OperationKind::layer) { return false; }
        const LayerPlan& reader = operations_[value.readers[0]].plan;
        if (!reader.overwrites_x || reader.elementwise) { return false; }
        const auto& made_by = producer(value);
        return made_by.kind != OperationKind::layer || !made_by.plan.reads_y || fuses(reader, made_by);
    }

    void mark_by_rows() {
        const Index rows = values_.back().rows();
        for (std::size_t i = values_.size(); i-- > 0;) {
            const auto& readers = values_[i].readers;
            const auto is_by_rows = [&](std::size_t index) {
                const auto& operation = operations_[index];
                const bool by_rows = operation.kind != OperationKind::layer || operation.plan.by_rows ||
                                     operation.plan.elementwise;
                return by_rows && values_[operation.output].by_rows;
            };
            values_[i].by_rows =
                values_[i].rows() == rows && std::all_of(readers.begin(), readers.end(), is_by_rows);
        }
    }

    /// Finds the activations that no backward pass reads, before a boundary: those below all trained parameters. They
    /// are not kept, and lie over each other.
    void mark_needed() {
        std::vector<bool> needed(activations_.size(), false);
        for (const auto& operation : operations_) {
            const Value& y = values_[operation.output];
            if (!y.wants_grad) { continue; }
            needed[y.slot] = true;
            const std::size_t x = operation.inputs[0];
            if (x != 0 && operation.plan.reads_x) { needed[values_[x].slot] = true; }
        }
        auto end = static_cast<std::size_t>(std::ranges::find(needed, true) - needed.begin());
        end = std::min(end, std::max<std::size_t>(needed.size(), 1) - 1);  // the outputs are always kept
        while (end > 0 && !activations_[end].boundary) { --end; }

        std::vector<Lifetime> lifetimes(end);
        for (const Value& value : values_) {
            if (&value == &values_.front() || value.slot >= end) { continue; }
            Lifetime& life = lifetimes[value.slot];
            if (life.numbers == 0) { life = {sample_numbers<Scalar>(activations_[value.slot]), value.producer, 0}; }
            life.dead = value.readers.empty() ? operations_.size() : std::max(life.dead, value.readers.back());
        }
        place_by_lifetimes(lifetimes);
        for (std::size_t i = 0; i < end; ++i) {
            activations_[i].needed = activations_[i].kept = false;
            activations_[i].place = lifetimes[i].before;
        }
    }

    std::vector<Value> values_;
    std::vector<Operation<Scalar>> operations_;
    std::vector<Activation> activations_;
    std::size_t layers_ = 0;
};

}  // namespace gacc::detail
