#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <system_error>

namespace gacc::inline GACC_ABI::detail {

/// A path for a message.
inline std::string shown_path(const std::filesystem::path& path) { return shown(path.string(), 4096); }

/// A regular file, read from front to back. Other kinds are refused: a pipe would wait for a writer, and a device may
/// never end.
///
/// Throws     DataError if there is no such file, it is not regular or it may not be read; its text ends with `at`
class InputFile {
public:
    InputFile(const std::filesystem::path& path, const std::string& where, const std::string& at = "") {
        std::error_code error;
        const auto status = std::filesystem::status(path, error);
        const auto refuse = [&](const char* got) {
            throw DataError(where, std::string("expected a readable file, got ") + got + at);
        };
        if (!std::filesystem::exists(status)) { refuse("none"); }
        if (std::filesystem::is_directory(status)) { refuse("a folder"); }
        if (!std::filesystem::is_regular_file(status)) { refuse("a pipe, socket or device"); }
        stream_.open(path, std::ios::binary | std::ios::ate);
        const std::streamoff size = stream_.is_open() ? std::streamoff(stream_.tellg()) : -1;
        if (size < 0) { refuse("one that may not be read"); }
        size_ = static_cast<std::uint64_t>(size);
        rewind();
    }

    /// The number of its bytes when it was opened.
    std::uint64_t size() const { return size_; }

    /// Reads from the present position. Returns the number of bytes read.
    std::size_t read(std::span<std::uint8_t> bytes) {
        stream_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        return static_cast<std::size_t>(stream_.gcount());
    }

    /// Goes back to the front.
    void rewind() {
        stream_.clear();
        stream_.seekg(0);
    }

private:
    std::ifstream stream_;
    std::uint64_t size_ = 0;
};

/// All of a file that was just opened.
///
/// Throws     std::bad_alloc if it does not fit into memory; DataError naming `place` if it has become shorter
inline std::string read_text(InputFile& file, const std::string& place) {
    if (file.size() > static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
        throw std::bad_alloc();
    }
    std::string content(static_cast<std::size_t>(file.size()), '\0');
    if (file.read({reinterpret_cast<std::uint8_t*>(content.data()), content.size()}) != content.size()) {
        throw DataError(place, text("expected ", grouped(content.size()), " bytes, got fewer while reading"));
    }
    return content;
}

}  // namespace gacc::detail
