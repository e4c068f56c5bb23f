#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/view.hpp>
#include <gacc/model/graph.hpp>

#include <Eigen/Core>

#include <cstddef>
#include <cstdint>

namespace gacc::inline GACC_ABI::detail {

/// The column of a concat's output at which one of its inputs begins.
template <class Scalar>
Index first_column(const Graph<Scalar>& graph, const Operation<Scalar>& concat, std::size_t input) {
    Index column = 0;
    for (std::size_t i = 0; i < input; ++i) { column += graph.values()[concat.inputs[i]].features(); }
    return column;
}

/// sum = a + b; as one row, if all rows lie one after the other.
template <class Scalar>
void write_sum(const ConstMatrixView<Scalar>& a, const ConstMatrixView<Scalar>& b, MatrixView<Scalar>& sum) {
    const Index cols = sum.cols();
    if (a.outerStride() != cols || b.outerStride() != cols || sum.outerStride() != cols) {
        sum = a + b;
        return;
    }
    using Row = Eigen::Array<Scalar, Eigen::Dynamic, 1>;
    const Index size = sum.rows() * cols;
    Eigen::Map<Row>(sum.data(), size) = Eigen::Map<const Row>(a.data(), size) + Eigen::Map<const Row>(b.data(), size);
}

/// to = from, or to += from if it `adds`. Threads share out the rows.
template <class Scalar>
void hand_on(const ConstMatrixView<Scalar>& from, MatrixView<Scalar> to, bool adds) {
    constexpr Index cost = 8;  // of an element, in multiply-adds
    parallel_for(to.rows(), std::int64_t{to.rows()} * to.cols() * cost, [&](Index begin, Index end) {
        auto part = some_rows(to, begin, end - begin);
        if (adds) {
            write_sum<Scalar>(part, from.middleRows(begin, end - begin), part);
        } else {
            part = from.middleRows(begin, end - begin);
        }
    });
}

}  // namespace gacc::detail
