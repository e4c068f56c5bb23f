#include <gacc/core/input_file.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#ifndef _WIN32
#include <sys/stat.h>
#endif

namespace input_file_test {

using gacc::DataError;
using gacc::detail::InputFile;

namespace {

std::string refusal(const std::filesystem::path& path) {
    try {
        const InputFile file(path, "test", " at the end");
    } catch (const DataError& error) {
        const std::string text = error.what(), start = "gacc: test: expected a readable file, got ";
        CHECK(text.starts_with(start));
        CHECK(text.ends_with(" at the end"));
        return text.substr(start.size(), text.size() - start.size() - std::string(" at the end").size());
    }
    return "nothing";
}

}  // namespace

TEST_CASE("InputFile: reads a file from front to back, and again") {
    const TemporaryFolder folder;
    InputFile file(folder.write("file", {1, 2, 3, 4, 5}), "test");
    CHECK(file.size() == 5);
    std::array<std::uint8_t, 3> bytes{};
    CHECK(file.read(bytes) == 3);
    CHECK(bytes == std::array<std::uint8_t, 3>{1, 2, 3});
    CHECK(file.read(bytes) == 2);
    CHECK(bytes == std::array<std::uint8_t, 3>{4, 5, 3});
    CHECK(file.read(bytes) == 0);
    file.rewind();
    CHECK(file.read(bytes) == 3);
    CHECK(bytes == std::array<std::uint8_t, 3>{1, 2, 3});
}

TEST_CASE("InputFile: opens regular files only, and says what else it got") {
    const TemporaryFolder folder;
    CHECK(refusal(folder.path() / "none") == "none");
    CHECK(refusal(folder.path()) == "a folder");
#ifdef _WIN32
    CHECK(refusal("NUL") != "nothing");  // none or a device, as the C library says
#else  // links need rights that a user of Windows may lack, and pipes lie in no folder there
    CHECK(refusal("/dev/null") == "a pipe, socket or device");
    const auto pipe = folder.path() / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(refusal(pipe) == "a pipe, socket or device");
    std::filesystem::create_symlink("pipe", folder.path() / "link");
    CHECK(refusal(folder.path() / "link") == "a pipe, socket or device");
    std::filesystem::create_symlink("loop", folder.path() / "loop");
    CHECK(refusal(folder.path() / "loop") == "none");
    std::filesystem::create_symlink("file", folder.path() / "another");
    CHECK(refusal(folder.path() / "another") == "none");
    folder.write("file", {});
    CHECK(refusal(folder.path() / "another") == "nothing");
#endif
}

TEST_CASE("shown_path: a path for a message") {
    CHECK(gacc::detail::shown_path(std::filesystem::path("a/\x1b[2J")) == R"(a/\x1b[2J)");
    const std::string deep(3000, 'a');
    CHECK(gacc::detail::shown_path(std::filesystem::path(deep)) == deep);
}

}  // namespace input_file_test
