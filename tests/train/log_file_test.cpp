#include <gacc/train/log_file.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace log_file_test {

TEST_CASE("LogFile: what is written is in the file at once, and another one appends") {
    const TemporaryFolder folder;
    const auto path = folder.path() / "log";
    const auto content = [&] {
        std::ifstream file(path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    gacc::detail::LogFile first("here", path);
    CHECK(first.first_line().empty());
    first.write("one\r\n");
    CHECK(content() == "one\r\n");
    gacc::detail::LogFile second("here", path);
    second.write("two\n");
    CHECK(content() == "one\r\ntwo\n");
    CHECK(second.first_line() == "one\r");
}

TEST_CASE("LogFile: says where it could not write") {
    const TemporaryFolder folder;
    CHECK_THROWS_AS(gacc::detail::LogFile("here", folder.path() / "none" / "log"), gacc::OutputError);
    try {
        gacc::detail::LogFile("here", folder.path() / "none" / "log");
    } catch (const gacc::OutputError& error) {
        CHECK(std::string(error.what()).starts_with("gacc: here: expected to open "));
    }
#ifdef __linux__
    gacc::detail::LogFile full("here", "/dev/full");
    CHECK_THROWS_WITH_AS(full.write("x"), "gacc: here: expected to write /dev/full, got an error", gacc::OutputError);
#endif
}

}  // namespace log_file_test
