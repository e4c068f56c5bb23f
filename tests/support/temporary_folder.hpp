#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <system_error>
#include <vector>

using Bytes = std::vector<std::uint8_t>;

/// A new folder for the files of one test, removed with all that is in it.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::random_device random;
        do {
            path_ = std::filesystem::temp_directory_path() / ("gacc_test_" + std::to_string(random()));
        } while (!std::filesystem::create_directory(path_));
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const { return path_; }

    /// Makes a file, or replaces the one of that name.
    std::filesystem::path write(const std::string& name, const Bytes& bytes) const {
        const std::filesystem::path file = path_ / name;
        std::ofstream stream(file, std::ios::binary);
        stream.exceptions(std::ios::badbit | std::ios::failbit);
        stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        stream.close();
        return file;
    }

private:
    std::filesystem::path path_;
};

/// The bytes of an IDX file: magic number, big-endian sizes, content.
inline Bytes idx_bytes(const std::vector<std::uint32_t>& sizes, const Bytes& content) {
    Bytes bytes{0, 0, 8, static_cast<std::uint8_t>(sizes.size())};
    for (const std::uint32_t size : sizes) {
        for (const int shift : {24, 16, 8, 0}) { bytes.push_back(static_cast<std::uint8_t>(size >> shift)); }
    }
    bytes.insert(bytes.end(), content.begin(), content.end());
    return bytes;
}
