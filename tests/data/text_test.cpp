#include <gacc/data/text.hpp>

#include <gacc/core/memory.hpp>
#include <gacc/data/text_dataset.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace text_test {

using gacc::Characters;
using gacc::DataError;
using gacc::Index;
using gacc::Label;
using gacc::Text;
using gacc::UsageError;
using gacc::Vocabulary;
using gacc::memory::Kind;

namespace {

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<Label> tokens_of(const Text& text) {
    std::vector<Label> tokens(static_cast<std::size_t>(text.size()));
    text.copy<Label>(0, tokens);
    return tokens;
}

}  // namespace

TEST_CASE("Text: a worked example: the tokens of \"hello world\"") {
    const Text text("hello world");
    CHECK(text.size() == 11);
    CHECK(text.vocabulary().characters() == " dehlorw");
    CHECK(tokens_of(text) == std::vector<Label>{3, 2, 4, 4, 5, 0, 7, 5, 6, 4, 1});
}

TEST_CASE("Text: is split by position, and both parts have the vocabulary of the whole") {
    const Text text("hello world");
    const auto [training, validation] = text.split(0.75);
    CHECK(training.size() == 8);  // 8.25 rounded down
    CHECK(tokens_of(training) == std::vector<Label>{3, 2, 4, 4, 5, 0, 7, 5});
    CHECK(tokens_of(validation) == std::vector<Label>{6, 4, 1});
    CHECK(&training.vocabulary() == &text.vocabulary());
    CHECK(&validation.vocabulary() == &text.vocabulary());
    CHECK(tokens_of(validation.part(1, 2)) == std::vector<Label>{4, 1});
    CHECK(text.split(0).first.size() == 0);
    CHECK(text.split(1).second.size() == 0);
    CHECK_THROWS_WITH_AS(text.split(1.5), "gacc: Text::split: expected a share from 0 to 1, got 1.5", UsageError);
    CHECK_THROWS_AS(text.split(-0.1), UsageError);
    CHECK_THROWS_WITH_AS(validation.part(1, 3),
                         "gacc: Text::part: expected characters within the 3 of the text, got 3 from 1 on", UsageError);
    CHECK_THROWS_AS(validation.part(-1, 1), UsageError);
    std::vector<Label> four(4);  // the text goes on before the part
    CHECK_THROWS_WITH_AS(validation.copy(0, std::span<Label>(four)),
                         "gacc: Text::copy: expected characters within the 3 of the text, got 4 from 0 on", UsageError);
    CHECK_THROWS_AS(validation.part(0, -1), UsageError);
}

TEST_CASE("Text: takes 1, 2 or 4 bytes a character, which parts and datasets share") {
    const auto check = [](Index distinct, std::size_t each) {
        std::string characters;
        for (Index i = 0; i < distinct; ++i) { characters += gacc::detail::utf8(static_cast<char32_t>(0x10000 + i)); }
        const std::size_t before = gacc::memory::live()[Kind::data];
        const Text text(characters);
        const auto parts = text.split(0.5);
        const gacc::TextDataset data(parts.second, {.tokens = 3});
        CHECK(gacc::memory::live()[Kind::data] - before == static_cast<std::size_t>(distinct) * each);
        CHECK(text.vocabulary().decode(tokens_of(text)) == characters);
    };
    check(256, 1);
    check(257, 2);
    check(65536, 2);
    check(65537, 4);
}

TEST_CASE("Text: with the vocabulary of another") {
    const Text text("hello world");
    CHECK(tokens_of(Text("held", text.vocabulary())) == std::vector<Label>{3, 2, 4, 1});
    CHECK_THROWS_WITH_AS(Text("help", text.vocabulary()),
                         "gacc: Text: expected characters of the vocabulary, got \"p\" at byte 3", DataError);
    CHECK_THROWS_WITH_AS(Text("", text.vocabulary()),
                         "gacc: Text: expected a text of 1 character or more, got an empty one", DataError);
    CHECK_THROWS_WITH_AS(Text(""), "gacc: Text: expected a text of 1 character or more, got an empty one", DataError);
}

TEST_CASE("load_text: reads a file as it is") {
    const TemporaryFolder folder;
    const auto path = folder.write("text", bytes_of("\xef\xbb\xbf"
                                                    "a\r\n\xc3\xa9"));
    const Text text = gacc::load_text(path);
    CHECK(text.size() == 5);
    CHECK(text.vocabulary().characters() == "\n\ra\xc3\xa9\xef\xbb\xbf");
    CHECK(gacc::load_text(path, Characters::bytes).size() == 8);
    CHECK(tokens_of(gacc::load_text(folder.write("other", bytes_of("a\n")), text.vocabulary())) ==
          std::vector<Label>{2, 0});
}

TEST_CASE("load_text: what it refuses") {
    const TemporaryFolder folder;
    const auto refusal = [](const std::filesystem::path& path, const auto&... how) -> std::string {
        try {
            gacc::load_text(path, how...);
        } catch (const DataError& error) { return error.what(); }
        return "none";
    };
    CHECK(refusal(folder.path() / "none") ==
          "gacc: load_text \"none\": expected a readable file, got none at " + (folder.path() / "none").string());
    CHECK(refusal(folder.path()).starts_with("gacc: load_text "));
    CHECK(refusal(folder.path()).find("expected a readable file, got a folder at ") != std::string::npos);
    CHECK(refusal(folder.write("empty", {})) ==
          "gacc: load_text \"empty\": expected a text of 1 character or more, got an empty one");
    CHECK(
        refusal(folder.write("latin", bytes_of("caf\xe9"))) ==
        "gacc: load_text \"latin\": expected UTF-8, got \\xe9 at byte 3, where no character begins; Characters::bytes "
        "takes any bytes");
    CHECK(refusal(folder.write("other", bytes_of("abc")), Vocabulary("ab")) ==
          "gacc: load_text \"other\": expected characters of the vocabulary, got \"c\" at byte 2");
    CHECK(refusal(folder.path() / "latin", Characters::bytes) == "none");
}

}  // namespace text_test
