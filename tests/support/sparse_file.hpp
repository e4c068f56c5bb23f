#pragma once

#include <cstdint>
#include <filesystem>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#include <winioctl.h>

#include <system_error>
#endif

/// Makes a file longer, with zeros that take no space on the disk.
inline void lengthen(const std::filesystem::path& path, std::uintmax_t size) {
#ifdef _WIN32
    // resize_file would write every zero.
    const HANDLE file = ::CreateFileW(path.c_str(), GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
    DWORD none = 0;
    LARGE_INTEGER end;
    end.QuadPart = static_cast<LONGLONG>(size);
    const bool done = file != INVALID_HANDLE_VALUE &&
                      ::DeviceIoControl(file, FSCTL_SET_SPARSE, nullptr, 0, nullptr, 0, &none, nullptr) != 0 &&
                      ::SetFilePointerEx(file, end, nullptr, FILE_BEGIN) != 0 && ::SetEndOfFile(file) != 0;
    const std::error_code error(static_cast<int>(::GetLastError()), std::system_category());
    ::CloseHandle(file);
    if (!done) { throw std::filesystem::filesystem_error("lengthen", path, error); }
#else
    std::filesystem::resize_file(path, size);
#endif
}
