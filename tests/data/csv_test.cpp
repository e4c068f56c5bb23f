#include <gacc/data/csv.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <locale>
#include <string>
#include <string_view>
#include <vector>

namespace csv_test {

using gacc::CsvOptions;
using gacc::CsvTable;
using gacc::DataError;
using gacc::MissingNumbers;

namespace {

template <class Scalar = double>
CsvTable<Scalar> read(std::string_view text, const CsvOptions& options = {}) {
    const TemporaryFolder folder;
    return gacc::read_csv<Scalar>(folder.write("houses.csv", Bytes(text.begin(), text.end())), options);
}

/// The text of the error, without the file.
template <class Scalar = double>
std::string refused(std::string_view text, const CsvOptions& options = {}) {
    try {
        read<Scalar>(text, options);
    } catch (const DataError& error) {
        const std::string_view place = "gacc: read_csv \"houses.csv\": expected ";
        REQUIRE(std::string_view(error.what()).starts_with(place));
        return error.what() + place.size();
    }
    return "read";
}

template <class Scalar>
std::vector<Scalar> numbers(const CsvTable<Scalar>& table) {
    std::vector<Scalar> out;
    for (gacc::Index i = 0; i < table.rows(); ++i) {
        for (gacc::Index j = 0; j < table.columns(); ++j) { out.push_back(table(i, j)); }
    }
    return out;
}

template <class Data>
std::vector<typename Data::scalar_type> inputs(const Data& data, gacc::Index sample) {
    std::vector<typename Data::scalar_type> row(static_cast<std::size_t>(data.features()));
    data.copy_inputs(sample, row);
    return row;
}

using Names = std::vector<std::string>;
using Numbers = std::vector<double>;

const CsvOptions no_header{.header = false};

}  // namespace

TEST_CASE("read_csv: names and numbers, whatever ends a line") {
    for (const char* text : {"a,b\n1,2\n3,4\n", "a,b\n1,2\n3,4", "a,b\r\n1,2\r\n3,4\r\n",
                             "\xef\xbb\xbf"
                             "a,b\n1,2\n3,4",
                             "\"a\",\"b\"\n\"1\",2\n3,\"4\"\n", " a ,b\t\n 1,\t2 \n3 , 4\n"}) {
        CAPTURE(text);
        const auto table = read(text);
        CHECK(table.names() == Names{"a", "b"});
        CHECK(table.rows() == 2);
        CHECK(numbers(table) == Numbers{1, 2, 3, 4});
    }
}

TEST_CASE("read_csv: without a header the columns have numbers for names") {
    const auto table = read("1,2\n3,4\n", no_header);
    CHECK(table.names() == Names{"1", "2"});
    CHECK(numbers(table) == Numbers{1, 2, 3, 4});
}

TEST_CASE("read_csv: numbers of any form, with a point") {
    CHECK(numbers(read("+1.5,-2e3,.5,3.,0\n", no_header)) == Numbers{1.5, -2000, 0.5, 3, 0});
    CHECK(numbers(read("1;5\t\n", {.header = false, .separator = ';'})) == Numbers{1, 5});
    CHECK(numbers(read("1\t5\n", {.header = false, .separator = '\t'})) == Numbers{1, 5});
    CHECK(numbers(read("0.1\n", no_header)) == Numbers{0.1});
    CHECK(numbers(read<float>("0.1,16777217.0000001\n", no_header)) == std::vector<float>{0.1F, 16777218.0F});
}

TEST_CASE("read_csv: a number too small for its type is 0 or a denormal number") {
    CHECK(numbers(read<float>("1e-60,-1e-60\n", no_header)) == std::vector<float>{0, 0});
    CHECK(std::abs(numbers(read<float>("1e-40\n", no_header))[0] - 1e-40F) < 1e-44F);
}

TEST_CASE("read_csv: does not care for the locale") {
    struct Comma : std::numpunct<char> {
        char do_decimal_point() const override { return ','; }
    };
    const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Comma));
    const auto table = read("1.5\n", no_header);
    std::locale::global(before);
    CHECK(numbers(table) == Numbers{1.5});
}

TEST_CASE("read_csv: a quoted field may hold separators, quotes and ends of lines") {
    const auto table = read("\"a,\"\"b\"\"\",\"c\nd\"\n1,2\n");
    CHECK(table.names() == Names{"a,\"b\"", "c\nd"});
    CHECK(numbers(table) == Numbers{1, 2});
    CHECK(refused("\"c\nd\"\n1\nx\n") == "a number in line 4, column 1 (\"c\\x0ad\"), got \"x\"");
}

TEST_CASE("read_csv: columns that are left out may hold any text") {
    const auto table = read("street,rooms\n\"High St, 2\",3\n,4\n", {.without = {"street"}});
    CHECK(table.names() == Names{"rooms"});
    CHECK(numbers(table) == Numbers{3, 4});
    CHECK(refused("a,b\n1,2\n", {.without = {"c"}}) == "a column \"c\", got \"a\", \"b\"");
}

TEST_CASE("read_csv: what is missing is an error, or NaN") {
    const auto text = "a,b\n1,\n NaN ,4\n";
    CHECK(refused("a,b\n1,\n") ==
          "a number in line 2, column 2 (\"b\"), got nothing; use MissingNumbers::as_nan to read NaN");
    CHECK(refused("a,b\nnan,1\n") ==
          "a number in line 2, column 1 (\"a\"), got \"nan\"; use MissingNumbers::as_nan to read NaN");
    const auto table = read(text, {.missing = MissingNumbers::as_nan});
    CHECK(table(0, 0) == 1);
    CHECK(std::isnan(table(0, 1)));
    CHECK(std::isnan(table(1, 0)));
    CHECK(table(1, 1) == 4);
}

TEST_CASE("read_csv: what is no number is refused, with its place") {
    CHECK(refused("a,b\n1,2\n3,four\n") == "a number in line 3, column 2 (\"b\"), got \"four\"");
    for (const char* wrong :
         {"1 2", "1.2.3", "0x10", "1e", "++1", "+-1", "--1", "1_000", "1\x80", "+", "-", "e5", "1\r"}) {
        CAPTURE(wrong);
        CHECK(refused(std::string(wrong), no_header).starts_with("a number in line 1, column 1 (\"1\"), got \""));
    }
    CHECK(refused(std::string_view("1\0\n", 3), no_header) == "a number in line 1, column 1 (\"1\"), got \"1\\x00\"");
    CHECK(refused("inf\n", no_header) ==
          "a finite number in the range of double in line 1, column 1 (\"1\"), got \"inf\"");
    CHECK(refused("1e999\n", no_header) ==
          "a finite number in the range of double in line 1, column 1 (\"1\"), got \"1e999\"");
    CHECK(refused<float>("-1e39\n", no_header) ==
          "a finite number in the range of float in line 1, column 1 (\"1\"), got \"-1e39\"");
}

TEST_CASE("read_csv: lines of other lengths, and empty ones, are refused") {
    CHECK(refused("a,b\n1,2\n3\n") == "2 fields in line 3, as in the first, got 1");
    CHECK(refused("a,b\n1,2,3\n") == "2 fields in line 2, as in the first, got 3");
    CHECK(refused("a,b\n1,2\n\n") == "2 fields in line 3, as in the first, got an empty line");
    CHECK(refused("a\n1\n\n") ==
          "a number in line 3, column 1 (\"a\"), got nothing; use MissingNumbers::as_nan to read NaN");
    CHECK(refused("") == "lines of numbers, got an empty file");
}

TEST_CASE("read_csv: quotes in the wrong places are refused") {
    CHECK(refused("a\n1\"2\"\n") == "quotes around the whole field in line 2, column 1, got other text");
    CHECK(refused("a,b\n1,\"2\"3\n") == "the end of the field after its quotes in line 2, column 2, got other text");
    CHECK(refused("a\n\"2\n") == "a second quote in line 2, column 1, got the end of the file");
}

TEST_CASE("read_csv: a header alone is a table without rows, two columns of one name are refused") {
    CHECK(read("a,b\n").rows() == 0);
    CHECK(read("a,b\n").columns() == 2);
    CHECK(refused("a,b,a\n1,2,3\n") == "columns with different names, got \"a\" twice");
}

TEST_CASE("read_csv: a file that is not there, and a separator that will not do") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "none.csv";
    const std::string text = "gacc: read_csv \"none.csv\": expected a readable file, got none at " + path.string();
    CHECK_THROWS_WITH_AS(gacc::read_csv(path), text.c_str(), DataError);
    CHECK_THROWS_WITH_AS(
        read("1\n", {.separator = '.'}),
        "gacc: read_csv \"houses.csv\": expected a separator that is no part of a number, no quote and "
        "no end of a line, got '.'",
        gacc::UsageError);
    for (const char wrong : {'"', '\n', '\r', '-', '+', '0', 'e'}) {
        CHECK_THROWS_AS(read("1\n", {.separator = wrong}), gacc::UsageError);
    }
}

TEST_CASE("CsvTable: makes a dataset with the named columns as targets, in the order in which they are named") {
    const auto data = read<float>("a,b,c,d\n1,2,3,4\n5,6,7,8\n").regression({"d", "b"});
    CHECK(data.size() == 2);
    CHECK(inputs(data, 1) == std::vector<float>{5, 7});
    std::vector<float> targets(2);
    data.copy_targets(1, targets);
    CHECK(targets == std::vector<float>{8, 6});
    CHECK_THROWS_WITH_AS(read("a,b\n1,2\n").regression({"price"}),
                         "gacc: read_csv \"houses.csv\": expected a column \"price\", got \"a\", \"b\"", DataError);
}

TEST_CASE("CsvTable: makes a dataset with the named column as labels") {
    const auto data = read("kind,a\n2,0.5\n-100,1.5\n").classification("kind");
    CHECK(data.label(0) == 2);
    CHECK(data.label(1) == -100);
    CHECK(inputs(data, 1) == Numbers{1.5});
    CHECK_THROWS_WITH_AS(
        read("kind,a\n2,0.5\n1.5,1.5\n").classification("kind"),
        "gacc: read_csv \"houses.csv\": expected classes that are integers in column \"kind\", got 1.5 in "
        "row 1",
        DataError);
    CHECK_THROWS_AS(read("kind,a\n3e9,0.5\n").classification("kind"), DataError);
    CHECK_THROWS_AS(read("kind,a\n,0\n", {.missing = MissingNumbers::as_nan}).classification("kind"), DataError);
}

}  // namespace csv_test
