#include <gacc/optim/option_range.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace option_range_test {

using gacc::OptionRange;

namespace {

/// Those of these numbers that are in the range.
template <class Scalar>
std::string taken(OptionRange range) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::string all;
    for (const double number : {-infinity, -1e-9, -0.0, 1e-9, 0.5, 1.0, 2.0, 3.4e38, 3.5e38, infinity,
                                std::numeric_limits<double>::quiet_NaN()}) {
        try {
            gacc::detail::check_option<Scalar>("here", "it", number, range);
            all += gacc::detail::text(number, " ");
        } catch (const gacc::UsageError&) {}
    }
    return all;
}

}  // namespace

TEST_CASE("OptionRange: has the numbers that it says") {
    CHECK(taken<float>(OptionRange::not_negative) == "-0 1e-09 0.5 1 2 3.4e+38 ");
    CHECK(taken<double>(OptionRange::not_negative) == "-0 1e-09 0.5 1 2 3.4e+38 3.5e+38 ");
    CHECK(taken<float>(OptionRange::not_positive) == "-1e-09 -0 ");
    CHECK(taken<float>(OptionRange::below_one) == "-0 1e-09 0.5 ");
    CHECK(taken<float>(OptionRange::above_zero) == "1e-09 0.5 1 2 3.4e+38 3.5e+38 inf ");
    CHECK(taken<float>(OptionRange::yes_or_no) == "-0 1 ");
}

TEST_CASE("OptionRange: an error names the place, the option, the range and what came") {
    const auto check = [](double number, OptionRange range) {
        gacc::detail::check_option<float>("SGD::group", "rate", number, range);
    };
    CHECK_THROWS_WITH_AS(check(-2, OptionRange::not_negative), "gacc: SGD::group: expected rate of 0 or more, got -2",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(check(1e39, OptionRange::not_negative),
                         "gacc: SGD::group: expected rate in the range of float, got 1e+39", gacc::UsageError);
    CHECK_THROWS_WITH_AS(check(1, OptionRange::below_one),
                         "gacc: SGD::group: expected rate from 0 up to, not including, 1, got 1", gacc::UsageError);
    CHECK_THROWS_WITH_AS(check(0, OptionRange::above_zero), "gacc: SGD::group: expected rate larger than 0, got 0",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(check(2, OptionRange::yes_or_no), "gacc: SGD::group: expected rate 0 or 1, got 2",
                         gacc::UsageError);
    CHECK_THROWS_WITH_AS(gacc::detail::check_option<float>("SGD", "rate", -2, OptionRange::not_negative, 3),
                         "gacc: SGD: expected rate of group 3 of 0 or more, got -2", gacc::UsageError);
}

}  // namespace option_range_test
