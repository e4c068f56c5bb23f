#include <gacc/io/atomic_file.hpp>

#include "support/saving.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#include <sddl.h>
#endif

namespace atomic_file_test {

using gacc::AtomicFile;
namespace fs = std::filesystem;

TEST_CASE("AtomicFile: the file has what was written, and nothing lies beside it") {
    const TemporaryFolder folder;
    for (const int bytes : {0, 1, 65'535, 65'536, 65'537, 200'000}) {
        const auto size = static_cast<std::size_t>(bytes);
        save(folder.path() / "file", std::string(size, 'x'), AtomicFile::Previous::replace);
        CHECK(content(folder.path() / "file") == std::string(size, 'x'));
        CHECK(names(folder.path()) == std::set<std::string>{"file"});
    }
}

TEST_CASE("AtomicFile: keeps the one before it as .prev") {
    const TemporaryFolder folder;
    for (const char letter : {'a', 'b', 'c'}) { save(folder.path() / "file", std::string(3, letter)); }
    CHECK(content(folder.path() / "file") == "ccc");
    CHECK(content(folder.path() / "file.prev") == "bbb");
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("AtomicFile: without commit nothing has happened") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "old");
    {
        AtomicFile file(folder.path() / "file", "save");
        write_text(file, long_text('x'));
        CHECK(names(folder.path()).size() == 2);
    }
    CHECK(content(folder.path() / "file") == "old");
    CHECK(names(folder.path()) == std::set<std::string>{"file"});
}

TEST_CASE("AtomicFile: a name without a folder is in this one") {
    const TemporaryFolder folder;
    const fs::path before = fs::current_path();
    fs::current_path(folder.path());
    save("file", "old");
    save("file", "here");
    fs::current_path(before);
    CHECK(content(folder.path() / "file") == "here");
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("AtomicFile: of two that write at once each is whole, and the last to commit stays") {
    const TemporaryFolder folder;
    AtomicFile first(folder.path() / "file", "save"), second(folder.path() / "file", "save");
    write_text(first, long_text('a'));
    write_text(second, long_text('b'));
    second.commit();
    CHECK(content(folder.path() / "file") == long_text('b'));
    first.commit();
    CHECK(content(folder.path() / "file") == long_text('a'));
    CHECK(names(folder.path()) == std::set<std::string>{"file"});
}

TEST_CASE("AtomicFile: threads that save to one file leave one of theirs, whole") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    std::vector<std::thread> threads;
    for (const char letter : {'a', 'b', 'c', 'd'}) {
        threads.emplace_back([=] {
            for (int i = 0; i < 5; ++i) { save(path, long_text(letter)); }
        });
    }
    for (std::thread& thread : threads) { thread.join(); }
    for (const fs::path& file : {path, gacc::previous_file(path)}) {
        const std::string text = content(file);
        REQUIRE(text.size() == long_text('a').size());
        CHECK(text == long_text(text.front()));
    }
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("AtomicFile: a save cut off between its two renames is followed by one that leaves nothing behind") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "old");
    fs::create_hard_link(folder.path() / "file",
                         folder.path() / "file.prev");  // a rename of one to the other does nothing
    save(folder.path() / "file", "new");
    CHECK(content(folder.path() / "file") == "new");
    CHECK(content(folder.path() / "file.prev") == "old");
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("AtomicFile: names of any characters") {
    const TemporaryFolder folder;
    for (const fs::path& name : {fs::path(u8"重み ä"), fs::path("%s%n"), fs::path("-rf"), fs::path("$(x) 'y'")}) {
        save(folder.path() / name, "old");
        save(folder.path() / name, "new");
        CHECK(content(folder.path() / name) == "new");
        CHECK(content(gacc::previous_file(folder.path() / name)) == "old");
    }
    CHECK(names(folder.path()).size() == 8);
}

TEST_CASE("AtomicFile: a folder of that name is an error, also of .prev") {
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "file");
    CHECK_THROWS_WITH_AS(save(folder.path() / "file", "new"),
                         "gacc: save: expected a file or none, got something else of that name", gacc::OutputError);
    fs::create_directory(folder.path() / "other.prev");
    CHECK_THROWS_WITH_AS(save(folder.path() / "other", "new"),
                         "gacc: save: expected a file or none as .prev, got something else of that name",
                         gacc::OutputError);
    CHECK(names(folder.path()) == std::set<std::string>{"file", "other.prev"});
}

TEST_CASE("AtomicFile: a path without a name is an error") {
    const TemporaryFolder folder;
    for (const fs::path& path : {fs::path(), folder.path() / "missing" / ""}) {
        CHECK_THROWS_WITH_AS(save(path, "new"),
                             "gacc: save: expected a path that ends in a name, got one that does not",
                             gacc::OutputError);
    }
    CHECK(names(folder.path()).empty());
}

TEST_CASE("check_writable: what can be saved passes, and nothing is changed") {
    const TemporaryFolder folder;
    for (const auto previous : {AtomicFile::Previous::replace, AtomicFile::Previous::keep}) {
        CHECK_NOTHROW(gacc::check_writable(folder.path() / "file", "--save", previous));
        CHECK(names(folder.path()).empty());
    }
    save(folder.path() / "file", "old");
    save(folder.path() / "file", "new");
    const auto written = fs::last_write_time(folder.path() / "file");
    for (const auto previous : {AtomicFile::Previous::replace, AtomicFile::Previous::keep}) {
        CHECK_NOTHROW(gacc::check_writable(folder.path() / "file", "--save", previous));
    }
    CHECK(content(folder.path() / "file") == "new");
    CHECK(content(folder.path() / "file.prev") == "old");
    CHECK(fs::last_write_time(folder.path() / "file") == written);
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("check_writable: refuses with the error that saving would give") {
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "file.prev");
    const auto refusal = [&](const fs::path& path) {
        std::vector<std::string> texts;
        for (const bool saving : {false, true}) {
            try {
                saving ? save(path, "new") : gacc::check_writable(path, "save", AtomicFile::Previous::keep);
                FAIL("expected an error");
            } catch (const gacc::OutputError& error) { texts.emplace_back(error.what()); }
        }
        CHECK(texts[0] == texts[1]);
        return texts[0];
    };
    CHECK(refusal(folder.path() / "file") ==
          "gacc: save: expected a file or none as .prev, got something else of that name");
    CHECK_NOTHROW(gacc::check_writable(folder.path() / "file", "save"));
    CHECK(refusal(folder.path() / "file.prev") ==
          "gacc: save: expected a file or none, got something else of that name");
    const std::string missing = refusal(folder.path() / "missing" / "file");
    CHECK(missing.starts_with("gacc: save: expected to create it, got \""));
    CHECK(missing.ends_with("\"; is the folder there, and may it be written?"));
    CHECK(std::ranges::count(missing, '\n') == 0);
    CHECK(names(folder.path()) == std::set<std::string>{"file.prev"});
}

#ifdef _WIN32
TEST_CASE("AtomicFile: what killed processes left behind goes after a minute") {
    const TemporaryFolder folder;
    folder.write("file.0123456789ab.unfinished", {1});
    folder.write("file.0123456789ab.prev.unfinished", {1});
    folder.write("file.ba9876543210.unfinished", {1});
    fs::last_write_time(folder.path() / "file.0123456789ab.unfinished",
                        fs::file_time_type::clock::now() - std::chrono::minutes(2));
    const AtomicFile working(folder.path() / "file", "save");
    save(folder.path() / "file", "new");
    CHECK(names(folder.path()).size() == 3);  // with the file that `working` writes
    CHECK(names(folder.path()).contains("file"));
    CHECK(names(folder.path()).contains("file.ba9876543210.unfinished"));
}

TEST_CASE("AtomicFile: a file marked read-only is refused at once, in the system's words") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    save(path, "old");
    fs::permissions(path, fs::perms::owner_read, fs::perm_options::replace);
    std::string text;
    try {
        gacc::check_writable(path, "save");
    } catch (const gacc::OutputError& error) { text = error.what(); }
    CHECK(
        text.starts_with("gacc: save: expected to replace the file, got \"Access "));  // "is denied.", or as Wine says
    CHECK(text.ends_with("\"; is it yours to replace?"));
    fs::permissions(path, fs::perms::owner_all, fs::perm_options::replace);
    CHECK(content(path) == "old");
}

TEST_CASE("AtomicFile: who may read a file is kept when it is replaced") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    const auto access_list = [&] {
        std::vector<unsigned char> bytes(4096);
        unsigned long size = 0;
        REQUIRE(::GetFileSecurityW(path.c_str(), 4, bytes.data(), 4096, &size) != 0);
        bytes.resize(size);
        return bytes;
    };
    save(path, "old");
    const auto of_a_new_file = access_list();
    PSECURITY_DESCRIPTOR everybody = nullptr;
    REQUIRE(::ConvertStringSecurityDescriptorToSecurityDescriptorW(L"D:P(A;;FA;;;WD)", 1, &everybody, nullptr) != 0);
    REQUIRE(::SetFileSecurityW(path.c_str(), 4, everybody) != 0);
    ::LocalFree(everybody);
    const auto before = access_list();
    REQUIRE(before != of_a_new_file);
    save(path, "new");
    CHECK(access_list() == before);
}

TEST_CASE("AtomicFile: waits for a reader that has the file open for a moment") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    save(path, "old");
    std::ifstream reader(path);
    std::thread saving([&] { save(path, "new"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(content(path) == "old");
    reader.close();
    saving.join();
    CHECK(content(path) == "new");
}
#endif

}  // namespace atomic_file_test
