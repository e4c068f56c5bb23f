#include <gacc/io/posix_file.hpp>

#include "support/faulty_system.hpp"
#include "support/saving.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace posix_file_test {

using gacc::AtomicFile;
namespace fs = std::filesystem;

namespace {

/// Runs f in another process. Its exit code is 0 if f returned, 1 if it threw.
template <class F>
pid_t forked(const F& f) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        try {
            f();
        } catch (...) { std::_Exit(1); }
        std::_Exit(0);
    }
    return child;
}
int status_of(pid_t child) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

/// Starts a process that begins to save to the file, and kills it.
void save_killed(const fs::path& path) {
    const int status = status_of(forked([&] {
        AtomicFile file(path, "save");
        write_text(file, long_text('?'));
        ::raise(SIGKILL);
    }));
    REQUIRE(WIFSIGNALED(status));
}

/// Becomes another user, in `folder`: other users may have no access to its parents.
void become_another_user(const fs::path& folder) {
    if (::chdir(folder.c_str()) != 0 || ::setgid(1234) != 0 || ::setuid(1234) != 0) { std::_Exit(2); }
}

unsigned mode(const fs::path& path) {
    struct stat found {};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    return found.st_mode & 07777;
}

std::string error_of(const fs::path& path) {
    try {
        save(path, "new");
    } catch (const gacc::OutputError& error) { return error.what(); }
    return "none";
}

const std::string left_behind = "file.0123456789ab.unfinished", link_left_behind = "file.0123456789ab.prev.unfinished";

}  // namespace

// --- several processes ---------------------------------------------------------------------------------------------

TEST_CASE("AtomicFile: programs that save to one file at once leave one of theirs, whole, at every look") {
    for (const int programs : {2, 4}) {
        const TemporaryFolder folder;
        const fs::path path = folder.path() / "file";
        const auto text = [](int i) {
            return std::string(100'000 + 70'000 * static_cast<std::size_t>(i), static_cast<char>('a' + i));
        };
        save(path, text(0));
        save(path, text(0));
        const TemporaryFolder other;
        const fs::path stop = other.path() / "stop";
        std::vector<pid_t> children;
        for (int i = 0; i < programs; ++i) {
            children.push_back(forked([&] {
                for (int times = 0; times < 20 || !fs::exists(stop); ++times) { save(path, text(i)); }
            }));
        }
        int torn = 0;
        for (int looks = 0; looks < 150; ++looks) {
            for (const fs::path& file : {path, gacc::previous_file(path)}) {
                const std::string found = content(file);
                torn += found.empty() || found != text(found.front() - 'a');
            }
        }
        std::ofstream(stop).close();
        for (const pid_t child : children) { CHECK(status_of(child) == 0); }
        CHECK(torn == 0);
        CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
    }
}

TEST_CASE("AtomicFile: what killed processes left behind is removed by the next save") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "old");
    for (int i = 0; i < 3; ++i) { save_killed(folder.path() / "file"); }
    folder.write(link_left_behind, {1});  // of one that was killed later, with
    folder.write(left_behind, {1});       // its unfinished file
    folder.write("file.ba9876543210.prev.unfinished", {1});
    CHECK(names(folder.path()).size() == 5);  // each of the three removed the file that the one before it left
    save(folder.path() / "file", "new");
    CHECK(content(folder.path() / "file") == "new");
    CHECK(content(folder.path() / "file.prev") == "old");
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("AtomicFile: what another process is writing is not removed") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    int ready[2], go[2];
    REQUIRE((::pipe(ready) == 0 && ::pipe(go) == 0));
    char byte = 'x';
    const pid_t child = forked([&] {
        AtomicFile file(path, "save", AtomicFile::Previous::keep);
        write_text(file, long_text('c'));
        if (::write(ready[1], &byte, 1) != 1 || ::read(go[0], &byte, 1) != 1) { std::_Exit(2); }
        file.commit();
    });
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    const std::string theirs = *names(folder.path()).begin();
    const std::string their_link =
        theirs.substr(0, theirs.size() - std::string("unfinished").size()) + "prev.unfinished";
    folder.write(their_link, {1});
    save(path, "mine");
    CHECK(names(folder.path()) == std::set<std::string>{"file", theirs, their_link});
    fs::remove(folder.path() / their_link);
    REQUIRE(::write(go[1], &byte, 1) == 1);
    CHECK(status_of(child) == 0);
    CHECK(content(path) == long_text('c'));
    CHECK(content(folder.path() / "file.prev") == "mine");
    for (const int end : {ready[0], ready[1], go[0], go[1]}) { ::close(end); }
}

TEST_CASE("AtomicFile: where files cannot be locked only what is a day old is removed") {
    const TemporaryFolder folder;
    Fault fault("flock", 1, ENOLCK);
    fault.again = true;
    folder.write(left_behind, {1});
    save(folder.path() / "file", "new");
    CHECK(names(folder.path()) == std::set<std::string>{"file", left_behind});
    fs::last_write_time(folder.path() / left_behind, fs::file_time_type::clock::now() - std::chrono::hours(25));
    save(folder.path() / "file", "new");
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
}

TEST_CASE("AtomicFile: a new file that another process has just locked gets another name") {
    const TemporaryFolder folder;
    const Fault fault("flock", 1, EWOULDBLOCK);
    save(folder.path() / "file", "new");
    CHECK(fault.calls.at("flock") == 2);
    CHECK(content(folder.path() / "file") == "new");
    CHECK(names(folder.path()) == std::set<std::string>{"file"});
}

TEST_CASE("AtomicFile: other names than those of unfinished files are left alone, and other things than files") {
    const TemporaryFolder folder;
    std::set<std::string> others;
    for (const std::string name :
         {"file.unfinished", "file.0123456789aB.unfinished", "file.0123456789ab.unfinished2",
          "file.0123456789a.unfinished", "file2.0123456789ab.unfinished", "afile.0123456789ab.unfinished",
          "file.0123456789ab", "file.0123456789abc.unfinished"}) {
        folder.write(name, {1});
        others.insert(name);
    }
    REQUIRE(::mkfifo((folder.path() / "file.111111111111.unfinished").c_str(), 0600) == 0);
    fs::create_directory(folder.path() / "file.222222222222.unfinished");
    fs::create_symlink("file2.0123456789ab.unfinished", folder.path() / "file.333333333333.unfinished");
    for (const char digit : {'1', '2', '3'}) { others.insert("file." + std::string(12, digit) + ".unfinished"); }
    save(folder.path() / "file", "new");
    others.insert("file");
    CHECK(names(folder.path()) == others);
}

// --- permissions and links -----------------------------------------------------------------------------------------

TEST_CASE("AtomicFile: a new file has the permissions that umask leaves, a replaced one keeps its own") {
    const TemporaryFolder folder;
    const mode_t before = ::umask(027);
    save(folder.path() / "file", "new");
    ::umask(before);
    CHECK(mode(folder.path() / "file") == 0640);
    for (const unsigned wanted : {0600U, 0644U, 0666U, 0444U, 0755U, 0400U}) {
        REQUIRE(::chmod((folder.path() / "file").c_str(), wanted) == 0);
        save(folder.path() / "file", "newer");
        CHECK(mode(folder.path() / "file") == wanted);
        CHECK(mode(folder.path() / "file.prev") == wanted);
    }
}

TEST_CASE("AtomicFile: while it is written nobody may read it who may not read the one before it") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "secret");
    REQUIRE(::chmod((folder.path() / "file").c_str(), 0600) == 0);
    const AtomicFile file(folder.path() / "file", "save");
    for (const std::string& name : names(folder.path())) { CHECK(mode(folder.path() / name) == 0600); }
}

TEST_CASE("AtomicFile: owner and group are kept where the system allows it" * doctest::skip(::geteuid() != 0)) {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    save(path, "old");
    REQUIRE(::chown(path.c_str(), 1234, 2345) == 0);
    REQUIRE(::chmod(path.c_str(), 0660) == 0);
    const auto owners = [&] {
        struct stat found {};
        REQUIRE(::stat(path.c_str(), &found) == 0);
        return std::pair(found.st_uid, found.st_gid);
    };
    save(path, "new");
    CHECK(owners() == std::pair<uid_t, gid_t>(1234, 2345));
    CHECK(mode(path) == 0660);
    {
        const Fault fault("fchown", 1, EPERM);  // the owner cannot be kept, the group can
        save(path, "new");
    }
    CHECK(owners() == std::pair<uid_t, gid_t>(0, 2345));
    CHECK(mode(path) == 0660);
    {
        Fault fault("fchown", 1, EPERM);
        fault.again = true;
        REQUIRE(::chmod(path.c_str(), 0664) == 0);
        save(path, "new");
    }
    CHECK(owners() == std::pair<uid_t, gid_t>(0, 0));
    CHECK(mode(path) == 0644);  // the new group does not get the rights of the old one
}

TEST_CASE("AtomicFile: through a symbolic link the file that it leads to is written, and the link stays") {
    const TemporaryFolder folder;
    fs::create_directory(folder.path() / "there");
    save(folder.path() / "there" / "file", "old");
    fs::create_symlink("there/file", folder.path() / "link");
    fs::create_symlink(folder.path() / "link", folder.path() / "link2");
    fs::create_symlink("there/later", folder.path() / "dangling");
    save(folder.path() / "link2", "new");
    save(folder.path() / "dangling", "first");
    for (const std::string name : {"link", "link2", "dangling"}) { CHECK(fs::is_symlink(folder.path() / name)); }
    CHECK(content(folder.path() / "there" / "file") == "new");
    CHECK(content(folder.path() / "there" / "file.prev") == "old");
    CHECK(content(folder.path() / "there" / "later") == "first");
    CHECK(names(folder.path()) == std::set<std::string>{"dangling", "link", "link2", "there"});
    CHECK(names(folder.path() / "there") == std::set<std::string>{"file", "file.prev", "later"});
}

TEST_CASE("AtomicFile: a link to nowhere, and a loop of links, are errors, and stay") {
    const TemporaryFolder folder;
    fs::create_symlink("missing/file", folder.path() / "link");
    fs::create_symlink("loop2", folder.path() / "loop1");
    fs::create_symlink("loop1", folder.path() / "loop2");
    CHECK(error_of(folder.path() / "link") ==
          "gacc: save: expected to create it, got \"No such file or directory\"; "
          "is the folder there, and may it be written?");
    CHECK(error_of(folder.path() / "loop1") ==
          "gacc: save: expected to follow its symbolic link, got \"Too many levels of symbolic links\"; "
          "do links lead to each other?");
    CHECK_THROWS_WITH_AS(
        gacc::check_writable(folder.path() / "loop2", "--save"),
        "gacc: --save: expected to follow its symbolic link, got \"Too many levels of symbolic links\"; "
        "do links lead to each other?",
        gacc::OutputError);
    CHECK(error_of(folder.path() / std::string(256, 'n')) ==
          "gacc: save: expected to create it, got \"File name too long\"; is the folder there, and may it be written?");
    CHECK(names(folder.path()) == std::set<std::string>{"link", "loop1", "loop2"});
}

TEST_CASE("AtomicFile: a pipe of that name is an error, and stays") {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    CHECK(error_of(path) == "gacc: save: expected a file or none, got something else of that name");
    CHECK(fs::is_fifo(path));
    CHECK(names(folder.path()) == std::set<std::string>{"file"});
}

TEST_CASE("AtomicFile: names as long as the system allows, and of bytes that are no text") {
    const TemporaryFolder folder;
    for (const std::string& name : {std::string("\xFF\xFE\x01\n \x80"), std::string(249, '\xFF'), std::string(250, 'n'),
                                    "\xC3\xA4" + std::string(248, 'x')}) {
        save(folder.path() / name, "old");
        save(folder.path() / name, "new");
        CHECK(content(folder.path() / name) == "new");
        CHECK(content(folder.path() / (name + ".prev")) == "old");
    }
    CHECK(names(folder.path()).size() == 8);
    CHECK(error_of(folder.path() / std::string(252, 'n')) ==
          "gacc: save: expected a name of at most 255 bytes with .prev, got one of 257; choose a shorter one");
    save(folder.path() / std::string(255, 'n'), "new", AtomicFile::Previous::replace);
    CHECK(content(folder.path() / std::string(255, 'n')) == "new");
    CHECK(names(folder.path()).size() == 9);
}

TEST_CASE("AtomicFile: another's file in a folder like /tmp is refused at once" * doctest::skip(::geteuid() != 0)) {
    const TemporaryFolder folder;
    REQUIRE(::chmod(folder.path().c_str(), 01777) == 0);
    save(folder.path() / "file", "theirs");
    const int status = status_of(forked([&] {
        become_another_user(folder.path());
        save("mine", "mine");
        gacc::check_writable("mine", "--save");
        const std::string expected =
            "gacc: save: expected to replace the file, got \"Operation not permitted\"; is it yours to replace?";
        std::_Exit(error_of("file") == expected ? 0 : 3);
    }));
    CHECK(status == 0);
    CHECK(names(folder.path()) == std::set<std::string>{"file", "mine"});
}

// --- calls that fail -----------------------------------------------------------------------------------------------

TEST_CASE("AtomicFile: where files have no second name the one before it is copied") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "old");
    const Fault fault("link", 1, EPERM);
    save(folder.path() / "file", "new");
    CHECK(content(folder.path() / "file") == "new");
    CHECK(content(folder.path() / "file.prev") == "old");
    CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
    CHECK(fault.calls.at("fsync") == 3);  // the copy too
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
            CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
        }
    }
    CHECK(tried == 15);  // 2 open, 1 flock, 3 write, 1 fchmod, 2 fsync, 3 close, 1 link, 2 rename
}

TEST_CASE("AtomicFile: every call that fails is an error, and the file that was there stays as it was") {
    const std::vector<std::tuple<std::string, int, std::string>> faults{
        {"open", 1, "create it"},
        {"write", 1, "write it"},
        {"write", 2, "write it"},
        {"write", 3, "write it"},
        {"fchmod", 1, "give it the permissions of the file before it"},
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
            const bool kept = call == "rename" && which == 2;  // both names exist then
            CHECK(content(folder.path() / "file.prev") == (kept ? "old" : "older"));
            CHECK(names(folder.path()) == std::set<std::string>{"file", "file.prev"});
        }
    }
}

TEST_CASE("AtomicFile: where the copy for .prev cannot be synced, the error says so and nothing is left behind") {
    const TemporaryFolder folder;
    save(folder.path() / "file", "old");
    for (const std::string call : {"open", "fsync"}) {
        Fault no_links("link", 1, EPERM);
        no_links.also = {call, 2, EIO};
        CHECK(error_of(folder.path() / "file") ==
              "gacc: save: expected to keep the file that was there as .prev, got \"Input/output error\"; "
              "is there room?");
        CHECK(names(folder.path()) == std::set<std::string>{"file"});
    }
}

TEST_CASE("AtomicFile: where the folder cannot be synced the new file is there, and the error says so") {
    for (const std::string call : {"open", "fsync"}) {
        const TemporaryFolder folder;
        save(folder.path() / "file", "old");
        const Fault fault(call, 2, EIO);
        CHECK(error_of(folder.path() / "file") ==
              "gacc: save: expected to sync the folder, got \"Input/output error\"; the new file is there, "
              "but may be gone after a power failure");
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
    CHECK(error_of(folder.path() / "file") ==
          "gacc: save: expected to write it, got \"Interrupted system call\"; is there room?");
    CHECK(names(folder.path()).empty());
}

TEST_CASE("check_writable: tries to create, to rename and to sync, with the error of the call that fails") {
    const std::vector<std::tuple<std::string, int, std::string>> faults{
        {"open", 1, "create it, got \"Read-only file system\"; is the folder there, and may it be written?"},
        {"fchmod", 1, "give it the permissions of the file before it, got \"Read-only file system\"; may they be set?"},
        {"close", 1, "close it, got \"Read-only file system\"; is the disk in order?"},
        {"rename", 1, "rename it, got \"Read-only file system\"; may the folder be written and read?"},
        {"fsync", 1, "sync the folder, got \"Read-only file system\"; may the folder be written and read?"}};
    for (const auto& [call, which, what] : faults) {
        const TemporaryFolder folder;
        save(folder.path() / "file", "old");
        const Fault fault(call, which, EROFS);
        CHECK_THROWS_WITH_AS(gacc::check_writable(folder.path() / "file", "--save \"file\""),
                             ("gacc: --save \"file\": expected to " + what).c_str(), gacc::OutputError);
        CHECK(content(folder.path() / "file") == "old");
        CHECK(names(folder.path()) == std::set<std::string>{"file"});
    }
}

TEST_CASE("check_writable: a file that can neither be linked nor read cannot be kept" *
          doctest::skip(::geteuid() != 0)) {
    const TemporaryFolder folder;
    const fs::path path = folder.path() / "file";
    save(path, "old");
    REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
    const auto refused = [&](unsigned mode) {
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        return status_of(forked([&] {
            become_another_user(folder.path());
            const Fault fault("link", 1, EPERM);
            gacc::check_writable("file", "save", AtomicFile::Previous::keep);
        }));
    };
    CHECK(WEXITSTATUS(refused(0644)) == 0);
    CHECK(WEXITSTATUS(refused(0600)) == 1);
}

}  // namespace posix_file_test
