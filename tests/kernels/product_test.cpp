#include <gacc/kernels/product.hpp>

#include <doctest/doctest.h>

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>

#include "support/gradient_check.hpp"
#include "support/products.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace product_test {

using gacc::Buffer;
using gacc::Index;
using gacc::Matrix;
using gacc::detail::Panels;
using gacc::detail::Product;
using gacc::test::random_matrix;
using gacc::test::same_bytes;
using gacc::test::through_panels;

namespace {

/// start + aᵀ b, into panels, as Linear's grad_W does.
template <class Scalar>
Matrix<Scalar> into_panels(const Matrix<Scalar>& start, const Matrix<Scalar>& a, const Matrix<Scalar>& b) {
    const Index width = Product<Scalar>::width;
    Buffer<Scalar> panels(Panels<Scalar>::size(b.cols(), a.cols()));
    Panels<Scalar>::pack(start.transpose(), panels.data());
    Product<Scalar>{.rows = a.cols(),
                    .cols = b.cols(),
                    .depth = a.rows(),
                    .a = {a.data(), 1, a.cols()},
                    .b = {b.data(), b.cols(), width, false},
                    .c0 = {panels.data(), width, a.cols() * width, true},
                    .c = {panels.data(), width, a.cols() * width, true}}
        .run();
    return Panels<Scalar>::unpack(panels.data(), b.cols(), a.cols()).transpose();
}

}  // namespace

TEST_CASE_TEMPLATE("Product: is Eigen's product for every small shape", Scalar, float, double) {
    // Chains of up to 40 terms below 1: rounding stays under 40 * 40 halves of the last bit of 1.
    const double tolerance = 800 * static_cast<double>(std::numeric_limits<Scalar>::epsilon());
    gacc::Rng rng(1);
    for (Index rows = 1; rows <= 26; ++rows) {
        for (Index cols = 1; cols <= 40; cols += cols < 34 ? 1 : 3) {
            const Index depth = 1 + static_cast<Index>(rng.below(40));
            const auto a = random_matrix<Scalar>(rng, rows, depth), b = random_matrix<Scalar>(rng, depth, cols);
            const Matrix<Scalar> expected = a * b;
            const Matrix<Scalar> at = a.transpose();
            REQUIRE((through_panels(a, b) - expected).cwiseAbs().maxCoeff() <= tolerance);
            const auto start = random_matrix<Scalar>(rng, rows, cols);
            REQUIRE((into_panels(start, at, b) - start - expected).cwiseAbs().maxCoeff() <= tolerance);
        }
    }
}

TEST_CASE_TEMPLATE("Product: an element does not depend on the rows around it", Scalar, float, double) {
    gacc::Rng rng(2);
    const auto a = random_matrix<Scalar>(rng, 50, 70), b = random_matrix<Scalar>(rng, 70, 45);
    const auto whole = through_panels(a, b);
    for (Index count = 1; count <= 50; ++count) {
        const Index first = static_cast<Index>(rng.below(static_cast<std::uint64_t>(51 - count)));
        const Matrix<Scalar> rows = a.middleRows(first, count), expected = whole.middleRows(first, count);
        CHECK(same_bytes(through_panels(rows, b), expected));
    }
}

TEST_CASE_TEMPLATE("Product: adding up over samples does not depend on where they are cut", Scalar, float, double) {
    gacc::Rng rng(3);
    for (const Index samples : {2, 7, 33, 150, 300}) {
        const auto x = random_matrix<Scalar>(rng, samples, 23), grad_y = random_matrix<Scalar>(rng, samples, 37);
        const Matrix<Scalar> zero = Matrix<Scalar>::Zero(23, 37);
        const auto whole = into_panels<Scalar>(zero, x, grad_y);
        for (Index cut = 1; cut < samples; ++cut) {
            const Matrix<Scalar> before = into_panels<Scalar>(zero, x.topRows(cut), grad_y.topRows(cut));
            const Matrix<Scalar> after =
                into_panels<Scalar>(before, x.bottomRows(samples - cut), grad_y.bottomRows(samples - cut));
            REQUIRE(same_bytes(after, whole));
        }
    }
}

TEST_CASE_TEMPLATE("Product: a long chain that starts elsewhere goes on where its result is", Scalar, float, double) {
    const Index width = Product<Scalar>::width;
    gacc::Rng rng(5);
    for (const Index samples : {64, 65, 200, 257, 700}) {
        const auto x = random_matrix<Scalar>(rng, samples, 23), grad_y = random_matrix<Scalar>(rng, samples, 37);
        Buffer<Scalar> panels(Panels<Scalar>::size(37, 23));
        std::ranges::fill(panels.span(), Scalar(77));
        Product<Scalar>{.rows = 23,
                        .cols = 37,
                        .depth = samples,
                        .a = {x.data(), 1, 23},
                        .b = {grad_y.data(), 37, width, false},
                        .c0 = {gacc::detail::zeros<Scalar>.data(), 0, 0, true},
                        .c = {panels.data(), width, 23 * width, true}}
            .run();
        const Matrix<Scalar> from_zero = Panels<Scalar>::unpack(panels.data(), 37, 23).transpose();
        CHECK(same_bytes(from_zero, into_panels<Scalar>(Matrix<Scalar>::Zero(23, 37), x, grad_y)));
        const Matrix<Scalar> missing =
            Panels<Scalar>::unpack(panels.data(), Panels<Scalar>::count(37) * width, 23).bottomRows(width - 37 % width);
        CHECK((missing.array() == 0).all());  // as the norm of a gradient takes for granted
    }
}

TEST_CASE_TEMPLATE("Product: blocks of many rows and a long chain are what a few rows give", Scalar, float, double) {
    gacc::Rng rng(6);
    const Index samples = 300, features = 1200;
    const auto x = random_matrix<Scalar>(rng, samples, features), grad_y = random_matrix<Scalar>(rng, samples, 70);
    const auto start = random_matrix<Scalar>(rng, features, 70);
    const auto whole = into_panels(start, x, grad_y);
    for (const Index first : {0, 430, 1100}) {
        const Matrix<Scalar> few = x.middleCols(first, 100), before = start.middleRows(first, 100),
                             expected = whole.middleRows(first, 100);
        CHECK(same_bytes(into_panels(before, few, grad_y), expected));
    }
}

TEST_CASE("Product: does not depend on the number of threads") {
    gacc::Rng rng(4);
    const int before = gacc::threads();
    for (const Index cols : {10, 40, 300}) {  // fewer panels than threads, a few, many
        const auto a = random_matrix<float>(rng, 200, 150), b = random_matrix<float>(rng, 150, cols);
        gacc::set_threads(1);
        const auto alone = through_panels(a, b);
        const auto start = random_matrix<float>(rng, 150, cols);
        const auto c = random_matrix<float>(rng, 200, cols);
        const auto sums = into_panels<float>(start, a, c);
        for (const int n : {2, 3, 8}) {
            gacc::set_threads(n);
            CHECK(same_bytes(through_panels(a, b), alone));
            CHECK(same_bytes(into_panels<float>(start, a, c), sums));
        }
    }
    gacc::set_threads(before);
}

}  // namespace product_test
