#include <gacc/io/safetensors_file.hpp>

#include "support/sparse_file.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace safetensors_file_test {

using gacc::DataError;
using gacc::DType;
using gacc::SafetensorsFile;
using namespace std::string_literals;

namespace {

gacc::Buffer<std::uint8_t> buffer_of(const std::string& bytes) {
    gacc::Buffer<std::uint8_t> buffer(static_cast<gacc::Index>(bytes.size()));
    std::ranges::copy(bytes, buffer.data());
    return buffer;
}

std::string file_of(const std::string& header, const std::string& data = "") {
    std::string length;
    for (int byte = 0; byte < 8; ++byte) { length += static_cast<char>(std::uint64_t{header.size()} >> (8 * byte) & 0xff); }
    return length + header + data;
}

SafetensorsFile parsed(const std::string& header, const std::string& data = "") {
    return {buffer_of(file_of(header, data)), "test"};
}

/// The text of the error behind the position.
std::string refusal(const std::string& header, const std::string& data = "") {
    try {
        parsed(header, data);
    } catch (const DataError& error) {
        const std::string text = error.what(), start = "gacc: test: expected ";
        CHECK(text.starts_with(start));
        return text.substr(std::min(start.size(), text.size()));
    }
    return "nothing";
}

/// The description of a tensor in a header.
std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

const std::string any = R"({"name": {"dtype": ..., "shape": [...], "data_offsets": [...]}, ...})";

}  // namespace

TEST_CASE("SafetensorsFile: names, types, shapes and numbers of every type") {
    const std::string data =
        "\0\0\0\0\0\0\xf8\xbf"s                              // -1.5
        "\0\0\x50\x40"s                                      // 3.25
        "\0\x3e\0\x7c"s                                      // 1.5, inf
        "\xc0\x3f\0\xc0"s                                    // 1.5, -2
        "\xf9\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\1\0\0"s  // -7, 2^40
        "\x09\xff"s;                                         // 9, 255
    // The header has another order than the bytes, and white space everywhere.
    const auto file =
        parsed(" \t\n{ \"u\" : " + tensor("U8", "[2, 1]", "[36, 38]") + ",\n\"i\":" + tensor("I64", "[2]", "[20,36]") +
                   ",\"b\":" + tensor("BF16", "[2]", "[16,20]") + ",\"h\":" + tensor("F16", "[1,2]", "[12,16]") +
                   ",\"f\":" + tensor("F32", "[]", "[8,12]") + ",\"d\":" + tensor("F64", "[1]", "[0,8]") +
                   R"(,"__metadata__":{"format":"pt","é\u00e9":"\"\\"}})" + "\r\n  ",
               data);
    REQUIRE(file.tensors().size() == 6);
    std::string names;
    for (const auto& info : file.tensors()) { names += info.name; }
    CHECK(names == "dfhbiu");
    CHECK(file.metadata().at("format") == "pt");
    CHECK(file.metadata().at("éé") == "\"\\");
    CHECK(file.find("h")->dtype == DType::f16);
    CHECK(file.find("h")->shape == gacc::Shape{1, 2});
    CHECK(file.find("f")->shape.empty());
    CHECK(file.find("x") == nullptr);
    CHECK(file.tensor<float>("d").data()[0] == -1.5F);
    CHECK(file.tensor<double>("f").data()[0] == 3.25);
    CHECK(file.tensor<double>("f").shape() == gacc::Shape{1});
    CHECK(file.tensor<float>("h").data()[0] == 1.5F);
    CHECK(std::isinf(file.tensor<float>("h").data()[1]));
    CHECK(file.tensor<float>("b").data()[0] == 1.5F);
    CHECK(file.tensor<double>("b").data()[1] == -2);
    CHECK(file.tensor<std::int64_t>("i").data()[1] == std::int64_t{1} << 40);
    CHECK(file.tensor<double>("i").data()[0] == -7);
    CHECK(file.tensor<std::uint8_t>("u").data()[1] == 255);
    CHECK(file.tensor<std::uint8_t>("u").shape() == gacc::Shape{2, 1});
    CHECK(file.bytes(*file.find("u")).size() == 2);
    CHECK_THROWS_WITH_AS(file.tensor<float>("x"), "gacc: test: expected a tensor \"x\", got none", DataError);
    CHECK_THROWS_WITH_AS(file.tensor<std::uint8_t>("i"), "gacc: test: expected U8 in \"i\", got I64", DataError);
    CHECK_THROWS_AS(file.tensor<std::int64_t>("f"), DataError);
}

TEST_CASE("SafetensorsFile: nothing at all, tensors without numbers, and single numbers are fine") {
    CHECK(refusal("{}") == "nothing");
    CHECK(parsed(R"({"__metadata__":{}})").metadata().empty());
    const auto file = parsed("{\"a\":" + tensor("F32", "[0]", "[0,0]") + ",\"b\":" + tensor("U8", "[]", "[0,1]") +
                                 ",\"c\":" + tensor("F64", "[3,0,5]", "[1,1]") + "}",
                             "7");
    CHECK(file.tensor<float>("a").size() == 0);
    CHECK(file.tensor<std::uint8_t>("b").data()[0] == '7');
    CHECK(file.tensor<float>("c").shape() == gacc::Shape{3, 0, 5});
}

TEST_CASE("SafetensorsFile: every type of the format is known, with its size") {
    const std::vector<std::pair<const char*, int>> types{
        // and the bytes of four numbers
        {"F64", 32},        {"F32", 16},    {"F16", 8},     {"BF16", 8},    {"I64", 32},    {"I32", 16},
        {"I16", 8},         {"I8", 4},      {"U64", 32},    {"U32", 16},    {"U16", 8},     {"U8", 4},
        {"BOOL", 4},        {"C64", 32},    {"F8_E4M3", 4}, {"F8_E5M2", 4}, {"F8_E8M0", 4}, {"F8_E4M3FNUZ", 4},
        {"F8_E5M2FNUZ", 4}, {"F6_E2M3", 3}, {"F6_E3M2", 3}, {"F4", 2}};
    CHECK(types.size() == gacc::detail::dtype_names.size());
    for (std::size_t i = 0; i < types.size(); ++i) {
        const char* const name = types[i].first;
        const int bytes = types[i].second;
        CAPTURE(name);
        const auto file = parsed("{\"a\":" + tensor(name, "[2,2]", "[0," + std::to_string(bytes) + "]") + "}",
                                 std::string(static_cast<std::size_t>(bytes), '\1'));
        CHECK(file.find("a")->dtype == DType(i));
        CHECK(gacc::detail::named(DType(i)).dtype == DType(i));
        CHECK(gacc::detail::named(DType(i)).name == name);
        CHECK(refusal("{\"a\":" + tensor(name, "[2,2]", "[0,1]") + "}", "1") ==
              "tensor \"a\" of 2 x 2 "s + name + ", got 1 bytes");
        if (i <= static_cast<std::size_t>(DType::boolean)) {
            CHECK(file.tensor<float>("a").size() == 4);
        } else {
            CHECK_THROWS_WITH_AS(file.tensor<float>("a"),
                                 ("gacc: test: expected numbers that can be converted in \"a\", got "s + name).c_str(),
                                 DataError);
        }
    }
    // Three numbers of four bits, and one of six, fill no whole bytes.
    CHECK(refusal("{\"a\":" + tensor("F4", "[3]", "[0,1]") + "}", "1") == "tensor \"a\" of 3 F4, got 1 bytes");
    CHECK(refusal("{\"a\":" + tensor("F4", "[3]", "[0,2]") + "}", "12") == "tensor \"a\" of 3 F4, got 2 bytes");
    CHECK(refusal("{\"a\":" + tensor("F6_E2M3", "[]", "[0,0]") + "}") == "tensor \"a\" of one F6_E2M3, got 0 bytes");
}

TEST_CASE("SafetensorsFile: integers of every width are read as floating point") {
    const std::string data =
        "\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff\xfd\xff\xff\xff\x00\x00\x00\x80"
        "\xfc\xff\xfc\xff\xfb\xfb\x01"s;
    const auto file =
        parsed("{\"a\":" + tensor("U64", "[1]", "[0,8]") + ",\"b\":" + tensor("I32", "[2]", "[8,16]") +
                   ",\"c\":" + tensor("U32", "[1]", "[16,20]") + ",\"d\":" + tensor("I16", "[1]", "[20,22]") +
                   ",\"e\":" + tensor("U16", "[]", "[22,24]") + ",\"f\":" + tensor("I8", "[1]", "[24,25]") +
                   ",\"g\":" + tensor("U8", "[1]", "[25,26]") + ",\"h\":" + tensor("BOOL", "[1]", "[26,27]") + "}",
               data);
    const auto read = [&](const char* name) { return file.tensor<double>(name).data()[0]; };
    CHECK(read("a") == 18446744073709551616.0);
    CHECK(read("b") == -2);
    CHECK(file.tensor<double>("b").data()[1] == -3);
    CHECK(read("c") == 2147483648.0);
    CHECK(read("d") == -4);
    CHECK(read("e") == 65532);
    CHECK(read("f") == -5);
    CHECK(read("g") == 251);
    CHECK(read("h") == 1);
}

TEST_CASE("SafetensorsFile: sizes beside a size of 0 are those of no memory either") {
    const auto empty = [](const std::string& shape) { return refusal("{\"a\":" + tensor("F4", shape, "[0,0]") + "}"); };
    CHECK(empty("[0,1024]") == "nothing");
    CHECK(empty("[1048576,0,512]") == "nothing");
    CHECK(empty("[0,1099511627776,1099511627776]")
              .ends_with(sizeof(void*) == 8 ? "F4, got 0 bytes" : "any memory, in the header"));
    CHECK(empty("[1048576,1048576,1048576,0]") == "tensor \"a\" of 1048576 x 1048576 x 1048576 x 0 F4, got 0 bytes");
}

TEST_CASE("SafetensorsFile: lengths that the file does not have are refused") {
    const auto refuses = [](const std::string& bytes, const char* text) {
        CHECK_THROWS_WITH_AS(SafetensorsFile(buffer_of(bytes), "test"), text, DataError);
    };
    refuses("", "gacc: test: expected 8 bytes or more, got 0");
    refuses("\2\0\0\0\0\0\0"s, "gacc: test: expected 8 bytes or more, got 7");
    refuses("\3\0\0\0\0\0\0\0{}"s,
            "gacc: test: expected a header of at most 2 bytes, got 3"
            "; this is no safetensors file, or it was cut short");
    refuses("\xff\xff\xff\xff\xff\xff\xff\xff{}"s,
            "gacc: test: expected a header of at most 2 bytes, got 18,446,744,073,709,551,615"
            "; this is no safetensors file, or it was cut short");
    refuses("\0\0\0\0\0\0\0\0"s, "gacc: test: expected a header that is a JSON object, got something else");
    // 100,000,001 bytes of header, of which 100,000,000 are allowed
    refuses(file_of("{}" + std::string(99'999'999, ' ')),
            "gacc: test: expected a header of at most 100,000,000 bytes, got 100,000,001"
            "; this is no safetensors file, or it was cut short");
    CHECK(refusal("{}" + std::string(99'999'998, ' ')) == "nothing");
}

TEST_CASE("SafetensorsFile: only JSON of the format's own shape is a header") {
    const std::string json = "JSON, got something else at byte ";
    CHECK(refusal("") == "a header that is a JSON object, got something else");
    CHECK(refusal("   ") == "a header that is a JSON object, got something else");
    CHECK(refusal("[]") == "a header that is a JSON object, got something else");
    CHECK(refusal("\xef\xbb\xbf{}") == "a header that is a JSON object, got something else");
    CHECK(refusal("{}x") == json + "3, in the header");
    CHECK(refusal("{}{}") == json + "3, in the header");
    CHECK(refusal("{") == json + "2, in the header");
    CHECK(refusal("{\"a\":}") == json + "6, in the header");
    CHECK(refusal("{\"\xff\":1}").starts_with(json));
    CHECK(refusal("{\"\xc0\x80\":1}").starts_with(json));
    CHECK(refusal("{\"a\0\":1}"s) == "a header of text, got a byte 0");
    CHECK(refusal("{}\0"s) == "a header of text, got a byte 0");
    CHECK(refusal("{}\0{\"a\":1}"s) == "a header of text, got a byte 0");
    CHECK(refusal("{/**/}").starts_with(json));
    CHECK(refusal("{\"a\":1,}").starts_with(any));
    for (const auto& [value, what] : {std::pair("1", "a number"),
                                      {"-1", "a negative number"},
                                      {"1.5", "a fraction"},
                                      {"\"a\"", "a string"},
                                      {"[]", "an array"},
                                      {"null", "null"},
                                      {"true", "true or false"}}) {
        CHECK(refusal("{\"a\":"s + value + "}") == any + ", got " + what + ", in the header");
        CHECK(refusal(R"({"__metadata__":{"a":)"s + value + "}}") ==
              (value == "\"a\""s ? "nothing" : any + ", got " + what + ", in the header"));
    }
    CHECK(refusal(R"({"a":{}})") == "dtype, shape and data_offsets, got not all of them, in the header");
    CHECK(refusal(R"({"a":{"dtype":"U8","shape":[0]}})") ==
          "dtype, shape and data_offsets, got not all of them, in the header");
    CHECK(refusal(R"({"a":{"dtype":"U8","dtype":"U8"}})") ==
          "dtype, shape and data_offsets once each, got \"dtype\", in the header");
    CHECK(refusal(R"({"a":{"more":1}})") == "dtype, shape and data_offsets once each, got \"more\", in the header");
    CHECK(refusal(R"({"a":{"dtype":"F7\u001b"}})") == R"(a dtype of the format, as F32, got "F7\x1b", in the header)");
    CHECK(refusal(R"({"a":{"dtype":{}}})") == any + ", got an object, in the header");
    CHECK(refusal(R"({"a":{"dtype":[]}})") == any + ", got an array, in the header");
    CHECK(refusal(R"({"a":{"shape":1}})") == any + ", got a number, in the header");
    CHECK(refusal(R"({"a":{"shape":[-1]}})") == any + ", got a negative number, in the header");
    CHECK(refusal(R"({"a":{"shape":[1.0]}})") == any + ", got a fraction, in the header");
    CHECK(refusal(R"({"a":{"shape":[[1]]}})") == any + ", got an array, in the header");
    CHECK(refusal(R"({"a":{"shape":[4611686018427387905]}})") == any + ", got a size beyond any memory, in the header");
    CHECK(refusal(R"({"a":{"shape":[99999999999999999999]}})") == any + ", got a fraction, in the header");
    CHECK(refusal(R"({"a":{"data_offsets":[0]}})") == "two data_offsets, got fewer, in the header");
    CHECK(refusal(R"({"a":{"data_offsets":[]}})") == "two data_offsets, got fewer, in the header");
    CHECK(refusal(R"({"a":{"data_offsets":[0,0,0]}})") == any + ", got a number, in the header");
    CHECK(refusal(R"({"__metadata__":{},"__metadata__":{}})") == "one __metadata__, got two, in the header");
    CHECK(refusal(R"({"__metadata__":{"a":"","a":""}})") == "every metadata key once, got \"a\" twice, in the header");
}

TEST_CASE("SafetensorsFile: tensors must lie one behind the other, from the first byte to the last") {
    const auto two = [](const std::string& a, const std::string& b) { return "{\"a\":" + a + ",\"b\":" + b + "}"; };
    const std::string first = tensor("U8", "[2]", "[0,2]");
    CHECK(refusal(two(first, tensor("U8", "[2]", "[2,4]")), "1234") == "nothing");
    CHECK(refusal(two(tensor("U8", "[2]", "[2,4]"), first), "1234") == "nothing");
    CHECK(refusal(two(first, tensor("U8", "[2]", "[2,4]")), "12345") == "tensors of 5 bytes in all, got 4");
    CHECK(refusal(two(first, tensor("U8", "[2]", "[2,4]")), "123") ==
          "tensor \"b\" at byte 2 of 3, got data_offsets 2 and 4");
    CHECK(refusal(two(first, tensor("U8", "[1]", "[3,4]")), "1234") ==
          "tensor \"b\" at byte 2 of 4, got data_offsets 3 and 4");
    CHECK(refusal(two(first, tensor("U8", "[3]", "[1,4]")), "1234") ==
          "tensor \"b\" at byte 2 of 4, got data_offsets 1 and 4");
    CHECK(refusal(two(first, first), "12") == "tensor \"b\" at byte 2 of 2, got data_offsets 0 and 2");
    CHECK(refusal("{\"a\":" + tensor("U8", "[1]", "[1,2]") + "}", "12") ==
          "tensor \"a\" at byte 0 of 2, got data_offsets 1 and 2");
    CHECK(refusal("{\"a\":" + tensor("U8", "[0]", "[2,1]") + "}", "12") ==
          "tensor \"a\" at byte 0 of 2, got data_offsets 2 and 1");
    CHECK(refusal("{\"a\":" + tensor("F32", "[2]", "[0,7]") + "}", "1234567") == "tensor \"a\" of 2 F32, got 7 bytes");
    CHECK(refusal("{\"a\":" + tensor("F32", "[2]", "[0,9]") + "}", "123456789") ==
          "tensor \"a\" of 2 F32, got 9 bytes");
    CHECK(refusal("{\"a\":" + tensor("F32", "[2,3]", "[0,4]") + "}", "1234") ==
          "tensor \"a\" of 2 x 3 F32, got 4 bytes");
    // 2^64 floats are 0 bytes where sizes overflow
    CHECK(refusal("{\"a\":" + tensor("F32", "[1073741824,1073741824,16]", "[0,0]") + "}") ==
          "tensor \"a\" of 1073741824 x 1073741824 x 16 F32, got 0 bytes");
    CHECK(refusal("{\"a\":" + tensor("U8", "[0]", "[0,18446744073709551615]") + "}") ==
          "tensor \"a\" at byte 0 of 0, got data_offsets 0 and 18446744073709551615");
    CHECK(refusal("{\"a\":" + tensor("U8", "[0]", "[0,0]") + ",\"\\u0061\":" + tensor("U8", "[0]", "[0,0]") + "}") ==
          "every name once, got \"a\" twice");
}

TEST_CASE("SafetensorsFile: a header takes little memory, however it is made") {
    CHECK(refusal("{\"" + std::string(20'000, 'a') + "\":1}") ==
          "a header without names or gaps longer than 16,384 bytes, got one");
    CHECK(refusal("{\"" + std::string(16'000, '\\') + "\":1}").starts_with(any));
    CHECK(refusal("{" + std::string(20'000, ' ') + "}") ==
          "a header without names or gaps longer than 16,384 bytes, got one");
    CHECK(refusal("{\"a\":" + std::string(20'000, '1') + "}") ==
          "a header without names or gaps longer than 16,384 bytes, got one");
    std::string commas;  // commas do not end a string; a quote after two \\ is not escaped and ends it
    while (commas.size() < 20'000) { commas += "aaa,"; }
    for (const char* key : {"a", R"(a\\)", R"(a\\\\)", R"(\"a\")"}) {
        CHECK(refusal("{\"__metadata__\":{\""s + key + "\":\"" + commas + "\"}}") ==
              "a header without names or gaps longer than 16,384 bytes, got one");
        CHECK(refusal("{\"__metadata__\":{\""s + key + "\":\"b\"}}") == "nothing");
    }
    CHECK(refusal("{\"a\":" + std::string(1'000'000, '[')) == any + ", got an array, in the header");
    std::string deep, many = "{", metadata = R"({"__metadata__":{"x":"")", sizes;
    for (int i = 0; i < 100'000; ++i) { deep += "{\"shape\":"; }
    CHECK(refusal(deep) == any + ", got an object, in the header");
    for (int i = 0; i < 20'000; ++i) {
        many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":" + tensor("U8", "[0]", "[0,0]");
        metadata += ",\"" + std::to_string(i) + "\":\"\"";
        sizes += i == 0 ? "1" : ",1";
    }
    const std::string too_much = "a list of tensors of at most 524,288 bytes, got more, in the header";
    CHECK(refusal(many + "}") == too_much);
    CHECK(refusal(metadata + "}}") == too_much);
    for (int i = 0; i < 4; ++i) { sizes += "," + sizes; }
    CHECK(refusal("{\"a\":" + tensor("U8", "[" + sizes + "]", "[0,1]") + "}", "1") == too_much);
}

TEST_CASE("SafetensorsFile: every truncation of a file is refused, and no other byte does harm") {
    const std::string golden =
        file_of("{\"0.weight\":" + tensor("F32", "[1,2]", "[0,8]") + ",\"0.bias\":" + tensor("F16", "[1]", "[8,10]") +
                    R"(,"__metadata__":{"a":"b"}})" + "  ",
                "0123456789");
    for (std::size_t length = 0; length < golden.size(); ++length) {
        CHECK_THROWS_AS(SafetensorsFile(buffer_of(golden.substr(0, length)), "test"), DataError);
    }
    int read = 0, refused = 0;
    std::string bytes = golden;
    for (std::size_t i = 0; i < golden.size(); ++i) {
        for (int value = 0; value < 256; ++value) {
            bytes[i] = static_cast<char>(value);
            try {
                const SafetensorsFile file(buffer_of(bytes), "test");
                for (const auto& info : file.tensors()) { file.tensor<double>(info.name); }
                ++read;
            } catch (const DataError&) { ++refused; }
        }
        bytes[i] = golden[i];
    }
    CHECK(read + refused == 256 * static_cast<int>(golden.size()));
    CHECK(read > 10 * 256);      // numbers and letters in names may have any value
    CHECK(refused > 100 * 256);  // the rest of the format may not
}

TEST_CASE("SafetensorsFile: a file that is not there, or is something else, is an error") {
    const TemporaryFolder folder;
    CHECK_THROWS_WITH_AS(SafetensorsFile("nowhere"),
                         "gacc: SafetensorsFile \"nowhere\": expected a readable file, got none", DataError);
#ifdef _WIN32
    CHECK_THROWS_AS(SafetensorsFile("NUL"), DataError);  // none or a device, as the C library says
#else
    CHECK_THROWS_WITH_AS(SafetensorsFile("/dev/zero"),
                         "gacc: SafetensorsFile \"/dev/zero\": expected a readable file, got a pipe, socket or device",
                         DataError);
#endif
    CHECK_THROWS_WITH_AS(
        SafetensorsFile(folder.path()),
        ("gacc: SafetensorsFile \"" + folder.path().string() + "\": expected a readable file, got a folder").c_str(),
        DataError);
    const auto path = folder.write("model", {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'});
    const SafetensorsFile file(path);
    CHECK(file.tensors().empty());
}

TEST_CASE("SafetensorsFile: names and texts of a file cannot drive a terminal") {
    CHECK(refusal(R"({"\u001b[2J":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}})", "12") ==
          R"(tensor "\x1b[2J" of 1 U8, got 2 bytes)");
    CHECK(refusal(R"({"a":{"\u0007":1}})") == R"(dtype, shape and data_offsets once each, got "\x07", in the header)");
    CHECK(refusal(R"({"__metadata__":{"\u009b":"","\u009b":""}})") ==
          R"(every metadata key once, got "\xc2\x9b" twice, in the header)");
    CHECK_THROWS_WITH_AS(SafetensorsFile("\x1b"), R"(gacc: SafetensorsFile "\x1b": expected a readable file, got none)",
                         DataError);
    CHECK_THROWS_WITH_AS(parsed("{}").tensor<float>("\x1b"), R"(gacc: test: expected a tensor "\x1b", got none)",
                         DataError);
}

TEST_CASE("SafetensorsFile: of terabytes only the header is read before it is refused") {
    const TemporaryFolder folder;
    const auto huge = [&](const std::string& bytes, std::uintmax_t size) {
        const auto path = folder.write("huge", {bytes.begin(), bytes.end()});
        lengthen(path, size);
        gacc::memory::forget_peak();
        const auto before = gacc::memory::live().total();
        std::string text = "nothing";
        try {
            const SafetensorsFile file(gacc::detail::SafetensorsStart(path, "test"));
        } catch (const DataError& error) { text = error.what(); }
        CHECK(gacc::memory::peak_total() - before < 1000);
        return text;
    };
    constexpr std::uintmax_t tebibytes = std::uintmax_t{4} << 40;
    CHECK(huge("", tebibytes) == "gacc: test: expected a header that is a JSON object, got something else");
    CHECK(huge("no checkpoint", tebibytes) ==
          "gacc: test: expected a header of at most 100,000,000 bytes, got 7,738,140,083,766,718,318"
          "; this is no safetensors file, or it was cut short");
    CHECK(huge(file_of("{}"), tebibytes) == "gacc: test: expected tensors of 4398046511094 bytes in all, got 0");
    const std::string all = file_of("{\"a\":" + tensor("U8", "[67108864,65536]", "[0,4398046511104]") + "}");
    CHECK(huge(all, all.size() + tebibytes) ==
          (sizeof(void*) == 8 ? "gacc: test: expected a file that fits into memory, got 4,398,046,511,104 bytes"
                              : "gacc: test: expected tensor \"a\" of 67108864 x 65536 U8, got 4398046511104 bytes"));
}

}  // namespace safetensors_file_test
