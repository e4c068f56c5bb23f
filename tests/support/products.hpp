#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/kernels/product.hpp>

#include <cstring>

/// For the tests of the product kernels.
namespace gacc::test {

/// a b, with b in panels, as in Linear's forward.
template <class Scalar>
Matrix<Scalar> through_panels(const Matrix<Scalar>& a, const Matrix<Scalar>& b) {
    const Index width = detail::Product<Scalar>::width;
    Buffer<Scalar> panels(detail::Panels<Scalar>::size(b.cols(), b.rows()));
    detail::Panels<Scalar>::pack(b.transpose(), panels.data());
    Matrix<Scalar> c(a.rows(), b.cols());
    detail::Product<Scalar>{.rows = a.rows(),
                            .cols = b.cols(),
                            .depth = a.cols(),
                            .a = {a.data(), a.cols(), 1},
                            .b = {panels.data(), width, b.rows() * width, true},
                            .c0 = {detail::zeros<Scalar>.data(), 0, 0, true},
                            .c = {c.data(), c.cols(), width, false}}
        .run();
    return c;
}

template <class Scalar>
bool same_bytes(const Matrix<Scalar>& a, const Matrix<Scalar>& b) {
    return a.rows() == b.rows() && a.cols() == b.cols() &&
           std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(Scalar)) == 0;
}

}  // namespace gacc::test
