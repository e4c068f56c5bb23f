#include <gacc/data/vocabulary.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

namespace vocabulary_test {

using gacc::Characters;
using gacc::DataError;
using gacc::Label;
using gacc::Vocabulary;

namespace {

/// The four lengths of UTF-8: a (1), e with acute (2), the euro sign (3), a musical clef (4).
const std::string four = "a\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e";

std::string refusal(std::string_view text) {
    try {
        const Vocabulary vocabulary(text);
    } catch (const DataError& error) { return error.what(); }
    return "none";
}
std::string not_utf8(const std::string& shown, int at) {
    return "gacc: Vocabulary: expected UTF-8, got " + shown + " at byte " + std::to_string(at) +
           ", where no character begins; Characters::bytes takes any bytes";
}

}  // namespace

TEST_CASE("Vocabulary: is the distinct characters in ascending order") {
    const Vocabulary letters("hello");
    CHECK(letters.size() == 4);
    CHECK(letters.characters() == "ehlo");
    CHECK(letters.encode("hello") == std::vector<Label>{1, 0, 2, 2, 3});
    CHECK(letters.decode(std::vector<Label>{3, 2, 1}) == "olh");
    CHECK(letters.encode("").empty());
    CHECK(letters.decode({}).empty());
}

TEST_CASE("Vocabulary: of code points or of bytes") {
    const Vocabulary points(four), bytes(four, Characters::bytes);
    CHECK(points.size() == 4);
    CHECK(points.encode(four) == std::vector<Label>{0, 1, 2, 3});
    CHECK(points.decode(std::vector<Label>{3, 1, 0, 2}) ==
          "\xf0\x9d\x84\x9e\xc3\xa9"
          "a\xe2\x82\xac");
    CHECK(bytes.size() == 10);
    CHECK(bytes.encode("a\xc3\xa9") == std::vector<Label>{0, 7, 5});  // a 82 84 9d 9e a9 ac c3 e2 f0
    CHECK(bytes.decode(bytes.encode(four)) == four);
    CHECK(points.kind() == Characters::code_points);
    CHECK(bytes.kind() == Characters::bytes);
    CHECK(points != bytes);
}

TEST_CASE("Vocabulary: all of its characters make it again") {
    const Vocabulary points(four + "hello"), bytes(std::string("\xff\x00\x80", 3), Characters::bytes);
    CHECK(Vocabulary(points.characters()) == points);
    CHECK(Vocabulary(bytes.characters(), Characters::bytes) == bytes);
    CHECK(bytes.characters() == std::string("\x00\x80\xff", 3));
}

TEST_CASE("Vocabulary: every code point comes back, and nothing else is UTF-8") {
    std::string all;
    gacc::Index count = 0;
    for (char32_t c = 0; c <= 0x10ffff; ++c) {
        if (c >= 0xd800 && c <= 0xdfff) { continue; }
        all += gacc::detail::utf8(c);
        ++count;
    }
    CHECK(all.size() == 0x80 + 2 * (0x800 - 0x80) + 3 * (0x10000 - 0x800 - 0x800) + 4 * 0x100000);
    const Vocabulary everything(all);
    CHECK(everything.size() == count);
    CHECK(everything.characters() == all);
    CHECK(gacc::detail::count_characters(all, Characters::code_points) == count);
}

TEST_CASE("Vocabulary: bytes that are not UTF-8 are refused where they are") {
    CHECK(refusal("ab\xff") == not_utf8("\\xff", 2));
    CHECK(refusal("\xc3\xa9\xa9") == not_utf8("\\xa9", 2));          // goes on with nothing
    CHECK(refusal("a\xc3") == not_utf8("\\xc3", 1));                 // ends too early
    CHECK(refusal("a\xe2\x82") == not_utf8("\\xe2", 1));             // likewise
    CHECK(refusal("a\xe2\x82z") == not_utf8("\\xe2", 1));            // likewise
    CHECK(refusal("\xc1\xa1") == not_utf8("\\xc1", 0));              // 'a' in two bytes
    CHECK(refusal("\xe0\x83\xa9") == not_utf8("\\xe0", 0));          // U+00E9 in three
    CHECK(refusal("\xf0\x82\x82\xac") == not_utf8("\\xf0", 0));      // U+20AC in four
    CHECK(refusal("\xed\xa0\x80") == not_utf8("\\xed", 0));          // half of a surrogate pair
    CHECK(refusal("\xf4\x90\x80\x80") == not_utf8("\\xf4", 0));      // U+110000
    CHECK(refusal("\xf8\x88\x80\x80\x80") == not_utf8("\\xf8", 0));  // five bytes
    CHECK(refusal("\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80") == "none");
    CHECK(Vocabulary("\xff", Characters::bytes).size() == 1);
}

TEST_CASE("Vocabulary: an empty text is refused") {
    CHECK(refusal("") == "gacc: Vocabulary: expected a text of 1 character or more, got an empty one");
}

TEST_CASE("Vocabulary: characters and tokens that it has not are refused") {
    const Vocabulary letters("ae\xc3\xa9"), bytes("ab", Characters::bytes);
    CHECK_THROWS_WITH_AS(
        letters.encode("a\xc3\xa9\xe2\x82\xac"),
        "gacc: Vocabulary::encode: expected characters of the vocabulary, got \"\xe2\x82\xac\" at byte 3", DataError);
    CHECK_THROWS_WITH_AS(letters.encode("b"),
                         "gacc: Vocabulary::encode: expected characters of the vocabulary, got \"b\" at byte 0",
                         DataError);
    CHECK_THROWS_WITH_AS(letters.encode("a\n"),
                         "gacc: Vocabulary::encode: expected characters of the vocabulary, got \"\\x0a\" at byte 1",
                         DataError);
    CHECK_THROWS_WITH_AS(bytes.encode("ab\xff"),
                         "gacc: Vocabulary::encode: expected characters of the vocabulary, got \"\\xff\" at byte 2",
                         DataError);
    CHECK_THROWS_WITH_AS(letters.encode("a\xff"),
                         "gacc: Vocabulary::encode: expected UTF-8, got \\xff at byte 1, where no character begins; "
                         "Characters::bytes takes any bytes",
                         DataError);
    CHECK_THROWS_WITH_AS(letters.decode(std::vector<Label>{0, 3}),
                         "gacc: Vocabulary::decode: expected tokens from 0 to 2, got 3 at position 1", DataError);
    CHECK_THROWS_WITH_AS(letters.decode(std::vector<Label>{-1}),
                         "gacc: Vocabulary::decode: expected tokens from 0 to 2, got -1 at position 0", DataError);
}

}  // namespace vocabulary_test
