#include <gacc/core/text.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

namespace text_test {

TEST_CASE("text: prints its arguments one after the other") {
    CHECK(gacc::detail::text("expected ", 3, " rows, got ", -1.5, '!') == "expected 3 rows, got -1.5!");
}

TEST_CASE("grouped: puts a comma between thousands") {
    CHECK(gacc::detail::grouped(0) == "0");
    CHECK(gacc::detail::grouped(999) == "999");
    CHECK(gacc::detail::grouped(1000) == "1,000");
    CHECK(gacc::detail::grouped(47040016) == "47,040,016");
    CHECK(gacc::detail::grouped(std::numeric_limits<std::uint64_t>::max()) == "18,446,744,073,709,551,615");
}

TEST_CASE("text: does not follow the locale of the program") {
    struct Dots : std::numpunct<char> {
        char do_thousands_sep() const override { return '.'; }
        std::string do_grouping() const override { return "\3"; }
    };
    const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Dots));
    const std::string printed = gacc::detail::text(1000);
    std::locale::global(before);
    CHECK(printed == "1000");
}

TEST_CASE("text: prints floating-point numbers as a stream does") {
    for (const double number : {0.0, -0.0, 1.0, 1.0 / 3, 2e-5, 1e-4, 123456.7, 1234567.0, 1e300, -5e-324,
                                std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
        std::ostringstream out;
        out << number;
        CHECK(gacc::detail::text(number) == out.str());
    }
    CHECK(gacc::detail::text(0.1F) == "0.1");
    CHECK(gacc::detail::rounded(2.0 / 3, 3) == "0.667");
}

TEST_CASE("left, right: fill a column, and cut nothing") {
    CHECK(gacc::detail::left("ab", 4) == "ab  ");
    CHECK(gacc::detail::right("ab", 4) == "  ab");
    CHECK(gacc::detail::left("abcde", 4) == "abcde");
    CHECK(gacc::detail::right("abcde", 4) == "abcde");
}

}  // namespace text_test
