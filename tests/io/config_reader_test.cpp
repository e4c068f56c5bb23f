#include <gacc/io/config_reader.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

namespace config_reader_test {

using gacc::ConfigReader;
using gacc::DataError;
using gacc::Index;
using gacc::LayerConfig;
using gacc::LayerOption;

namespace {

ConfigReader reader(const LayerOption& option) { return {{"Scale", {{"a", option}}}, "file", "layer 3 (Scale)"}; }

}  // namespace

TEST_CASE("ConfigReader: options of each kind") {
    ConfigReader options({"Scale",
                          {{"size", Index{7}},
                           {"count", Index{0}},
                           {"number", 0.5},
                           {"whole", Index{-2}},
                           {"flag", true},
                           {"word", "b"},
                           {"numbers", std::vector<double>{1, -2}}}},
                         "file", "layer 3");
    CHECK(options.type() == "Scale");
    CHECK(options.size("size") == 7);
    CHECK(options.count("count") == 0);
    CHECK(options.number("number") == 0.5);
    CHECK(options.number("whole") == -2);
    CHECK(options.flag("flag"));
    CHECK(options.one_of("word", {"a", "b"}) == 1);
    CHECK(options.numbers("numbers") == std::vector<double>{1, -2});
    options.finish();
}

TEST_CASE("ConfigReader: what is missing, read twice or left over") {
    ConfigReader options = reader(Index{1});
    CHECK_THROWS_WITH_AS(options.finish(), "gacc: file: expected no option \"a\" of layer 3 (Scale), got one",
                         DataError);
    CHECK_THROWS_WITH_AS(options.size("b"), "gacc: file: expected an option \"b\" of layer 3 (Scale), got none",
                         DataError);
    CHECK(options.size("a") == 1);
    CHECK_THROWS_WITH_AS(options.size("a"), "gacc: file: expected an option \"a\" of layer 3 (Scale), got none",
                         DataError);
}

TEST_CASE("ConfigReader: options of another kind, or out of their range") {
    const auto largest = std::to_string(std::numeric_limits<Index>::max() / 64);
    const std::string size =
        "gacc: file: expected a whole number from 1 to " + largest + " for \"a\" of layer 3 (Scale), got ";
    for (const auto& [option, got] : std::vector<std::pair<LayerOption, std::string>>{
             {Index{0}, "0"},
             {Index{-1}, "-1"},
             {std::numeric_limits<Index>::max(), std::to_string(std::numeric_limits<Index>::max())},
             {1.5, "1.5"},
             {true, "true"},
             {"1\n", "\"1\\x0a\""},
             {std::vector<double>{1}, "a tensor"}}) {
        CHECK_THROWS_WITH_AS(reader(option).size("a"), (size + got).c_str(), DataError);
    }
    CHECK_THROWS_WITH_AS(
        reader(Index{-1}).count("a"),
        ("gacc: file: expected a whole number from 0 to " + largest + " for \"a\" of layer 3 (Scale), got -1").c_str(),
        DataError);
    CHECK_THROWS_WITH_AS(reader(std::numeric_limits<double>::infinity()).number("a"),
                         "gacc: file: expected a finite number for \"a\" of layer 3 (Scale), got inf", DataError);
    CHECK_THROWS_WITH_AS(reader(false).number("a"),
                         "gacc: file: expected a finite number for \"a\" of layer 3 (Scale), got false", DataError);
    CHECK_THROWS_WITH_AS(reader(Index{1}).flag("a"),
                         "gacc: file: expected true or false for \"a\" of layer 3 (Scale), got 1", DataError);
    CHECK_THROWS_WITH_AS(reader("c").one_of("a", {"a", "b"}),
                         "gacc: file: expected \"a\" or \"b\" for \"a\" of layer 3 (Scale), got \"c\"", DataError);
    CHECK_THROWS_WITH_AS(reader(Index{1}).one_of("a", {"a"}),
                         "gacc: file: expected \"a\" for \"a\" of layer 3 (Scale), got 1", DataError);
    CHECK_THROWS_WITH_AS(reader(0.5).numbers("a"),
                         "gacc: file: expected a tensor of numbers for \"a\" of layer 3 (Scale), got 0.5", DataError);
}

}  // namespace config_reader_test
