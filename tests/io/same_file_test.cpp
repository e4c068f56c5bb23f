#include <gacc/io/same_file.hpp>

#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

namespace same_file_test {

using gacc::same_file;
namespace fs = std::filesystem;

TEST_CASE("same_file: every spelling of a name is one file, there or not") {
    const TemporaryFolder folder;
    const fs::path before = fs::current_path();
    fs::create_directory(folder.path() / "sub");
    fs::current_path(folder.path());
    for (int there = 0; there < 2; ++there) {
        const auto here = fs::current_path();
        for (const fs::path& path : {fs::path("q.st"), fs::path("./q.st"), fs::path("sub/../q.st"), here / "q.st",
                                    fs::path("sub/.././/q.st"), here / "sub" / ".." / "q.st"}) {
            CHECK_MESSAGE(same_file("q.st", path), path);
            CHECK_MESSAGE(same_file(path, "q.st"), path);
            CHECK_FALSE_MESSAGE(same_file(path, "r.st"), path);
            CHECK_FALSE_MESSAGE(same_file(path, "sub/q.st"), path);
            CHECK_FALSE_MESSAGE(same_file(path, "q.st.prev"), path);
        }
        folder.write("q.st", {1});
        folder.write("r.st", {1});
    }
    CHECK(same_file("missing/q.st", "missing/./q.st"));
    CHECK_FALSE(same_file("missing/q.st", "q.st"));
    fs::current_path(before);
}

TEST_CASE("same_file: two hard links are two files, since saving replaces one name") {
    const TemporaryFolder folder;
    folder.write("a", {1});
    fs::create_hard_link(folder.path() / "a", folder.path() / "b");
    CHECK_FALSE(same_file(folder.path() / "a", folder.path() / "b"));
    CHECK(same_file(folder.path() / "a", folder.path() / "." / "a"));
}

#ifdef _WIN32
TEST_CASE("same_file: case does not matter on Windows") {
    const TemporaryFolder folder;
    CHECK(same_file(folder.path() / "Q.st", folder.path() / "q.ST"));
    CHECK_FALSE(same_file(folder.path() / "Q.st", folder.path() / "r.st"));
}
#else
TEST_CASE("same_file: symbolic links to files and folders are followed, also to files that are not there") {
    const TemporaryFolder folder;
    const fs::path& here = folder.path();
    fs::create_directory(here / "sub");
    fs::create_symlink("sub/q.st", here / "link");
    fs::create_symlink(here / "link", here / "link2");
    fs::create_directory_symlink("sub", here / "folder");
    for (int there = 0; there < 2; ++there) {
        for (const fs::path& path : {here / "link", here / "link2", here / "folder" / "q.st"}) {
            CHECK_MESSAGE(same_file(path, here / "sub" / "q.st"), path);
            CHECK_MESSAGE(same_file(here / "link", path), path);
            CHECK_FALSE_MESSAGE(same_file(path, here / "q.st"), path);
        }
        folder.write("sub/q.st", {1});
    }
    CHECK(same_file(here / "folder" / "missing" / "q.st", here / "sub" / "missing" / "q.st"));
    CHECK(gacc::previous_file(here / "link2") == here / "sub" / "q.st.prev");
    CHECK(same_file(gacc::previous_file(here / "link2"), here / "folder" / "q.st.prev"));
    CHECK_FALSE(same_file(here / "link.prev", gacc::previous_file(here / "link")));
}

TEST_CASE("same_file: case matters where the file system says so; a loop of links is like no link") {
    const TemporaryFolder folder;
    folder.write("Q.st", {1});
    const bool told_apart = !fs::exists(folder.path() / "q.st");
    CHECK(same_file(folder.path() / "Q.st", folder.path() / "q.st") == !told_apart);
    fs::create_symlink("loop2", folder.path() / "loop1");
    fs::create_symlink("loop1", folder.path() / "loop2");
    CHECK(same_file(folder.path() / "loop1", folder.path() / "loop1"));
    CHECK_FALSE(same_file(folder.path() / "loop1", folder.path() / "Q.st"));
}
#endif

}  // namespace same_file_test
