#pragma once

#include <gacc/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace gacc::inline GACC_ABI {

/// A file that is there whole or not at all, whatever happens while it is written: it is written as PATH.unfinished,
/// synced to the disk, and renamed. Until then the file that was there stays. Needs POSIX.
///
/// Throws     OutputError if the system refuses any part of it; the file that was there is then as it was. (If the very
///            last part fails, to sync the folder, the new file is there, but may be gone after a power failure.)
/// Example    gacc::AtomicFile file(path, "save \"run\"");  file.write(bytes);  file.commit();
class AtomicFile {
public:
    enum class Previous {
        replace,
        keep,  ///< as PATH.prev
    };

    AtomicFile(std::filesystem::path path, std::string where, Previous previous = Previous::replace)
        : path_(std::move(path)), where_(std::move(where)), previous_(previous) {
        waiting_.reserve(chunk);
        std::error_code error;
        if (std::filesystem::is_symlink(path_, error)) { path_ = std::filesystem::weakly_canonical(path_, error); }
        const auto status = std::filesystem::status(path_, error);
        if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
            throw OutputError(where_, "expected a file or none, got something else of that name");
        }
        ::unlink(unfinished().c_str());  // of a process that was killed
        file_ = opened(unfinished(), O_WRONLY | O_CREAT | O_EXCL);
        if (file_ < 0) { fail("create it", "is the folder there, and may it be written?"); }
    }
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile() {
        if (file_ >= 0) { ::close(file_); }
        if (!done_) { ::unlink(unfinished().c_str()); }
    }

    void write(std::span<const std::uint8_t> bytes) {
        while (!bytes.empty()) {
            const auto part = bytes.first(std::min(bytes.size(), chunk - waiting_.size()));
            waiting_.insert(waiting_.end(), part.begin(), part.end());
            bytes = bytes.subspan(part.size());
            if (waiting_.size() == chunk) { flush(); }
        }
    }

    /// Gives the file its name. Once, after the last byte.
    void commit() {
        flush();
        if (retried([&] { return ::fsync(file_); }) != 0) { fail("sync it", "is the disk in order?"); }
        if (::close(std::exchange(file_, -1)) != 0 && errno != EINTR) { fail("close it", "is the disk in order?"); }
        if (previous_ == Previous::keep) { keep_previous(); }
        if (!renamed(unfinished(), path_)) { fail("rename it", "may the folder be written?"); }
        done_ = true;
        sync_folder();
    }

private:
    static constexpr std::size_t chunk = std::size_t{1} << 16;

    std::filesystem::path unfinished() const { return named(".unfinished"); }
    std::filesystem::path named(const char* ending) const {
        std::filesystem::path path = path_;
        return path += ending;
    }

    /// A call of the system again, should a signal have interrupted it.
    template <class Call>
    static long retried(const Call& call) {
        long result = call();
        for (int tries = 0; result < 0 && errno == EINTR && tries < 100; ++tries) { result = call(); }
        return result;
    }
    static int opened(const std::filesystem::path& path, int flags) {
        return static_cast<int>(retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); }));
    }
    static bool renamed(const std::filesystem::path& from, const std::filesystem::path& to) {
        return retried([&] { return ::rename(from.c_str(), to.c_str()); }) == 0;
    }
    [[noreturn]] void fail(const char* what, const char* advice) const {
        throw OutputError(where_, detail::text("expected to ", what, ", got \"", std::generic_category().message(errno),
                                               "\"; ", advice));
    }

    void flush() {
        std::span<const std::uint8_t> rest = waiting_;
        while (!rest.empty()) {
            const long count = retried([&] { return ::write(file_, rest.data(), rest.size()); });
            if (count == 0) { errno = EIO; }
            if (count <= 0) { fail("write it", "is there room?"); }
            rest = rest.subspan(static_cast<std::size_t>(count));
        }
        waiting_.clear();
    }

    /// Gives the file that is there a second name, or where the file system has no such thing, makes a copy. Its first
    /// name never goes.
    void keep_previous() const {
        std::error_code error;
        if (!std::filesystem::exists(path_, error)) { return; }
        const auto link = named(".prev.unfinished");
        ::unlink(link.c_str());
        if (::link(path_.c_str(), link.c_str()) != 0) {
            std::filesystem::copy_file(path_, link, std::filesystem::copy_options::overwrite_existing, error);
            if (error) {
                errno = error.value();
                fail("keep the file that was there as .prev", "is there room?");
            }
        }
        if (!renamed(link, named(".prev"))) {
            const int reason = errno;
            ::unlink(link.c_str());
            errno = reason;
            fail("keep the file that was there as .prev", "may the folder be written?");
        }
    }

    void sync_folder() const {
        const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
        const int handle = opened(folder, O_RDONLY | O_DIRECTORY);
        const bool synced = handle >= 0 && retried([&] { return ::fsync(handle); }) == 0;
        const int reason = errno;
        if (handle >= 0) { ::close(handle); }
        errno = reason;
        if (!synced && errno != EINVAL) {  // which says that here folders cannot be synced
            fail("sync the folder", "the new file is there, but may be gone after a power failure");
        }
    }

    std::filesystem::path path_;
    std::string where_;
    Previous previous_;
    int file_ = -1;
    bool done_ = false;
    std::vector<std::uint8_t> waiting_;  // to be written; at most a chunk
};

}  // namespace gacc
