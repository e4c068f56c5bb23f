#pragma once

// Stands in for check_writable and same_file of gacc/io.

#include <gacc/io/atomic_file.hpp>

#include <filesystem>
#include <string>
#include <system_error>

namespace gacc {

/// Throws     OutputError if a file of that name cannot be written now. What is there stays as it is
inline void check_writable(const std::filesystem::path& path, const std::string& where) {
    const AtomicFile never_committed(path, where);
}

/// Whether both names, which need not be there yet, are of one file: by links, or by another way through the folders.
inline bool same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
    const auto resolved = [](std::filesystem::path path) {
        std::error_code error;
        for (int links = 0; links < 40 && std::filesystem::is_symlink(path, error); ++links) {
            path = path.parent_path() / std::filesystem::read_symlink(path, error);
        }
        return std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
    };
    return resolved(a) == resolved(b);
}

}  // namespace gacc
