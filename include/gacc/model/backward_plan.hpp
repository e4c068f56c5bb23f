#pragma once

#include <gacc/model/activation.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/lifetimes.hpp>
#include <gacc/model/segments.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The place of the gradient by a value during the backward pass of a block.
struct GradientPlace {
    enum class Kind { none, of_the_loss, activation, buffer } kind = Kind::none;
    std::size_t number = 0;  // of the activation or the buffer

    bool operator==(const GradientPlace&) const = default;
};

/// One step of the backward pass of a block.
struct BackwardStep {
    enum class Kind {
        layer,  // the layer's backward, which writes or adds grad_x
        copy,   // `to` = `from`
        add,    // `to` += `from`
    } kind = Kind::layer;
    std::size_t operation = 0;
    std::size_t input = 0;             // the input of the operation that the gradient belongs to
    std::size_t segment = 0;
    std::optional<std::size_t> fused{};  // the operation whose backward takes the tiles of grad_x
    bool adds = false;                 // a layer that puts tiles adds them
    GradientPlace from{}, to{};        // grad_y, grad_x
};

/// A gradient that cannot lie over an activation.
struct GradientBuffer {
    Activation like;   // its width and rows
    std::size_t born;  // the step that writes it first
    std::size_t dead;  // the last step that reads it
    std::size_t segment;
    Index before = 0;  // numbers of a sample in other buffers that lie before it
};

/// The steps of the backward pass of a block, and the place of each gradient.
struct BackwardPlan {
    std::vector<BackwardStep> steps;
    std::vector<GradientBuffer> buffers;
    /// Of the buffers of each segment for a sample. Buffers that are not needed at once lie over each other.
    std::vector<Index> numbers;
};

/// Makes the plan of a graph. A gradient lies over an activation that is not read any more, over the gradient from
/// which it is made, or in a buffer. If a value has several readers, the first one in the backward pass writes its
/// gradient and the others add, in this order. So the bits are always the same.
template <class Scalar>
class BackwardPlanner {
public:
    /// `activations` are those of the graph; some may be dropped. If the last one, of the outputs, is not among them, a
    /// loss computes the outputs in blocks of rows.
    BackwardPlanner(const Graph<Scalar>& graph, const std::vector<Activation>& activations)
        : graph_(graph), activations_(activations), segments_(segments_of<Scalar>(activations)), grads_(graph.values().size()),
          done_(graph.operations().size(), false), users_of_activation_(activations.size(), 0) {}

    BackwardPlan plan() && {
        if (graph_.operations().empty()) { return {}; }
        grads_.back() = {GradientPlace::Kind::of_the_loss};
        for (std::size_t i = graph_.operations().size(); i-- > 0;) {
            const auto& operation = graph_.operations()[i];
            segment_ = segment_at(segments_, std::min(value(operation.output).slot, activations_.size() - 1));
            if (done_[i] || !value(operation.output).wants_grad) { continue; }
            if (operation.kind == OperationKind::layer) {
                through_layer(i);
            } else {
                through_copies(i);
            }
            done_[i] = true;
            release(grads_[operation.output]);
        }
        place_buffers();
        return std::move(plan_);
    }

private:
    using Kind = GradientPlace::Kind;

    const Value& value(std::size_t i) const { return graph_.values()[i]; }

    void through_layer(std::size_t i) {
        const auto& operation = graph_.operations()[i];
        const std::size_t x = operation.inputs[0];
        const GradientPlace grad_y = grads_[operation.output];
        BackwardStep step{.operation = i, .from = grad_y};
        if (x == 0 || !value(x).wants_grad) {
            push(step);
            return;
        }
        if (grads_[x].kind != Kind::none) {  // another reader has written it
            make_writable(x);
            if (operation.plan.puts_tiles) {
                step.adds = true;
                step.to = grads_[x];
                push(step);
            } else {
                step.to = new_buffer(x);
                push(step);
                push({.kind = BackwardStep::Kind::add, .operation = i, .from = step.to, .to = grads_[x]});
            }
            return;
        }
        std::size_t written = x;  // the value whose gradient it is
        const auto& before = graph_.producer(value(x));
        if (before.takes_tiles_of(operation.plan, graph_.values()) && value(x).readers.size() == 1) {
            step.fused = value(x).producer;
            written = before.inputs[0];
            done_[value(x).producer] = true;
            step.to = over_activation(value(x).slot);
        } else if (operation.plan.elementwise && may_write_over(grad_y) && reachable(grad_y, x)) {
            step.to = keep(grad_y);
        } else if ((operation.plan.overwrites_x || operation.plan.elementwise) && is_dead(x)) {
            step.to = over_activation(value(x).slot);
        } else {
            step.to = new_buffer(x);
        }
        grads_[written] = step.to;
        push(step);
    }

    /// The gradient of a sum is the gradient of both inputs. The gradient of a concat is cut.
    void through_copies(std::size_t i) {
        const auto& operation = graph_.operations()[i];
        const GradientPlace grad_y = grads_[operation.output];
        for (std::size_t k = 0; k < operation.inputs.size(); ++k) {
            const std::size_t x = operation.inputs[k];
            if (x == 0 || !value(x).wants_grad) { continue; }
            const bool first = grads_[x].kind == Kind::none;
            if (first && operation.kind == OperationKind::sum && reachable(grad_y, x)) {
                grads_[x] = keep(grad_y);
                continue;
            }
            if (first) {
                grads_[x] = is_dead(x) ? over_activation(value(x).slot) : new_buffer(x);
            } else {
                make_writable(x);
            }
            push({.kind = first ? BackwardStep::Kind::copy : BackwardStep::Kind::add, .operation = i, .input = k,
                  .from = grad_y, .to = grads_[x]});
        }
    }

    /// Gives the gradient by x a place of its own, if another gradient shares it, before something is added to it.
    void make_writable(std::size_t x) {
        if (may_write_over(grads_[x])) { return; }
        const GradientPlace shared = grads_[x];
        grads_[x] = new_buffer(x);
        push({.kind = BackwardStep::Kind::copy, .from = shared, .to = grads_[x]});
        release(shared);
    }

    /// Whether the activation of x is not read any more after its last reader, which works now.
    bool is_dead(std::size_t x) const {
        const auto& before = graph_.producer(value(x));
        const bool read_by_producer = before.kind == OperationKind::layer && before.plan.reads_y;
        return !read_by_producer && value(x).readers.size() == 1 && users_of_activation_[value(x).slot] == 0;
    }

    /// A gradient may lie over a dropped activation only for values of the same run: the next run of dropped
    /// activations lies in the same place.
    bool reachable(const GradientPlace& place, std::size_t x) const {
        if (place.kind != Kind::activation || activations_[place.number].kept) { return true; }
        for (std::size_t slot = value(x).slot; slot <= place.number; ++slot) {
            if (activations_[slot].kept) { return false; }
        }
        return true;
    }

    bool may_write_over(const GradientPlace& place) const {
        switch (place.kind) {
            case Kind::activation:
                return users_of_activation_[place.number] == 1;
            case Kind::buffer:
                return users_of_buffer_[place.number] == 1;
            default:
                return false;
        }
    }

    GradientPlace over_activation(std::size_t slot) { return keep({Kind::activation, slot}); }
    GradientPlace new_buffer(std::size_t x) {
        plan_.buffers.push_back({activations_[value(x).slot], plan_.steps.size(), plan_.steps.size(), segment_});
        users_of_buffer_.push_back(0);
        return keep({Kind::buffer, plan_.buffers.size() - 1});
    }
    GradientPlace keep(const GradientPlace& place) {
        if (place.kind == Kind::activation) { ++users_of_activation_[place.number]; }
        if (place.kind == Kind::buffer) { ++users_of_buffer_[place.number]; }
        return place;
    }
    void release(const GradientPlace& place) {
        if (place.kind == Kind::activation) { --users_of_activation_[place.number]; }
        if (place.kind == Kind::buffer) { --users_of_buffer_[place.number]; }
    }

    void push(BackwardStep step) {
        step.segment = segment_;
        for (const GradientPlace& place : {step.from, step.to}) {
            if (place.kind == Kind::buffer) { plan_.buffers[place.number].dead = plan_.steps.size(); }
        }
        plan_.steps.push_back(step);
    }

    void place_buffers() {
        std::vector<Lifetime> lifetimes;
        for (const GradientBuffer& buffer : plan_.buffers) {
            lifetimes.push_back({value_numbers<Scalar>(buffer.like), buffer.born, buffer.dead});
        }
        place_by_lifetimes(lifetimes);
        plan_.numbers.assign(segments_.size(), 0);
        for (std::size_t i = 0; i < lifetimes.size(); ++i) {
            plan_.buffers[i].before = lifetimes[i].before;
            Index& numbers = plan_.numbers[plan_.buffers[i].segment];
            numbers = std::max(numbers, sum_of(lifetimes[i].before, lifetimes[i].numbers));
        }
    }

    const Graph<Scalar>& graph_;
    const std::vector<Activation>& activations_;
    const std::vector<Segment> segments_;
    std::size_t segment_ = 0;  // of the operation at work
    std::vector<GradientPlace> grads_;  // by each value
    std::vector<bool> done_;            // of each operation
    std::vector<int> users_of_activation_, users_of_buffer_;
    BackwardPlan plan_;
};

}  // namespace gacc::detail
