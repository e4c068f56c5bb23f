#include <gacc/kernels/simd.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace simd_test {

TEST_CASE_TEMPLATE("square_root: is rounded correctly in every lane", Scalar, float, double) {
    using Packet = typename gacc::detail::Simd<Scalar>::Packet;
    Scalar roots[gacc::detail::Simd<Scalar>::lanes];
    for (int i = 0; i < 1000; ++i) {
        const auto x = static_cast<Scalar>(i) / 7;
        Eigen::internal::pstoreu(roots, gacc::detail::square_root(Eigen::internal::pset1<Packet>(x)));
        for (const Scalar root : roots) { REQUIRE(root == std::sqrt(x)); }
    }
}

TEST_CASE_TEMPLATE("quotient: is rounded correctly in every lane", Scalar, float, double) {
    using Packet = typename gacc::detail::Simd<Scalar>::Packet;
    Scalar quotients[gacc::detail::Simd<Scalar>::lanes];
    for (int i = 1; i < 1000; ++i) {
        const Scalar a = 1000 - static_cast<Scalar>(i), b = static_cast<Scalar>(i) / 7;
        const auto all = [](Scalar x) { return Eigen::internal::pset1<Packet>(x); };
        Eigen::internal::pstoreu(quotients, gacc::detail::quotient(all(a), all(b)));
        for (const Scalar quotient : quotients) { REQUIRE(quotient == a / b); }
    }
}

TEST_CASE_TEMPLATE("zero_below: keeps what is as large as the bound, or not a number", Scalar, float, double) {
    using Packet = typename gacc::detail::Simd<Scalar>::Packet;
    const auto below = [](Scalar x) {
        Scalar lanes[gacc::detail::Simd<Scalar>::lanes];
        Eigen::internal::pstoreu(lanes, gacc::detail::zero_below(Eigen::internal::pset1<Packet>(x),
                                                                 Eigen::internal::pset1<Packet>(Scalar(0.5))));
        for (const Scalar lane : lanes) { REQUIRE((lane == lanes[0] || std::isnan(lane))); }
        return lanes[0];
    };
    const Scalar half = Scalar(0.5), less = std::nextafter(half, Scalar(0));
    CHECK(below(half) == half);
    CHECK(below(-half) == -half);
    CHECK(below(less) == 0);
    CHECK(below(-less) == 0);
    CHECK(below(-2) == -2);
    CHECK(std::isnan(below(std::numeric_limits<Scalar>::quiet_NaN())));
}

}  // namespace simd_test
