#include <gacc/core/error.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <locale>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace error_test {

TEST_CASE("Error: the text says where and what") {
    CHECK_THROWS_WITH_AS(throw gacc::ShapeError("Linear(2 -> 3)", "expected 2 features, got 4"),
                         "gacc: Linear(2 -> 3): expected 2 features, got 4", gacc::ShapeError);
}

TEST_CASE_TEMPLATE("Error: every kind is caught as a gacc::Error and as a std::runtime_error", Kind, gacc::ShapeError,
                   gacc::UsageError, gacc::DataError, gacc::OutputError) {
    CHECK_THROWS_WITH_AS(throw Kind("place", "text"), "gacc: place: text", Kind);
    CHECK(std::is_base_of_v<gacc::Error, Kind>);
    CHECK(std::is_base_of_v<std::runtime_error, Kind>);
}

TEST_CASE("Error: the kinds are told apart") {
    CHECK_FALSE(std::is_base_of_v<gacc::ShapeError, gacc::UsageError>);
    CHECK_FALSE(std::is_base_of_v<gacc::UsageError, gacc::DataError>);
    CHECK_FALSE(std::is_base_of_v<gacc::DataError, gacc::OutputError>);
    CHECK_FALSE(std::is_base_of_v<gacc::OutputError, gacc::ShapeError>);
}

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

}  // namespace error_test
