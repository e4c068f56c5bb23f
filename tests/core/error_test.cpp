#include <gacc/core/error.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <locale>
#include <stdexcept>
#include <string>
#include <string_view>
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

TEST_CASE("shown: a terminal has nothing to obey") {
    using gacc::detail::shown;
    CHECK(shown("0.weight, \"é\" \\ € 𝄞") == "0.weight, \"é\" \\ € 𝄞");
    CHECK(shown("\x1b[31mred\a\n\t\x7f") == R"(\x1b[31mred\x07\x0a\x09\x7f)");
    CHECK(shown(std::string_view("a\0b", 3)) == R"(a\x00b)");
    CHECK(shown("\xc2\x9b"
                "31m") == R"(\xc2\x9b31m)");  // U+009B begins a sequence too
    CHECK(shown("\xc2\xa0") == "\xc2\xa0");
}

TEST_CASE("shown: what is not UTF-8 is shown byte by byte") {
    using gacc::detail::shown;
    CHECK(shown("\xff") == R"(\xff)");
    CHECK(shown("\x80") == R"(\x80)");
    CHECK(shown("\xc3") == R"(\xc3)");
    CHECK(shown("\xc3(") == R"(\xc3()");
    CHECK(shown("\xe2\x82") == R"(\xe2\x82)");
    CHECK(shown("\xc0\xaf") == R"(\xc0\xaf)");                  // longer than need be
    CHECK(shown("\xe0\x80\xaf") == R"(\xe0\x80\xaf)");          // likewise
    CHECK(shown("\xf0\x82\x82\xac") == R"(\xf0\x82\x82\xac)");  // likewise
    CHECK(shown("\xed\xa0\x80") == R"(\xed\xa0\x80)");          // half a pair of UTF-16
    CHECK(shown("\xf4\x90\x80\x80") == R"(\xf4\x90\x80\x80)");  // beyond the last character
    CHECK(shown("\xf8\x88\x80\x80\x80") == R"(\xf8\x88\x80\x80\x80)");
}

TEST_CASE("shown: long text is cut, and not within a character") {
    using gacc::detail::shown;
    CHECK(shown(std::string(80, 'a')) == std::string(80, 'a'));
    CHECK(shown(std::string(81, 'a')) == std::string(80, 'a') + "...");
    CHECK(shown("aé", 3) == "aé");
    CHECK(shown("aéb", 2) == "a...");
    CHECK(shown("abc", 1) == "a...");
}

}  // namespace error_test
