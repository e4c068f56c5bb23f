#pragma once

#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/parameters/gradient_memory.hpp>
#include <gacc/parameters/model_parameter.hpp>
#include <gacc/parameters/parameter.hpp>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A handle to all parameters of a model, in model order, and to the tally of their gradients. It shares the ownership
/// of both, so an optimizer may outlive its model. Values that several layers use count as one parameter, that of the
/// layer that owns them.
///
/// Example    for (const auto& parameter : model.parameters()) { std::cout << parameter.name() << '\n'; }
template <class Scalar>
class Parameters {
public:
    /// `owner` keeps the parameters and the tally alive. Without it, you must keep them alive.
    Parameters(std::vector<Parameter<Scalar>*> parameters, GradientTally& tally,
               std::shared_ptr<const void> owner = nullptr)
        : parameters_(std::move(parameters)), tally_(&tally), owner_(std::move(owner)) {
        for (auto* parameter : parameters_) {
            if (!parameter->is_frozen()) { with_gradients_.push_back(parameter); }
        }
        std::erase_if(parameters_, [](const auto* parameter) { return !parameter->shares().empty(); });
    }

    class Iterator {
    public:
        using difference_type = std::ptrdiff_t;
        using value_type = Parameter<Scalar>;

        Iterator() = default;
        explicit Iterator(Parameter<Scalar>* const* at) : at_(at) {}
        Parameter<Scalar>& operator*() const { return **at_; }
        Parameter<Scalar>* operator->() const { return *at_; }
        Iterator& operator++() { return ++at_, *this; }
        Iterator operator++(int) { return Iterator(at_++); }
        bool operator==(const Iterator&) const = default;

    private:
        Parameter<Scalar>* const* at_ = nullptr;
    };
    struct Range {
        Parameter<Scalar>* const* first;
        Parameter<Scalar>* const* last;
        Iterator begin() const { return Iterator(first); }
        Iterator end() const { return Iterator(last); }
    };

    Iterator begin() const { return Iterator(parameters_.data()); }
    Iterator end() const { return Iterator(parameters_.data() + parameters_.size()); }
    std::size_t size() const { return parameters_.size(); }
    Parameter<Scalar>& operator[](std::size_t i) const { return *parameters_[i]; }

    /// The parameters that are not frozen. An optimizer updates these.
    Parameters trained() const {
        Parameters some = *this;
        std::erase_if(some.parameters_, [](const auto* parameter) { return parameter->is_frozen(); });
        return some;
    }

    /// All parameters with a gradient buffer: those that are trained, and those that use the values of another one.
    /// Their gradients lie there until a step.
    Range with_gradients() const& { return {with_gradients_.data(), with_gradients_.data() + with_gradients_.size()}; }
    Range with_gradients() const&& = delete;  // it would outlive the parameters

    /// The count of all numbers.
    Index count() const {
        Index sum = 0;
        for (const auto& parameter : *this) { sum += parameter.size(); }
        return sum;
    }

    /// The count of all numbers with the padding: an optimizer keeps state for each of them.
    Index stored_count() const {
        Index sum = 0;
        for (auto& parameter : *this) { sum += static_cast<Index>(std::as_const(parameter).stored_values().size()); }
        return sum;
    }
    /// The count of all numbers in all gradient buffers, with the padding. Moments that serve as such are not counted.
    Index stored_gradients() const {
        Index sum = 0;
        const detail::FoldedGradients<Scalar>* counted = nullptr;
        for (auto& parameter : with_gradients()) {
            const auto* folded = detail::ModelParameter<Scalar>::lender_of(parameter);
            if (folded == nullptr) {
                sum += static_cast<Index>(parameter.grad_storage().size());
            } else if (folded != std::exchange(counted, folded) && !folded->are_moments) {  // once for all of them
                sum += folded->numbers.size();
            }
        }
        return sum;
    }

    const GradientTally& tally() const { return *tally_; }
    void set_tally(const GradientTally& tally) const { *tally_ = tally; }

    /// Empties the gradient buffers and their tally.
    void zero_grad() const {
        for (auto& parameter : with_gradients()) { parameter.zero_grad(); }
        *tally_ = tally_->emptied();
    }

private:
    std::vector<Parameter<Scalar>*> parameters_;
    std::vector<Parameter<Scalar>*> with_gradients_;
    GradientTally* tally_;
    std::shared_ptr<const void> owner_;
};

}  // namespace gacc
