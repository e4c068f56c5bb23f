#pragma once

#include <gacc/core/abi.hpp>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace gacc::inline GACC_ABI {

namespace detail {

/// The target of the symbolic link `path`, also if it does not exist yet; `path` if it is not a link. The system
/// follows links to folders on the way. `error` is set for a loop of links, or if the system does not say what is
/// there.
inline std::filesystem::path followed(std::filesystem::path path, std::error_code& error) {
    for (int links = 0;; ++links) {
        const auto status = std::filesystem::symlink_status(path, error);
        if (status.type() == std::filesystem::file_type::none) { return path; }
        error.clear();
        if (!std::filesystem::is_symlink(status)) { return path; }
        if (links == 40) {  // Linux's limit
            error = std::make_error_code(std::errc::too_many_symbolic_link_levels);
            return path;
        }
        const auto to = std::filesystem::read_symlink(path, error);
        if (error) { return path; }
        path = path.parent_path() / to;  // `to` alone if it is absolute
    }
}

inline std::filesystem::path with_ending(std::filesystem::path path, const char* ending) { return path += ending; }

inline bool equal_but_for_case(const std::filesystem::path& a, const std::filesystem::path& b) {
    const auto lower = [](auto c) { return c >= 'A' && c <= 'Z' ? static_cast<decltype(c)>(c + 'a' - 'A') : c; };
    return std::ranges::equal(a.native(), b.native(), {}, lower, lower);
}

}  // namespace detail

/// The name that saving to `path` gives to the old file: PATH.prev, beside the file and not beside a symbolic link to
/// it.
inline std::filesystem::path previous_file(const std::filesystem::path& path) {
    std::error_code none;
    return detail::with_ending(detail::followed(path, none), ".prev");
}

/// Whether saving to `a` replaces the file that saving to `b` writes. That is so if both are one name in one folder,
/// after symbolic links, other ways through the folders, and upper and lower case on file systems that ignore it. The
/// files need not exist yet. Two hard links are not the same file: saving replaces one name and leaves the other.
///
/// Example    if (gacc::same_file(save, exported) || gacc::same_file(gacc::previous_file(save), exported)) { ... }
inline bool same_file(const std::filesystem::path& a, const std::filesystem::path& b) {
    std::error_code none;
    const auto place = [&](const std::filesystem::path& path) {
        const auto file = detail::followed(std::filesystem::absolute(path, none), none);
        const auto folder = std::filesystem::weakly_canonical(file.parent_path(), none);
        return ((none ? file.parent_path() : folder) / file.filename()).lexically_normal();
    };
    const auto first = place(a), second = place(b);
    if (first == second) { return true; }
    if (first.parent_path() != second.parent_path() &&
        !std::filesystem::equivalent(first.parent_path(), second.parent_path(), none)) {
        return false;
    }
#if defined(_WIN32) || defined(__APPLE__)
    const bool case_counts = false;
#else
    const bool case_counts = !std::filesystem::equivalent(first, second, none);
#endif
    return case_counts ? first.filename() == second.filename()
                       : detail::equal_but_for_case(first.filename(), second.filename());
}

}  // namespace gacc
