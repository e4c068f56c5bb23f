#pragma once

#include <gacc/core/types.hpp>

#include <concepts>

namespace gacc::inline GACC_ABI {

/// A writable view of rows of numbers. It does not own them. Rows may lie apart (an outer stride).
template <class Scalar>
using MatrixView = Eigen::Map<Matrix<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;

namespace detail {

/// Rows first to first + count - 1, as a view again.
template <class Scalar>
MatrixView<Scalar> some_rows(MatrixView<Scalar> of, Index first, Index count) {
    return {of.data() + first * of.outerStride(), count, of.cols(), Eigen::OuterStride<>(of.outerStride())};
}

/// An Eigen object with numbers of this type in memory, row by row; the numbers of a row lie side by side.
template <class X, class Scalar>
concept RowsInMemory = std::derived_from<X, Eigen::DenseBase<X>> && std::same_as<typename X::Scalar, Scalar> &&
                       (X::IsRowMajor == 1) &&
                       (X::InnerStrideAtCompileTime == 1) && requires(const X& x) {
    { x.data() } -> std::convertible_to<const Scalar*>;
};

/// A matrix that owns its numbers.
template <class X, class Scalar>
concept OwnRowsInMemory = RowsInMemory<X, Scalar> && std::derived_from<X, Eigen::PlainObjectBase<X>>;

/// An Eigen object with numbers of this type, column by column.
template <class X, class Scalar>
concept ColumnMajor = std::derived_from<X, Eigen::DenseBase<X>> && std::same_as<typename X::Scalar, Scalar> &&
    (X::IsRowMajor == 0);

}  // namespace detail

/// A readable view of rows of numbers. It does not own them. It is made from any row-major Eigen matrix, map or block
/// of rows, never with a copy. A temporary matrix is refused, since the view would outlive it. Do not pass rows of a
/// temporary matrix: they cannot be told from other rows.
///
/// Example    model.forward(inputs.middleRows(0, 32));
template <class Scalar>
class ConstMatrixView : public Eigen::Map<const Matrix<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>> {
public:
    using Base = Eigen::Map<const Matrix<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;

    ConstMatrixView(const Scalar* data, Index rows, Index cols, Index stride)
        : Base(data, rows, cols, Eigen::OuterStride<>(stride)) {}
    ConstMatrixView(const Scalar* data, Index rows, Index cols) : ConstMatrixView(data, rows, cols, cols) {}

    template <detail::RowsInMemory<Scalar> X>
    ConstMatrixView(const X& x) : ConstMatrixView(x.data(), x.rows(), x.cols(), x.outerStride()) {}
    template <detail::OwnRowsInMemory<Scalar> X>
    ConstMatrixView(const X&&) = delete;

    /// Refuses a column-major matrix with an error of one line. Without this the compiler lists all other constructors.
    template <detail::ColumnMajor<Scalar> X>
    ConstMatrixView(const X&) : ConstMatrixView(nullptr, 0, 0) {
        static_assert(X::IsRowMajor == 1,
                      "gacc: ConstMatrixView: expected a row-major matrix, got a column-major one; "
                      "use gacc::Matrix, or copy it into one");
    }
};

}  // namespace gacc
