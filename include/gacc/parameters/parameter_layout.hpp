#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/text.hpp>
#include <gacc/core/view.hpp>
#include <gacc/kernels/panels.hpp>
#include <gacc/parameters/parameter_values.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// How the numbers of a parameter lie in memory. Outside they are rows and columns in PyTorch's order. Inside they lie
/// in the panels that the product kernels read; a vector lies as it is, padded.
///
/// Shapes     {rows, cols}; {cols} for a vector, which is one row; or {rows, channels, ...}. With more than two sizes,
///            the columns in memory have the channels last
/// Throws     ShapeError if there are no sizes, or a size is less than 1
template <class Scalar>
class ParameterLayout {
public:
    /// Errors begin with `layer`.
    ParameterLayout(Shape shape, const std::string& layer) : shape_(checked(std::move(shape), layer)) {}

    const Shape& shape() const { return shape_; }
    Index rows() const { return is_vector() ? 1 : shape_.front(); }
    Index cols() const { return is_vector() ? shape_[0] : columns(shape_); }
    Index size() const { return rows() * cols(); }
    /// The numbers in memory, with the padding.
    Index stored_size() const { return Panels::size(shape_[0], is_vector() ? 1 : columns(shape_)); }

    /// Calls f(element) for all elements, row by row, without the padding.
    template <class Element, class F>
    void for_each(std::span<Element> stored, const F& f) const {
        const Index width = is_vector() ? 1 : Panels::width;
        for (Index r = 0; r < rows(); ++r) {
            Element* row = stored.data() + r / width * width * cols() + r % width;
            for (Index c = 0; c < cols(); ++c) { f(row[column_in_memory(c) * width]); }
        }
    }

    /// A copy.
    Matrix<Scalar> matrix(std::span<const Scalar> stored) const {
        if (is_vector()) { return ConstMatrixView<Scalar>(stored.data(), 1, cols()); }
        if (shape_.size() == 2) { return Panels::unpack(stored.data(), rows(), cols()); }
        Matrix<Scalar> matrix(rows(), cols());
        Scalar* to = matrix.data();
        for_each(stored, [&](const Scalar& element) { *to++ = element; });
        return matrix;
    }
    /// The numbers row by row; not copied if they lie so.
    ParameterValues<Scalar> numbers(std::span<const Scalar> stored) const {
        if (is_vector() || cols() == 1) {
            return ParameterValues<Scalar>(stored.first(static_cast<std::size_t>(size())));
        }
        Buffer<Scalar> copy(size());
        Scalar* to = copy.data();
        for_each(stored, [&](const Scalar& element) { *to++ = element; });
        return ParameterValues<Scalar>(std::move(copy));
    }

    /// Writes a matrix to memory.
    ///
    /// Throws     ShapeError that names the parameter, if the matrix has another shape
    void set(std::span<Scalar> stored, const Matrix<Scalar>& matrix, const std::string& name) const {
        if (matrix.rows() != rows() || matrix.cols() != cols()) {
            throw ShapeError(name, text("expected a matrix of ", rows(), " x ", cols(), ", got ", matrix.rows(), " x ",
                                        matrix.cols()));
        }
        if (is_vector()) {
            std::copy_n(matrix.data(), matrix.size(), stored.data());
        } else if (shape_.size() == 2) {
            Panels::pack(matrix, stored.data());
        } else {
            const Scalar* from = matrix.data();
            for_each(stored, [&](Scalar& element) { element = *from++; });
        }
    }

private:
    using Panels = detail::Panels<Scalar>;

    static Shape checked(Shape shape, const std::string& layer) {
        if (shape.empty() || std::any_of(shape.begin(), shape.end(), [](Index size) { return size < 1; })) {
            throw ShapeError(layer, "expected one size or several, of 1 or more, got [" + to_string(shape) + "]");
        }
        return shape;
    }
    bool is_vector() const { return shape_.size() == 1; }
    /// The product of all sizes but the first; largest_size if an Index cannot hold it.
    static Index columns(const Shape& shape) {
        Index product = 1;
        for (std::size_t i = 1; i < shape.size(); ++i) { product = product_of(product, shape[i]); }
        return product;
    }
    /// The place in a row of the panels that column c has: the second size comes last.
    Index column_in_memory(Index c) const {
        if (shape_.size() <= 2) { return c; }
        const Index rest = cols() / shape_[1];
        return c % rest * shape_[1] + c / rest;
    }

    Shape shape_;
};

}  // namespace gacc::detail
