#pragma once

#include <gacc/core/abi.hpp>

#ifdef _WIN32

#include <gacc/io/windows_calls.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// A new file, by the calls of Windows, as io/system_file.hpp describes it.
///
/// While it is open, no other process may write or delete it. It must be closed to be renamed. Then it looks like a
/// file that was left behind. So a file that was written to within the last minute does not count as left behind.
class SystemFile {
public:
    SystemFile() = default;
    SystemFile(const SystemFile&) = delete;
    SystemFile& operator=(const SystemFile&) = delete;
    ~SystemFile() { release(); }

    std::error_code create(const std::filesystem::path& path, const std::filesystem::path& replaced) {
        path_ = path;
        replaced_ = replaced;
        file_ = ::CreateFileW(path.c_str(), generic_write, share_read, nullptr, create_new, normal, nullptr);
        if (file_ != no_file()) { return {}; }
        const auto error = last_error();
        return error.value() == already_exists || error.value() == name_exists
                   ? std::make_error_code(std::errc::file_exists)
                   : error;
    }

    std::error_code write(std::span<const std::uint8_t> bytes) {
        while (!bytes.empty()) {
            unsigned long count = 0;
            const auto piece = static_cast<unsigned long>(std::min(bytes.size(), std::size_t{1} << 20));
            if (::WriteFile(file_, bytes.data(), piece, &count, nullptr) == 0) { return last_error(); }
            if (count == 0) { return std::make_error_code(std::errc::io_error); }
            bytes = bytes.subspan(count);
        }
        return {};
    }

    std::error_code take_permissions() {
        unsigned long bytes = 0;
        if (::GetFileAttributesW(replaced_.c_str()) == no_attributes) { return {}; }
        ::GetFileSecurityW(replaced_.c_str(), access_list, nullptr, 0, &bytes);
        std::vector<std::max_align_t> list(bytes / sizeof(std::max_align_t) + 1);
        if (::GetFileSecurityW(replaced_.c_str(), access_list, list.data(), bytes, &bytes) == 0) {
            return last_error().value() == not_supported ? std::error_code() : last_error();
        }
        return called(::SetFileSecurityW(path_.c_str(), access_list, list.data()));
    }

    std::error_code sync() { return called(::FlushFileBuffers(file_)); }

    std::error_code close() { return called(::CloseHandle(std::exchange(file_, no_file()))); }

    void release() {
        if (file_ != no_file()) { ::CloseHandle(std::exchange(file_, no_file())); }
    }

    /// Tries again for a second, since a file that another process has just opened to read cannot be replaced.
    static std::error_code rename(const std::filesystem::path& from, const std::filesystem::path& to) {
        std::error_code error;
        for (int tries = 0; tries < 100; ++tries) {
            error = called(::MoveFileExW(from.c_str(), to.c_str(), replace_existing | write_through));
            if (error.value() != sharing_violation && error.value() != access_denied) { break; }
            if (replaceable(to, {})) { break; }
            ::Sleep(10);
        }
        return error;
    }

    static std::error_code link(const std::filesystem::path& from, const std::filesystem::path& to) {
        return called(::CreateHardLinkW(to.c_str(), from.c_str(), nullptr));
    }

    /// A file with the attribute "read-only" is not replaced.
    static std::error_code replaceable(const std::filesystem::path& path, const std::filesystem::path&) {
        const unsigned long attributes = ::GetFileAttributesW(path.c_str());
        return attributes != no_attributes && (attributes & read_only) != 0
                   ? std::error_code(access_denied, std::system_category())
                   : std::error_code();
    }

    static std::error_code sync_data(const std::filesystem::path& path) {
        void* file = ::CreateFileW(path.c_str(), generic_write, share_read, nullptr, open_existing, normal, nullptr);
        if (file == no_file()) { return last_error(); }
        const auto error = called(::FlushFileBuffers(file));
        ::CloseHandle(file);
        return error;
    }

    /// Nothing to do: rename has written through.
    static std::error_code sync_folder(const std::filesystem::path&) { return {}; }

    void remove_left_behind(const std::filesystem::path& path, const std::filesystem::path& owner) const {
        std::error_code error;
        const auto written = std::filesystem::last_write_time(owner, error);
        if (!error) {
            const auto now = std::filesystem::file_time_type::clock::now();
            if (now - written < std::chrono::minutes(1)) { return; }
            void* file =
                ::CreateFileW(owner.c_str(), generic_write, share_read, nullptr, open_existing, normal, nullptr);
            if (file == no_file()) { return; }  // another process has it open
            ::CloseHandle(file);
        } else if (error != std::errc::no_such_file_or_directory) {
            return;
        }
        ::DeleteFileW(path.c_str());
    }

    static std::size_t longest_name(const std::filesystem::path&) { return 255; }

    static std::uint64_t process() { return ::GetCurrentProcessId(); }

private:
    static constexpr unsigned long generic_write = 0x40000000, share_read = 1, create_new = 1, open_existing = 3;
    static constexpr unsigned long normal = 0x80, read_only = 1, no_attributes = 0xFFFFFFFF;
    static constexpr unsigned long replace_existing = 1, write_through = 8, access_list = 4;
    static constexpr int access_denied = 5, sharing_violation = 32, not_supported = 50, name_exists = 80;
    static constexpr int already_exists = 183;

    static void* no_file() { return reinterpret_cast<void*>(std::intptr_t{-1}); }
    static std::error_code last_error() { return {static_cast<int>(::GetLastError()), std::system_category()}; }
    static std::error_code called(int done) { return done != 0 ? std::error_code() : last_error(); }

    std::filesystem::path path_, replaced_;
    void* file_ = no_file();
};

}  // namespace gacc::detail

#endif
