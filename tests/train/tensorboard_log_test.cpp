#include <gacc/train/tensorboard_log.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace tensorboard_log_test {

using gacc::detail::crc32c;
using gacc::detail::Protobuf;

namespace {

std::vector<std::string> contents(const std::filesystem::path& folder) {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        CHECK(entry.path().filename().string().find("tfevents") != std::string::npos);
        std::ifstream file(entry.path(), std::ios::binary);
        all.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return all;
}

}  // namespace

TEST_CASE("crc32c: the values of RFC 3720, B.4") {
    CHECK(crc32c("123456789") == 0xE3069283U);
    CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAU);
    CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43U);
    std::string rising;
    for (int i = 0; i < 32; ++i) { rising += static_cast<char>(i); }
    CHECK(crc32c(rising) == 0x46DD794EU);
}

TEST_CASE("Protobuf: numbers of the encoding's description") {
    CHECK(Protobuf::varint(1) == "\x01");
    CHECK(Protobuf::varint(150) == "\x96\x01");
    CHECK(Protobuf::integer(1, 150) == "\x08\x96\x01");
    CHECK(Protobuf::bytes(2, "testing") == "\x12\x07testing");
    CHECK(Protobuf::real(2, 1.0F) == std::string("\x15\0\0\x80\x3F", 5));
    CHECK(Protobuf::real(1, 1.0) == std::string("\x09\0\0\0\0\0\0\xF0\x3F", 9));
}

TEST_CASE("TensorBoardLog: a file of records, byte for byte") {
    const TemporaryFolder folder;
    gacc::TensorBoardLog log(folder.path() / "runs" / "first");
    log.write(gacc::LogLine(300, 1.0).add("loss", 0.5).add("a/b", 2));
    const auto files = contents(folder.path() / "runs" / "first");
    REQUIRE(files.size() == 1);
    const std::string& bytes = files[0];
    // The version: a double and a text, 9 + 15 bytes, in a record of 16 more.
    REQUIRE(bytes.size() > 40);
    CHECK(bytes.substr(0, 8) == std::string("\x18\0\0\0\0\0\0\0", 8));
    CHECK(bytes.substr(8, 4) == "\xA3\x7F\x4B\x22");  // of a length of 24, as in all event files
    CHECK(bytes.substr(21, 15) == "\x1A\x0D" "brain.Event:2");
    const std::string event = std::string("\x09\0\0\0\0\0\0\xF0\x3F", 9) + "\x10\xAC\x02" + "\x2A\x19" +
                              std::string("\x0A\x0B\x0A\x04loss\x15\0\0\0\x3F", 13) +
                              std::string("\x0A\x0A\x0A\x03" "a/b\x15\0\0\0\x40", 12);
    CHECK(bytes.substr(40, 8) == std::string("\x27\0\0\0\0\0\0\0", 8));
    CHECK(bytes.substr(52, event.size()) == event);
    CHECK(bytes.substr(40) == gacc::detail::tensorboard_record(event));
    CHECK(bytes.size() == 40 + 16 + event.size());
}

TEST_CASE("TensorBoardLog: another one in the same folder has a file of its own") {
    const TemporaryFolder folder;
    const gacc::TensorBoardLog first(folder.path()), second(folder.path());
    CHECK(contents(folder.path()).size() == 2);
    CHECK_THROWS_AS(gacc::TensorBoardLog("/dev/null/none"), gacc::OutputError);
}

}  // namespace tensorboard_log_test
