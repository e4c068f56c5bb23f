#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace packet_arithmetic_test {

using namespace gacc::detail;
using gacc::Index;

/// f of the numbers in some lanes, as many as there are numbers.
template <class Scalar, class Function, class... Inputs>
std::vector<Scalar> in_lanes(Function f, const std::vector<Scalar>& first, const Inputs&... more) {
    std::vector<Scalar> out(first.size());
    map_packets(static_cast<Index>(first.size()), f, out.data(), first.data(), more.data()...);
    return out;
}

TEST_CASE_TEMPLATE("packet arithmetic: one rounded operation in every lane", Scalar, float, double) {
    const std::vector<Scalar> a{1, -2, Scalar(0.1), 7, -5}, b{3, 4, Scalar(0.7), -7, Scalar(0.3)};
    const auto sum = in_lanes([](const auto& x, const auto& y) { return plus(x, y); }, a, b);
    const auto difference = in_lanes([](const auto& x, const auto& y) { return minus(x, y); }, a, b);
    const auto product = in_lanes([](const auto& x, const auto& y) { return times(x, y); }, a, b);
    for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(sum[i] == a[i] + b[i]);
        CHECK(difference[i] == a[i] - b[i]);
        CHECK(product[i] == a[i] * b[i]);
    }
    CHECK(in_lanes([](const auto& x, const auto& y) { return larger(x, y); }, a, b) ==
          std::vector<Scalar>{3, 4, Scalar(0.7), 7, Scalar(0.3)});
    CHECK(in_lanes([](const auto& x) { return negated(x); }, a) == std::vector<Scalar>{-1, 2, Scalar(-0.1), -7, 5});
    CHECK(in_lanes([](const auto& x) { return magnitude(x); }, a) == std::vector<Scalar>{1, 2, Scalar(0.1), 7, 5});
    CHECK(in_lanes([]<class Packet>(const Packet&) { return all_lanes<Packet>(0.1); }, a) ==
          std::vector<Scalar>(5, Scalar(0.1)));
}

TEST_CASE_TEMPLATE("packet arithmetic: a packet goes to and from an aligned address", Scalar, float, double) {
    constexpr Index lanes = Simd<Scalar>::lanes;
    alignas(64) Scalar from[2 * lanes], to[2 * lanes] = {};
    for (Index i = 0; i < 2 * lanes; ++i) { from[i] = static_cast<Scalar>(i + 1); }
    store_aligned(to + lanes, load_aligned(from));
    for (Index i = 0; i < lanes; ++i) {
        CHECK(to[i] == 0);
        CHECK(to[lanes + i] == from[i]);
    }
}

TEST_CASE_TEMPLATE("packet arithmetic: a comparison chooses lane by lane; with NaN it does not hold", Scalar, float,
                   double) {
    const Scalar nan = std::numeric_limits<Scalar>::quiet_NaN();
    const std::vector<Scalar> a{1, 2, 3, nan, 2}, b{2, 2, 2, 2, nan}, yes(5, 10), no(5, 20);
    const auto less = in_lanes(
        [](const auto& x, const auto& y, const auto& p, const auto& q) { return choose(is_less(x, y), p, q); }, a, b,
        yes, no);
    CHECK(less == std::vector<Scalar>{10, 20, 20, 20, 20});
    const auto at_most = in_lanes(
        [](const auto& x, const auto& y, const auto& p, const auto& q) { return choose(is_at_most(x, y), p, q); }, a, b,
        yes, no);
    CHECK(at_most == std::vector<Scalar>{10, 10, 20, 20, 20});
    const auto equal = in_lanes(
        [](const auto& x, const auto& y, const auto& p, const auto& q) { return choose(is_equal(x, y), p, q); }, a, b,
        yes, no);
    CHECK(equal == std::vector<Scalar>{20, 10, 20, 20, 20});
    const auto is_no_number =
        in_lanes([](const auto& x, const auto& p, const auto& q) { return choose(is_nan(x), p, q); }, a, yes, no);
    CHECK(is_no_number == std::vector<Scalar>{20, 20, 20, 10, 20});
    const auto any = in_lanes(
        [](const auto& x, const auto& y, const auto& p, const auto& q) {
            return choose(either(is_less(x, y), is_nan(x)), p, q);
        },
        a, b, yes, no);
    CHECK(any == std::vector<Scalar>{10, 20, 20, 10, 20});
    CHECK(in_lanes([](const auto& x, const auto& y, const auto& p) { return keep_where(is_less(x, y), p); }, a, b,
                   yes) == std::vector<Scalar>{10, 0, 0, 0, 0});
    CHECK(in_lanes([](const auto& x, const auto& y, const auto& p) { return zero_where(is_less(x, y), p); }, a, b,
                   yes) == std::vector<Scalar>{0, 10, 10, 10, 10});
}

}  // namespace packet_arithmetic_test
