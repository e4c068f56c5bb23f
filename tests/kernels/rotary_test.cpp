#include <gacc/kernels/rotary.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>

namespace rotary_test {

using gacc::Index;
using gacc::Matrix;
using gacc::detail::Rotary;
using gacc::test::random_matrix;

TEST_CASE("Rotary: a pair is turned by its angle at the token's position") {
    gacc::Rng rng(1);
    for (const Index size : {2, 6, 20, 64}) {
        const Rotary<double> rotary(9, size);
        for (Index position = 0; position < 9; ++position) {
            const auto x = random_matrix<double>(rng, 1, size);
            Matrix<double> y = x;
            rotary.turn(position, y.data(), y.data());
            for (Index c = 0; c < size / 2; ++c) {
                const double angle = static_cast<double>(position) *
                                     std::pow(10000, -2 * static_cast<double>(c) / static_cast<double>(size));
                const double a = x(0, c), b = x(0, size / 2 + c);
                CHECK(std::abs(y(0, c) - (a * std::cos(angle) - b * std::sin(angle))) < 1e-15);
                CHECK(std::abs(y(0, size / 2 + c) - (b * std::cos(angle) + a * std::sin(angle))) < 1e-15);
            }
            rotary.turn_back(position, y.data());
            CHECK((y - x).cwiseAbs().maxCoeff() < 1e-15);
        }
    }
}

TEST_CASE("Rotary: products depend on the difference of positions alone, and position 0 changes nothing") {
    gacc::Rng rng(2);
    const Rotary<double> rotary(20, 10);
    const auto q = random_matrix<double>(rng, 1, 10), k = random_matrix<double>(rng, 1, 10);
    const auto product = [&](Index of_q, Index of_k) {
        Matrix<double> a(1, 10), b(1, 10);
        rotary.turn(of_q, q.data(), a.data());
        rotary.turn(of_k, k.data(), b.data());
        return a.row(0).dot(b.row(0));
    };
    CHECK(product(0, 0) == q.row(0).dot(k.row(0)));
    CHECK(std::abs(product(3, 1) - product(19, 17)) < 1e-14);
    CHECK(std::abs(product(3, 1) - product(1, 3)) > 1e-3);
}

}  // namespace rotary_test
