#include <gacc/core/simd.hpp>

#include <doctest/doctest.h>

#include <cmath>

TEST_CASE_TEMPLATE("square_root: is rounded correctly in every lane", Scalar, float, double) {
    using Packet = typename gacc::detail::Simd<Scalar>::Packet;
    Scalar roots[gacc::detail::Simd<Scalar>::lanes];
    for (int i = 0; i < 1000; ++i) {
        const auto x = static_cast<Scalar>(i) / 7;
        Eigen::internal::pstoreu(roots, gacc::detail::square_root(Eigen::internal::pset1<Packet>(x)));
        for (const Scalar root : roots) { REQUIRE(root == std::sqrt(x)); }
    }
}
