#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/types.hpp>
#include <gacc/parameters/gradient_memory.hpp>
#include <gacc/parameters/parameter_layout.hpp>
#include <gacc/parameters/parameter_values.hpp>
#include <gacc/parameters/shared_values.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

namespace detail {
template <class Scalar>
struct ModelParameter;
}

/// A tensor that a model trains, and the sum of its gradients so far.
///
/// value() and grad() return copies with rows and columns as in the literature (a Linear weight: out_features x
/// in_features). With more than two sizes, all but the first multiply to the columns, in PyTorch's order. In memory the
/// numbers lie in the panels that the product kernels read, so they are never packed. Layers and optimizers work on
/// stored_values() and materialize_grads(), in one common layout; the padding stays zero.
///
/// A frozen parameter is not trained: it has values but no gradients. A parameter with SharedValues reads and writes
/// the values of another parameter, but has gradients of its own: if two layers added to one buffer, the order of their
/// sums would depend on the cut. A step of an optimizer adds these gradients up, once a batch.
///
/// A model names, freezes and links its parameters (model_parameter.hpp).
///
/// Shapes     {rows, cols}; {cols} for a vector, which value() and grad() return as one row; or {rows, channels, ...}.
///            With more than two sizes, the columns in memory have the channels last: for the kernels of a convolution,
///            {out, in, height, width}, they go through height, width and in
/// Throws     ShapeError if there are no sizes, a size is less than 1, or a matrix to set has another shape; MemoryError
///            if there is no memory for its values and gradients; UsageError if gradients of a frozen parameter are asked
///            for, or shared values before the model has linked them
template <class Scalar>
class Parameter {
public:
    /// Errors begin with `layer`, the name of its layer.
    Parameter(std::string name, Shape shape, const std::string& layer = "Parameter")
        : name_(std::move(name)), layout_(std::move(shape), layer),
          value_(allocate(memory::Kind::parameters, name_, layer)),
          grad_(allocate(memory::Kind::gradients, "gradients of " + name_, layer)) {}
    /// Takes no memory until a model says which parameter's values it uses.
    Parameter(std::string name, Shape shape, SharedValues of, const std::string& layer = "Parameter")
        : name_(std::move(name)), layout_(std::move(shape), layer), shares_(std::move(of.name)) {}

    /// "weight" in its layer, "0.weight" in a model.
    const std::string& name() const { return name_; }

    const Shape& shape() const { return layout_.shape(); }
    Index rows() const { return layout_.rows(); }
    Index cols() const { return layout_.cols(); }
    Index size() const { return layout_.size(); }

    /// A copy. It is const, since a change of the copy would not change the parameter: see set_value().
    const Matrix<Scalar> value() const { return layout_.matrix(stored_values()); }
    /// A copy of the sums over samples, never divided. It includes the gradients of parameters that share its values.
    ///
    /// Throws     UsageError if it keeps none, since a FoldedBackward puts them into an optimizer's moments
    const Matrix<Scalar> grad() const {
        check_kept();
        Matrix<Scalar> sum = grad_is_zero() ? Matrix<Scalar>::Zero(rows(), cols()) : layout_.matrix(grad_.span());
        for (const Parameter* sharer : links_.sharers) {
            if (!sharer->grad_is_zero_) { sum += sharer->layout_.matrix(sharer->grad_.span()); }
        }
        return sum;
    }

    /// The same numbers as a span. Vectors and matrices with one column lie row by row, so they are not copied.
    ParameterValues<Scalar> values() const& { return layout_.numbers(stored_values()); }
    ParameterValues<Scalar> grads() const& {
        check_kept();
        if (!grad_is_zero() && links_.sharers.empty()) { return layout_.numbers(grad_.span()); }
        Buffer<Scalar> sum(size());
        const Matrix<Scalar> all = grad();
        std::copy_n(all.data(), all.size(), sum.data());
        return ParameterValues<Scalar>(std::move(sum));
    }
    void values() const&& = delete;  // the numbers would be destroyed
    void grads() const&& = delete;

    void set_value(const Matrix<Scalar>& value) {
        layout_.set(value_storage(), value, name_);
        mark_set();
    }
    /// Sets the elements one after the other, row by row, to what next() returns.
    template <class Next>
    void generate(Next&& next) {
        for_each(stored_values(), [&](Scalar& element) { element = next(); });
    }
    /// Calls f(element) for the elements of a matrix in the layout of stored_values(), row by row, without the padding.
    template <class Element, class F>
    void for_each(std::span<Element> stored, const F& f) const {
        layout_.for_each(stored, f);
    }
    void set_grad(const Matrix<Scalar>& grad) {
        check_trained();
        layout_.set(grad_.span(), grad, name_);
        grad_is_zero_ = false;
    }
    /// Sets the gradients to zero. It takes no time: the next backward pass starts its sums from zero.
    void zero_grad() { grad_is_zero_ = true; }
    /// True also between the backward passes of a FoldedBackward.
    bool grad_is_zero() const { return grad_is_zero_ || grad_.is_closed(); }

    std::span<const Scalar> stored_values() const { return owner().value_.span(); }
    /// For writing. From then on is_set() is true.
    std::span<Scalar> stored_values() {
        mark_set();
        return value_storage();
    }
    /// Whether the values have been set, and are not just the zeros of a new parameter.
    bool is_set() const { return owner().is_set_; }
    /// Says that the zeros are meant as values.
    void mark_set() { owner().is_set_ = true; }

    std::span<Scalar> materialize_grads() {
        check_trained();
        if (starts_from_zero()) { std::ranges::fill(grad_.span(), Scalar(0)); }
        return grad_.span();
    }
    /// For a layer that writes every stored number. If the flag is true, the gradients were zero and it must start its
    /// sums from zero.
    std::pair<std::span<Scalar>, bool> start_grads() {
        check_trained();
        return {grad_.span(), starts_from_zero()};
    }

    /// The sums that grad() copies, in the order of stored_values(), from number `first` on. They are in `space` if they
    /// do not lie in one place, or are zero.
    const Scalar* stored_grads(Index first, std::span<Scalar> space) const {
        const auto part = [&](const Parameter& of) {
            return of.grad_.span().subspan(static_cast<std::size_t>(first), space.size());
        };
        if (!grad_is_zero() && links_.sharers.empty()) { return part(*this).data(); }
        std::ranges::fill(space, Scalar(0));
        if (!grad_is_zero()) { std::ranges::copy(part(*this), space.begin()); }
        for (const Parameter* sharer : links_.sharers) {
            if (sharer->grad_is_zero_) { continue; }
            for (std::size_t i = 0; i < space.size(); ++i) { space[i] += part(*sharer)[i]; }
        }
        return space.data();
    }
    /// The memory of the gradients. While they are zero, its content does not matter.
    std::span<Scalar> grad_storage() { return grad_.span(); }
    /// The memory of the values, for a caller that may write them later and then calls mark_set().
    std::span<Scalar> value_storage() { return owner().value_.span(); }

    bool is_frozen() const { return frozen_; }
    /// Whether its gradients have no memory of their own: see FoldedBackward.
    bool grad_is_folded() const { return grad_.lender() != nullptr; }

    /// The name of the parameter whose values it uses; empty if it has its own.
    const std::string& shares() const { return shares_; }
    /// The number of other parameters that use its values.
    std::size_t sharers() const { return links_.sharers.size(); }
    /// The parameter whose values it uses: itself, or the one of its model with that name.
    const Parameter& owner() const {
        if (shares_.empty()) { return *this; }
        if (links_.owner == nullptr) {
            throw UsageError(name_, "expected a layer in a model that has \"" + shares_ +
                                        "\", whose values it uses, got one outside");
        }
        return *links_.owner;
    }
    Parameter& owner() { return const_cast<Parameter&>(std::as_const(*this).owner()); }

private:
    friend struct detail::ModelParameter<Scalar>;

    Buffer<Scalar> allocate(memory::Kind kind, const std::string& what, const std::string& layer) const {
        const Index numbers = layout_.stored_size();
        return detail::with_memory(layer, numbers, sizeof(Scalar), what, "use smaller sizes",
                                   [&] { return Buffer<Scalar>(numbers, kind); });
    }
    bool starts_from_zero() { return std::exchange(grad_is_zero_, false) && !grad_.are_moments(); }
    void check_trained() const {
        if (frozen_) {
            throw UsageError(name_, "expected gradients to be asked of parameters that are trained, got a frozen one; "
                                    "leave it out where is_frozen()");
        }
        if (grad_.is_closed()) { refuse_folded("; call FoldedBackward::backward()"); }
    }
    void check_kept() const {
        if (grad_.is_closed()) { refuse_folded(", which alone has them"); }
    }
    [[noreturn]] void refuse_folded(const char* advice) const {
        throw UsageError(name_, std::string("expected gradients to be asked of a parameter that keeps them, got one whose "
                                            "gradients go into an optimizer's moments") + advice);
    }

    std::string name_;
    detail::ParameterLayout<Scalar> layout_;
    Buffer<Scalar> value_;      // panels of rows x cols, or a padded vector
    detail::GradientMemory<Scalar> grad_;  // the same
    bool grad_is_zero_ = true;  // then the content of grad_ does not matter
    bool is_set_ = false;       // value_ is
    bool frozen_ = false;
    std::string shares_;        // the name of the parameter whose values it uses
    detail::ParameterLinks<Scalar> links_;
};

}  // namespace gacc
