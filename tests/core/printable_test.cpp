#include <gacc/core/printable.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace printable_test {

TEST_CASE("printable_size: the bytes of the first character") {
    using gacc::printable_size;
    CHECK(printable_size("ab") == 1);
    CHECK(printable_size("éa") == 2);
    CHECK(printable_size("€") == 3);
    CHECK(printable_size("𝄞") == 4);
    CHECK(printable_size("") == 0);
    CHECK(printable_size("\x1b[31m") == 0);
    CHECK(printable_size("\x7f") == 0);
    CHECK(printable_size("\xff") == 0);
}

TEST_CASE("escaped: a terminal has nothing to obey") {
    using gacc::escaped;
    CHECK(escaped("0.weight, \"é\" \\ € 𝄞") == "0.weight, \"é\" \\ € 𝄞");
    CHECK(escaped("\x1b[31mred\a\n\t\x7f") == R"(\x1b[31mred\x07\x0a\x09\x7f)");
    CHECK(escaped(std::string_view("a\0b", 3)) == R"(a\x00b)");
    CHECK(escaped("\xc2\x9b"
                  "31m") == R"(\xc2\x9b31m)");  // U+009B begins a sequence too
    CHECK(escaped("\xc2\xa0") == "\xc2\xa0");
}

TEST_CASE("escaped: what is not UTF-8 is shown byte by byte") {
    using gacc::escaped;
    CHECK(escaped("\xff") == R"(\xff)");
    CHECK(escaped("\x80") == R"(\x80)");
    CHECK(escaped("\xc3") == R"(\xc3)");
    CHECK(escaped("\xc3(") == R"(\xc3()");
    CHECK(escaped("\xe2\x82") == R"(\xe2\x82)");
    CHECK(escaped("\xc0\xaf") == R"(\xc0\xaf)");                  // longer than need be
    CHECK(escaped("\xe0\x80\xaf") == R"(\xe0\x80\xaf)");          // likewise
    CHECK(escaped("\xf0\x82\x82\xac") == R"(\xf0\x82\x82\xac)");  // likewise
    CHECK(escaped("\xed\xa0\x80") == R"(\xed\xa0\x80)");          // half a pair of UTF-16
    CHECK(escaped("\xf4\x90\x80\x80") == R"(\xf4\x90\x80\x80)");  // beyond the last character
    CHECK(escaped("\xf8\x88\x80\x80\x80") == R"(\xf8\x88\x80\x80\x80)");
}

TEST_CASE("escaped: keeps what it is told to keep") {
    CHECK(gacc::escaped("a\n\tb\x1b", "\n") == "a\n\\x09b\\x1b");
    CHECK(gacc::escaped("", "\n").empty());
}

TEST_CASE("shown: text of a file is escaped") {
    CHECK(gacc::detail::shown("a\x1b[31m\xff") == R"(a\x1b[31m\xff)");
}

TEST_CASE("shown: long text is cut, and not within a character") {
    using gacc::detail::shown;
    CHECK(shown(std::string(80, 'a')) == std::string(80, 'a'));
    CHECK(shown(std::string(81, 'a')) == std::string(80, 'a') + "...");
    CHECK(shown("aé", 3) == "aé");
    CHECK(shown("aéb", 2) == "a...");
    CHECK(shown("abc", 1) == "a...");
}

}  // namespace printable_test
