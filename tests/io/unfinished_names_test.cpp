#include <gacc/io/unfinished_names.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>

namespace unfinished_names_test {

using gacc::detail::UnfinishedNames;
namespace fs = std::filesystem;

TEST_CASE("UnfinishedNames: names beside the file, with a number that is another one each time") {
    UnfinishedNames names(fs::path("folder") / "run.st");
    std::set<std::string> drawn;
    for (int i = 0; i < 10'000; ++i) {
        names.draw_number();
        const std::string file = names.file().filename().string();
        const std::string number = file.substr(7, 12);
        CHECK(number.find_first_not_of("0123456789abcdef") == number.npos);
        REQUIRE(file == "run.st." + number + ".unfinished");
        REQUIRE(names.previous() == fs::path("folder") / ("run.st." + number + ".prev.unfinished"));
        drawn.insert(number);
    }
    CHECK(drawn.size() == 10'000);
    CHECK(names.folder() == "folder");
    CHECK(UnfinishedNames("run.st").folder() == ".");
}

TEST_CASE("UnfinishedNames: a long name loses its end, and never half a character") {
    const std::size_t room = 255 - 29;
    for (std::size_t size = room - 3; size <= 255; ++size) {
        UnfinishedNames names(std::string(size, 'n'));
        names.draw_number();
        const std::string file = names.previous().string();
        CHECK(file.size() == std::min(size, room) + 29);
        CHECK(file.starts_with(std::string(std::min(size, room), 'n') + '.'));
    }
    // each has two bytes or one UTF-16 unit; in bytes the last one lies across the end
    fs::path::string_type name = fs::path(u8"xäö").native();
    while (name.size() < 250) { name += fs::path(u8"ä").native(); }
    UnfinishedNames names{fs::path(name)};
    names.draw_number();
    const auto file = names.previous().native();
    const std::size_t kept = sizeof(name[0]) == 1 ? room - 1 : room;
    CHECK(file.size() == kept + 29);
    CHECK(file.substr(0, kept) == name.substr(0, kept));
}

}  // namespace unfinished_names_test
