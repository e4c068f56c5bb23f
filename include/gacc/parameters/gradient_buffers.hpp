#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/kernels/addition.hpp>
#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/parameters/model_parameter.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A second set of gradient buffers for a model, with a tally. With it, parts of a batch are added up separately.
///
/// Memory     the bytes of the model's gradients
/// Throws     UsageError if a FoldedBackward has the gradients; from swap() if other parameters are trained than when it
///            was made
/// Example    gacc::GradientBuffers<float> others(model.parameters());
///            model.backward(...);                  // adds to the model's own
///            others.swap(model.parameters());      // these are put aside, and the model's are empty
template <class Scalar>
class GradientBuffers {
public:
    explicit GradientBuffers(const Parameters<Scalar>& parameters) {
        for (auto& parameter : parameters.with_gradients()) {
            if (parameter.grad_is_folded()) {
                throw UsageError("GradientBuffers",
                                 "expected parameters that keep their gradients, got " + parameter.name() +
                                     ", whose gradients go into an optimizer's moments");
            }
            const auto size = static_cast<Index>(parameter.grad_storage().size());
            sets_.push_back({parameter.name(), Buffer<Scalar>(size, memory::Kind::gradients)});
        }
    }

    /// Exchanges gradients and tallies; copies nothing. The counts of batches and samples that the model has seen stay
    /// with the model, so random numbers of training do not change.
    void swap(const Parameters<Scalar>& parameters) {
        check(parameters);
        std::size_t i = 0;
        for (auto& parameter : parameters.with_gradients()) {
            detail::ModelParameter<Scalar>::swap_grads(parameter, sets_[i].grads, sets_[i].are_zero);
            ++i;
        }
        const GradientTally own = parameters.tally();
        parameters.set_tally(tally_.with_seen(own));
        tally_ = own;
    }

    /// Adds the gradients and the tally here to those of the model. Here they are then empty.
    ///
    /// Throws     UsageError also if the gradients of the model were reduced in another way
    void add_to(const Parameters<Scalar>& parameters) {
        check(parameters);
        GradientTally sum = parameters.tally();
        sum.join(tally_);
        std::size_t i = 0;
        for (auto& parameter : parameters.with_gradients()) {
            if (!sets_[i].is_added) { add_to(parameter, i); }
            ++i;
        }
        parameters.set_tally(sum);
        clear();
    }
    /// Adds gradient buffer i alone, before the others: add_to(parameters) will leave it out. `parameter` is its own.
    void add_to(Parameter<Scalar>& parameter, std::size_t i) {
        Set& from = sets_[i];
        from.is_added = true;
        if (from.are_zero && parameter.grad_is_zero()) { return; }
        const auto to = parameter.materialize_grads();
        detail::add_to(to.data(), materialized(from).data(), static_cast<Index>(to.size()));
    }

    /// Empties the gradients and the tally here.
    void clear() {
        for (Set& set : sets_) {
            set.are_zero = true;
            set.is_added = false;
        }
        tally_ = GradientTally();
    }

    /// The numbers of gradient buffer i of the model, in its layout.
    std::span<Scalar> grads(std::size_t i) { return materialized(sets_[i]); }

    /// The tally of the gradients here.
    const GradientTally& tally() const { return tally_; }

    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const Set& set : sets_) { sum += set.grads.bytes(); }
        return sum;
    }

private:
    struct Set {
        std::string name;  // of the parameter
        Buffer<Scalar> grads;
        bool are_zero = true;   // then the content of grads does not matter
        bool is_added = false;  // to the model's, before the others
    };

    static std::span<Scalar> materialized(Set& set) {
        if (std::exchange(set.are_zero, false)) { std::ranges::fill(set.grads.span(), Scalar(0)); }
        return set.grads.span();
    }

    void check(const Parameters<Scalar>& parameters) const {
        std::size_t count = 0;
        bool same = true;
        for (auto& parameter : parameters.with_gradients()) {
            same = same && !parameter.grad_is_folded() && count < sets_.size() && sets_[count].name == parameter.name() &&
                   sets_[count].grads.span().size() == parameter.grad_storage().size();
            ++count;
        }
        if (!same || count != sets_.size()) {
            throw UsageError("GradientBuffers::swap",
                             "expected the parameters that it was made for, got others; make it after freeze()");
        }
    }

    std::vector<Set> sets_;  // one for each gradient buffer of the model
    GradientTally tally_;
};

}  // namespace gacc
