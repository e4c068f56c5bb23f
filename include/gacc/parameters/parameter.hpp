#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/tensor.hpp>
#include <gacc/core/view.hpp>
#include <gacc/kernels/panels.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// One trained matrix and the gradients added to it so far.
///
/// Seen from outside it has rows and columns as in the literature (a Linear weight: out_features x in_features), and
/// value() and grad() are copies of that. Inside, the numbers lie in the panels that the product kernels read, so that
/// nothing is ever packed; layers and optimizers work on stored_values() and materialize_grads(), in one common layout; the
/// padding stays zero.
///
/// Shapes     {rows, cols}, or {cols} for a vector, which value() and grad() give as one row
/// Throws     ShapeError if a size is less than 1 or there are more than two, or a matrix to set has another shape;
///            MemoryError if there is no memory for its values and gradients
template <class Scalar>
class Parameter {
public:
    /// Errors begin with `layer`, which it belongs to.
    Parameter(std::string name, Shape shape, const std::string& layer = "Parameter")
        : name_(std::move(name)), shape_(checked(std::move(shape), layer)),
          value_(allocate(memory::Kind::parameters, name_, layer)),
          grad_(allocate(memory::Kind::gradients, "gradients of " + name_, layer)) {}

    /// "weight" in its layer, "0.weight" in a model.
    const std::string& name() const { return name_; }
    void rename(std::string name) { name_ = std::move(name); }

    const Shape& shape() const { return shape_; }
    Index rows() const { return is_vector() ? 1 : shape_.front(); }
    Index cols() const { return shape_.back(); }
    Index size() const { return rows() * cols(); }

    /// A copy, and const, since to change it would change nothing here: see set_value().
    const Matrix<Scalar> value() const { return matrix(value_); }
    /// Sums over samples, never divided; a copy too.
    const Matrix<Scalar> grad() const { return grad_is_zero_ ? Matrix<Scalar>::Zero(rows(), cols()) : matrix(grad_); }

    void set_value(const Matrix<Scalar>& value) {
        set(value_, value);
        is_set_ = true;
    }
    /// Sets the elements one after the other, row by row, to what next() returns.
    template <class Next>
    void generate(Next&& next) {
        for_each(stored_values(), [&](Scalar& element) { element = next(); });
    }
    /// f(element) for the elements of a matrix that lies as stored_values() do, row by row, without the zeros.
    template <class Element, class F>
    void for_each(std::span<Element> stored, const F& f) const {
        const Index width = is_vector() ? 1 : Panels::width;
        for (Index r = 0; r < rows(); ++r) {
            Element* row = stored.data() + r / width * width * cols() + r % width;
            for (Index c = 0; c < cols(); ++c) { f(row[c * width]); }
        }
    }
    void set_grad(const Matrix<Scalar>& grad) {
        set(grad_, grad);
        grad_is_zero_ = false;
    }
    /// Takes no time: the next backward pass starts its sums from zero.
    void zero_grad() { grad_is_zero_ = true; }
    bool grad_is_zero() const { return grad_is_zero_; }

    std::span<const Scalar> stored_values() const { return value_.span(); }
    /// To write them: from then on is_set().
    std::span<Scalar> stored_values() {
        is_set_ = true;
        return value_.span();
    }
    /// Whether the values have been set, and are not just the zeros of a new parameter.
    bool is_set() const { return is_set_; }
    /// Those zeros are meant.
    void mark_set() { is_set_ = true; }

    std::span<Scalar> materialize_grads() {
        if (std::exchange(grad_is_zero_, false)) { std::ranges::fill(grad_.span(), Scalar(0)); }
        return grad_.span();
    }
    /// For a layer that starts its sums from zero itself if that was so, and writes every stored number.
    std::pair<std::span<Scalar>, bool> start_grads() {
        return {grad_.span(), std::exchange(grad_is_zero_, false)};
    }

    /// Where the gradients lie, whatever it holds while they are zero.
    std::span<Scalar> grad_storage() { return grad_.span(); }
    /// Where the values lie, for one who may write them later and then calls mark_set().
    std::span<Scalar> value_storage() { return value_.span(); }

private:
    using Panels = detail::Panels<Scalar>;

    static Shape checked(Shape shape, const std::string& layer) {
        if (shape.empty() || shape.size() > 2 || std::ranges::any_of(shape, [](Index size) { return size < 1; })) {
            throw ShapeError(layer, "expected one or two sizes of 1 or more, got [" + to_string(shape) + "]");
        }
        return shape;
    }
    Buffer<Scalar> allocate(memory::Kind kind, const std::string& what, const std::string& layer) const {
        const Index numbers = stored_size(shape_);
        return detail::with_memory(layer, numbers, sizeof(Scalar), what, "use smaller sizes",
                                   [&] { return Buffer<Scalar>(numbers, kind); });
    }
    bool is_vector() const { return shape_.size() == 1; }
    static Index stored_size(const Shape& shape) {
        return shape.size() == 1 ? Panels::size(shape[0], 1) : Panels::size(shape[0], shape[1]);
    }
    Matrix<Scalar> matrix(const Buffer<Scalar>& stored) const {
        if (is_vector()) { return ConstMatrixView<Scalar>(stored.data(), 1, cols()); }
        return Panels::unpack(stored.data(), rows(), cols());
    }
    void set(Buffer<Scalar>& stored, const Matrix<Scalar>& matrix) {
        if (matrix.rows() != rows() || matrix.cols() != cols()) {
            throw ShapeError(name_, detail::text("expected a matrix of ", rows(), " x ", cols(), ", got ",
                                                 matrix.rows(), " x ", matrix.cols()));
        }
        if (is_vector()) {
            std::copy_n(matrix.data(), matrix.size(), stored.data());
        } else {
            Panels::pack(matrix, stored.data());
        }
    }

    std::string name_;
    Shape shape_;
    Buffer<Scalar> value_;      // panels of rows x cols, or a padded vector
    Buffer<Scalar> grad_;       // the same
    bool grad_is_zero_ = true;  // whatever grad_ holds
    bool is_set_ = false;       // value_ is
};

}  // namespace gacc
