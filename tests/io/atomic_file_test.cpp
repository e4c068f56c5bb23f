#include <gacc/io/atomic_file.hpp>

#include "support/faulty_system.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <sys/stat.h>

using gacc::AtomicFile;
namespace fs = std::filesystem;

namespace {

std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> names(const fs::path& folder) {
    std::set<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder)) { all.insert(entry.path().filename().string()); }
    return all;
}

/// Three writes of the system, the last one small.
std::string long_text(char letter) { return std::string(150'000, letter); }

void save(const fs::path& path, const std::string& text, AtomicFile::Previous previous = AtomicFile::Previous::keep) {
    AtomicFile file(path, "save", previous);
    file.write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    file.commit();
}

}  // namespace

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
        file.write(std::vector<std::uint8_t>(100'000, 'x'));
        CHECK(names(folder.path()) == std::set<std::string>{"file", "file.unfinished"});
    }
    CHECK(content(folder.path() / "file") == "old");
    CHECK(names(folder.path()) == std::set<std::string>{"file"});
}

TEST_CASE("AtomicFile: a name without a folder is in this one") {
    const TemporaryFolder folder;
    const fs::path before = fs::current_path();
    fs::current_path(folder.path());
    save("file", "here");
    fs::current_path(before);
    CHECK(content(folder.path() / "file") == "here");
}

TEST_CASE("AtomicFile: what a killed process left behind is written over") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "old");
    std::ofstream(folder.path() / "file.unfinished") << long_text('?');
    std::ofstream(folder.path() / "file.prev.unfinished") << "?";
    save(folder.path() / "file", "new");
    CHECK(content(folder.path() / "file") == "new");
    CHECK(content(folder.path() / "file.prev") == "old");
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("AtomicFile: where files have no second name the one before it is copied") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "old");
    const Fault fault("link", 1, EPERM);
    save(folder.path() / "file", "new");
    CHECK(content(folder.path() / "file") == "new");
    CHECK(content(folder.path() / "file.prev") == "old");
}

TEST_CASE("AtomicFile: short writes and interrupted calls go on") {
    const TemporaryFolder folder;
    std::map<std::string, int> calls;
    save(folder.path() / "file", "old");
    {
        Fault fault;
        fault.short_write = true;
        save(folder.path() / "file", long_text('a'));
        CHECK(content(folder.path() / "file") == long_text('a'));
    }
    {
        const Fault fault;
        save(folder.path() / "file", long_text('b'));
        calls = fault.calls;
    }
    int tried = 0;
    for (const auto& [call, count] : calls) {
        for (int which = 1; which <= count; ++which, ++tried) {
            const Fault fault(call, which, EINTR);
            save(folder.path() / "file", long_text('c'));
            CHECK(content(folder.path() / "file") == long_text('c'));
        }
    }
    CHECK(tried == 12);  // 2 open, 3 write, 2 fsync, 2 close, 1 link, 2 rename
}

TEST_CASE("AtomicFile: every call that fails is an error, and the file that was there stays as it was") {
    const std::vector<std::tuple<std::string, int, std::string>> faults{
        {"open", 1, "create it"},
        {"write", 1, "write it"},
        {"write", 2, "write it"},
        {"write", 3, "write it"},
        {"fsync", 1, "sync it"},
        {"close", 1, "close it"},
        {"rename", 1, "keep the file that was there as .prev"},
        {"rename", 2, "rename it"}};
    for (const int error : {ENOSPC, EIO, EDQUOT, EROFS}) {
        for (const auto& [call, which, what] : faults) {
            const TemporaryFolder folder;
            save(folder.path() / "file", "older");
            save(folder.path() / "file", "old");
            const std::string reason = std::generic_category().message(error);
            {
                const Fault fault(call, which, error);
                try {
                    save(folder.path() / "file", long_text('x'));
                    FAIL("expected an error");
                } catch (const gacc::OutputError& caught) {
                    CHECK(std::string(caught.what())
                              .starts_with("gacc: save: expected to " + what + ", got \"" + reason + "\"; "));
                }
            }
            CHECK(content(folder.path() / "file") == "old");
            const bool kept = call == "rename" && which == 2;  // both names, by then
            CHECK(content(folder.path() / "file.prev") == (kept ? "old" : "older"));
            CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
        }
    }
}

TEST_CASE("AtomicFile: where the folder cannot be synced the new file is there, and the error says so") {
    for (const std::string call : {"open", "fsync"}) {
        const TemporaryFolder folder;
        save(folder.path() / "file", "old");
        const Fault fault(call, 2, EIO);
        CHECK_THROWS_WITH_AS(
            save(folder.path() / "file", "new"),
            "gacc: save: expected to sync the folder, got \"Input/output error\"; the new file is there, "
            "but may be gone after a power failure",
            gacc::OutputError);
        CHECK(content(folder.path() / "file") == "new");
        CHECK(content(folder.path() / "file.prev") == "old");
    }
    const TemporaryFolder folder;
    const Fault fault("fsync", 2, EINVAL);  // a file system on which folders cannot be synced
    CHECK_NOTHROW(save(folder.path() / "file", "new"));
}

TEST_CASE("AtomicFile: a call interrupted for ever is an error at last") {
    const TemporaryFolder folder;
    Fault fault("write", 1, EINTR);
    fault.again = true;
    CHECK_THROWS_WITH_AS(save(folder.path() / "file", "new"),
                         "gacc: save: expected to write it, got \"Interrupted system call\"; is there room?",
                         gacc::OutputError);
    CHECK(names(folder.path()).empty());
}

TEST_CASE("AtomicFile: a folder of that name is an error") {
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "file");
    CHECK_THROWS_WITH_AS(save(folder.path() / "file", "new"),
                         "gacc: save: expected a file or none, got something else of that name", gacc::OutputError);
}

TEST_CASE("AtomicFile: a pipe of that name is an error, and stays") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK_THROWS_WITH_AS(save(path, "new"), "gacc: save: expected a file or none, got something else of that name",
                         gacc::OutputError);
    CHECK(fs::is_fifo(path));
    CHECK(names(folder.path()) == std::set<std::string>{"file"});
}
