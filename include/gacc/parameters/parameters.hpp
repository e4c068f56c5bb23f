#pragma once

#include <gacc/parameters/gradient_tally.hpp>
#include <gacc/parameters/parameter.hpp>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A handle to all parameters of a model, in model order, and to the tally of what their gradients hold.
/// It shares the ownership of both, so an optimizer may outlive its model.
///
/// Example    for (const auto& parameter : model.parameters()) { std::cout << parameter.name() << '\n'; }
template <class Scalar>
class Parameters {
public:
    /// `owner` keeps the parameters and the tally alive; without one, you must.
    Parameters(std::vector<Parameter<Scalar>*> parameters, GradientTally& tally,
               std::shared_ptr<const void> owner = nullptr)
        : parameters_(std::move(parameters)), tally_(&tally), owner_(std::move(owner)) {}

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

    Iterator begin() const { return Iterator(parameters_.data()); }
    Iterator end() const { return Iterator(parameters_.data() + parameters_.size()); }
    std::size_t size() const { return parameters_.size(); }
    Parameter<Scalar>& operator[](std::size_t i) const { return *parameters_[i]; }

    /// Trained numbers in all.
    Index count() const {
        Index sum = 0;
        for (const auto& parameter : *this) { sum += parameter.size(); }
        return sum;
    }

    /// The same with the zeros among them: what an optimizer keeps state for.
    Index stored_count() const {
        Index sum = 0;
        for (auto& parameter : *this) { sum += static_cast<Index>(std::as_const(parameter).stored_values().size()); }
        return sum;
    }

    const GradientTally& tally() const { return *tally_; }
    void set_tally(const GradientTally& tally) const { *tally_ = tally; }

    /// Empties the gradient buffers and their tally.
    void zero_grad() const {
        for (auto& parameter : *this) { parameter.zero_grad(); }
        *tally_ = tally_->emptied();
    }

private:
    std::vector<Parameter<Scalar>*> parameters_;
    GradientTally* tally_;
    std::shared_ptr<const void> owner_;
};

}  // namespace gacc
