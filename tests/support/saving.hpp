#pragma once

#include <gacc/io/atomic_file.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

/// For tests of files: saves a text, reads it, lists the files.

inline std::string content(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline std::set<std::string> names(const std::filesystem::path& folder) {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        all.insert(entry.path().filename().string());
    }
    return all;
}

/// A text that takes three writes of the system, the last one small.
inline std::string long_text(char letter) { return std::string(150'000, letter); }

inline void write_text(gacc::AtomicFile& file, const std::string& text) {
    file.write({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

inline void save(const std::filesystem::path& path, const std::string& text,
                 gacc::AtomicFile::Previous previous = gacc::AtomicFile::Previous::keep) {
    gacc::AtomicFile file(path, "save", previous);
    write_text(file, text);
    file.commit();
}
