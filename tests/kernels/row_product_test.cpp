#include <gacc/kernels/row_product.hpp>

#include <doctest/doctest.h>

#include "support/gradient_check.hpp"
#include "support/products.hpp"

#include <limits>
#include <mutex>

namespace row_product_test {

using gacc::Buffer;
using gacc::Index;
using gacc::Matrix;
using gacc::detail::Panels;
using gacc::detail::RowProduct;
using gacc::test::random_matrix;
using gacc::test::same_bytes;
using gacc::test::through_panels;

namespace {

/// x w, by way of w's rows in panels, as Linear's grad_x. Checks that every element is handed over once.
template <class Scalar>
Matrix<Scalar> row_product(const Matrix<Scalar>& x, const Matrix<Scalar>& w) {
    const Index width = Panels<Scalar>::width;
    Buffer<Scalar> panels(Panels<Scalar>::size(w.rows(), w.cols()));
    Panels<Scalar>::pack(w, panels.data());
    Matrix<Scalar> c = Matrix<Scalar>::Constant(x.rows(), w.cols(), std::numeric_limits<Scalar>::quiet_NaN());
    Matrix<Scalar> times = Matrix<Scalar>::Zero(x.rows(), w.cols());
    std::mutex mutex;
    RowProduct<Scalar>{.rows = x.rows(),
                       .cols = w.cols(),
                       .depth = w.rows(),
                       .x = {x.data(), x.cols(), 1},
                       .y = {panels.data(), width, w.cols() * width}}
        .run_into([&](Index row, Index column, const gacc::ConstMatrixView<Scalar>& part) {
            const std::lock_guard lock(mutex);
            c.block(row, column, part.rows(), part.cols()) = part;
            times.block(row, column, part.rows(), part.cols()).array() += 1;
        });
    CHECK((times.array() == 1).all());
    return c;
}

}  // namespace

TEST_CASE_TEMPLATE("RowProduct: is Product by the transpose, byte for byte, whichever factor is copied", Scalar, float,
                   double) {
    const Index width = Panels<Scalar>::width;
    gacc::Rng rng(1);
    for (const Index rows : {Index{1}, Index{7}, width - 1, width, width + 1, 3 * width + 5}) {
        for (const Index cols : {Index{1}, width, width + 3, Index{400}}) {
            for (const Index depth : {Index{1}, Index{10}, width, width + 1, Index{128}, Index{300}}) {
                CAPTURE(rows);
                CAPTURE(cols);
                CAPTURE(depth);
                const auto x = random_matrix<Scalar>(rng, rows, depth), w = random_matrix<Scalar>(rng, depth, cols);
                REQUIRE(same_bytes(row_product(x, w), through_panels(x, w)));
            }
        }
    }
}

TEST_CASE("RowProduct: does not depend on the number of threads") {
    gacc::Rng rng(2);
    const int before = gacc::threads();
    for (const Index cols : {10, 40, 300, 900}) {  // fewer panels than threads, a few, many
        const auto x = random_matrix<float>(rng, 200, 150), w = random_matrix<float>(rng, 150, cols);
        gacc::set_threads(1);
        const auto alone = row_product(x, w);
        for (const int n : {2, 3, 8}) {
            gacc::set_threads(n);
            CHECK(same_bytes(row_product(x, w), alone));
        }
    }
    gacc::set_threads(before);
}

}  // namespace row_product_test
