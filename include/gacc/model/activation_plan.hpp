#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/lifetimes.hpp>
#include <gacc/model/operation.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Decides which values of a graph share an activation, between which activations the graph may be cut, and which are
/// not needed after the forward pass. GraphMarks comes before it.
///
/// A value lies in the activation of an input of its operation if that input is not needed any more. That is so if the
/// operation is a sum, or works element by element and does not read x in backward; it is the only reader of the input;
/// and the operation that made the input does not read its y.
template <class Scalar>
class ActivationPlanner {
public:
    ActivationPlanner(std::vector<Value>& values, const std::vector<Operation<Scalar>>& operations)
        : values_(values), operations_(operations) {}

    /// Sets the slots of the values. Returns the activations, in the order in which they are first written.
    std::vector<Activation> plan() && {
        for (const auto& operation : operations_) { place(operation); }
        mark_boundaries();
        mark_needed();
        return std::move(activations_);
    }

private:
    const Operation<Scalar>& producer(const Value& value) const { return operations_[value.producer]; }

    /// Gives its output an activation.
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
        return made_by.kind != OperationKind::layer || !made_by.plan.reads_y || made_by.takes_tiles_of(reader, values_);
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
        auto end = static_cast<std::size_t>(std::find(needed.begin(), needed.end(), true) - needed.begin());
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

    std::vector<Value>& values_;
    const std::vector<Operation<Scalar>>& operations_;
    std::vector<Activation> activations_;
};

}  // namespace gacc::detail
