#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/parameters/gradient_memory.hpp>
#include <gacc/parameters/parameter.hpp>
#include <gacc/parameters/shared_values.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// What only a model and those that work for it do to a parameter. Others cannot: a parameter renamed, frozen or linked
/// by itself would no longer fit its model, its optimizer or its files.
template <class Scalar>
struct ModelParameter {
    using P = Parameter<Scalar>;

    /// Parameters that share its values follow.
    static void rename(P& of, std::string name) {
        of.name_ = std::move(name);
        for (P* sharer : of.links_.sharers) { sharer->shares_ = of.name_; }
    }

    /// Frees the gradients. Layers then leave them out, and the parameter is no longer trained. The model must plan its
    /// backward pass anew.
    static void freeze(P& of) {
        of.frozen_ = true;
        of.grad_is_zero_ = true;
        of.grad_ = Buffer<Scalar>(memory::Kind::gradients);
    }
    /// Frees the gradients, which are empty, and gives them a place from number `first` of the memory on.
    static void borrow_grads(P& of, std::shared_ptr<FoldedGradients<Scalar>> memory, Index first) {
        of.grad_.borrow(std::move(memory), first);
    }
    static const FoldedGradients<Scalar>* lender_of(const P& of) { return of.grad_.lender(); }
    /// Throws     UsageError if no gradients can be added to it now
    static void check_trained(const P& of) { of.check_trained(); }
    /// Allocates the gradients that unfreeze() needs.
    ///
    /// Throws     MemoryError if there is no memory for them
    static void prepare_grads(P& of) {
        if (of.grad_.size() == 0) { allocate_grads(of); }
    }
    static void unfreeze(P& of) {
        prepare_grads(of);
        of.frozen_ = false;
    }

    /// Sets the parameter whose values `of` uses from now on. After a copy of either, call it again: a model does that.
    ///
    /// Throws     ShapeError if the other has another shape; MemoryError if there is no memory for the gradients
    static void share(P& of, P& other) {
        if (other.shape() != of.shape()) {
            throw ShapeError(of.name_, "expected a parameter of shape [" + to_string(of.shape()) + "] to share, got " +
                                           other.name_ + " of [" + to_string(other.shape()) + "]");
        }
        if (other.frozen_) { freeze(of); }
        if (!of.frozen_) { prepare_grads(of); }
        of.links_.owner = &other;
        other.links_.sharers.push_back(&of);
    }
    /// Undoes share(), for this parameter and for those that share its values.
    static void unlink(P& of) { of.links_ = ParameterLinks<Scalar>(); }

    /// Adds the gradients of the parameters that share its values to its own, in their order, and empties theirs. It
    /// ends a batch: later gradients would be added in another order.
    static void join_grads(P& of) {
        for (P* sharer : of.links_.sharers) {
            if (sharer->grad_is_zero_) { continue; }
            const auto sums = of.materialize_grads();
            for (std::size_t i = 0; i < sums.size(); ++i) { sums[i] += sharer->grad_.span()[i]; }
            sharer->zero_grad();
        }
    }

    /// Exchanges the gradients for others of the same size: see GradientBuffers.
    static void swap_grads(P& of, Buffer<Scalar>& grads, bool& are_zero) {
        std::swap(of.grad_.own(), grads);
        std::swap(of.grad_is_zero_, are_zero);
    }

private:
    static void allocate_grads(P& of) {
        of.grad_ = of.allocate(memory::Kind::gradients, "gradients of " + of.name_, of.name_);
    }
};

}  // namespace gacc::detail
