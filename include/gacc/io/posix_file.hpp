#pragma once

#include <gacc/core/abi.hpp>

#ifndef _WIN32

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gacc::inline GACC_ABI::detail {

/// A new file, by the calls of POSIX, as io/system_file.hpp describes it.
///
/// The lock is flock's. The system releases it whenever the process ends, so a file without a lock was left behind by a
/// killed process. The lock belongs to the open file, not to one descriptor: a second descriptor holds it after
/// close().
class SystemFile {
public:
    SystemFile() = default;
    SystemFile(const SystemFile&) = delete;
    SystemFile& operator=(const SystemFile&) = delete;
    ~SystemFile() { release(); }

    std::error_code create(const std::filesystem::path& path, const std::filesystem::path& replaced) {
        struct stat found {};
        replaces_ = ::stat(replaced.c_str(), &found) == 0;
        if (!replaces_ && errno != ENOENT) { return last_error(); }
        owner_ = found.st_uid;
        group_ = found.st_gid;
        mode_ = found.st_mode & 0777;
        file_ = opened(path, O_WRONLY | O_CREAT | O_EXCL, replaces_ ? 0600 : 0666);
        if (file_ < 0) { return last_error(); }
        const auto error = lock();
        if (error) {
            ::unlink(path.c_str());
            release();
        }
        return error;
    }

    std::error_code write(std::span<const std::uint8_t> bytes) {
        while (!bytes.empty()) {
            const long count = retried([&] { return ::write(file_, bytes.data(), bytes.size()); });
            if (count == 0) { return std::make_error_code(std::errc::io_error); }
            if (count < 0) { return last_error(); }
            bytes = bytes.subspan(static_cast<std::size_t>(count));
        }
        return {};
    }

    std::error_code take_permissions() {
        struct stat mine {};
        if (!replaces_) { return {}; }
        if (::fstat(file_, &mine) != 0) { return last_error(); }
        mode_t mode = mode_;
        if ((mine.st_uid != owner_ || mine.st_gid != group_) && ::fchown(file_, owner_, group_) != 0 &&
            mine.st_gid != group_ && ::fchown(file_, static_cast<uid_t>(-1), group_) != 0) {
            mode &= ~mode_t{070} | (mode << 3);  // a group other than before gets the rights of all users only
        }
        if ((mine.st_mode & 0777) == mode) { return {}; }
        return retried([&] { return ::fchmod(file_, mode); }) == 0 ? std::error_code() : last_error();
    }

    std::error_code sync() {
        return retried([&] { return ::fsync(file_); }) == 0 ? std::error_code() : last_error();
    }

    std::error_code close() {
        return ::close(std::exchange(file_, -1)) == 0 || errno == EINTR ? std::error_code() : last_error();
    }

    void release() {
        for (int* handle : {&file_, &lock_}) {
            if (*handle >= 0) { ::close(std::exchange(*handle, -1)); }
        }
    }

    static std::error_code rename(const std::filesystem::path& from, const std::filesystem::path& to) {
        return retried([&] { return ::rename(from.c_str(), to.c_str()); }) == 0 ? std::error_code() : last_error();
    }

    static std::error_code link(const std::filesystem::path& from, const std::filesystem::path& to) {
        return ::link(from.c_str(), to.c_str()) == 0 ? std::error_code() : last_error();
    }

    /// In a sticky folder (/tmp) only the owner of the file or of the folder may replace a file.
    static std::error_code replaceable(const std::filesystem::path& path, const std::filesystem::path& folder) {
        struct stat file {};
        struct stat parent {};
        const bool known = ::lstat(path.c_str(), &file) == 0 && ::stat(folder.c_str(), &parent) == 0;
        const uid_t me = ::geteuid();
        const bool refused =
            known && (parent.st_mode & S_ISVTX) != 0 && me != 0 && me != file.st_uid && me != parent.st_uid;
        return refused ? std::make_error_code(std::errc::operation_not_permitted) : std::error_code();
    }

    static std::error_code sync_data(const std::filesystem::path& path) { return synced(path, 0); }

    /// EINVAL means that folders cannot be synced here.
    static std::error_code sync_folder(const std::filesystem::path& folder) {
        const auto error = synced(folder, O_DIRECTORY);
        return error == std::errc::invalid_argument ? std::error_code() : error;
    }

    /// If the file system has no locks (some NFS), a file counts as left behind if it was not written to for a day
    /// before this one was created.
    void remove_left_behind(const std::filesystem::path& path, const std::filesystem::path& owner) const {
        int handle = opened(owner, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
        if (handle < 0 && errno == EACCES) {  // its permissions let nobody write to it
            handle = opened(owner, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
        }
        if (handle < 0) {
            if (errno == ENOENT) { ::unlink(path.c_str()); }
            return;
        }
        struct stat theirs {};
        struct stat mine {};
        if (::fstat(handle, &theirs) == 0 && S_ISREG(theirs.st_mode)) {
            const bool locked = retried([&] { return ::flock(handle, LOCK_EX | LOCK_NB); }) == 0;
            const bool in_use = !locked && errno == EWOULDBLOCK;
            const bool old = ::fstat(file_, &mine) == 0 && theirs.st_mtime < mine.st_mtime - 24 * 60 * 60;
            if (locked || (!in_use && old)) { ::unlink(path.c_str()); }
        }
        ::close(handle);
    }

    static std::size_t longest_name(const std::filesystem::path& folder) {
        const long longest = ::pathconf(folder.c_str(), _PC_NAME_MAX);
        return longest > 0 ? static_cast<std::size_t>(longest) : 255;
    }

    static std::uint64_t process() { return static_cast<std::uint64_t>(::getpid()); }

private:
    /// Does nothing if the file system has no locks. Until the lock is held, the new file looks like one that was left
    /// behind, and another process may remove it.
    std::error_code lock() {
        lock_ = ::fcntl(file_, F_DUPFD_CLOEXEC, 0);
        if (lock_ < 0) { return last_error(); }
        struct stat mine {};
        const bool taken = retried([&] { return ::flock(lock_, LOCK_EX | LOCK_NB); }) != 0
                               ? errno == EWOULDBLOCK
                               : ::fstat(file_, &mine) == 0 && mine.st_nlink == 0;
        return taken ? std::make_error_code(std::errc::file_exists) : std::error_code();
    }

    static std::error_code last_error() { return {errno, std::generic_category()}; }

    /// Repeats a system call while a signal interrupts it.
    template <class Call>
    static long retried(const Call& call) {
        long result = call();
        for (int tries = 0; result < 0 && errno == EINTR && tries < 100; ++tries) { result = call(); }
        return result;
    }

    static int opened(const std::filesystem::path& path, int flags, mode_t mode = 0) {
        return static_cast<int>(retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }));
    }

    static std::error_code synced(const std::filesystem::path& path, int flags) {
        const int handle = opened(path, O_RDONLY | flags);
        if (handle < 0) { return last_error(); }
        const auto error = retried([&] { return ::fsync(handle); }) == 0 ? std::error_code() : last_error();
        ::close(handle);
        return error;
    }

    int file_ = -1;
    int lock_ = -1;
    bool replaces_ = false;  // there is a file to replace, with this owner, group and mode
    uid_t owner_ = 0;
    gid_t group_ = 0;
    mode_t mode_ = 0;
};

}  // namespace gacc::detail

#endif
