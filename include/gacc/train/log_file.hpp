#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/printable.hpp>

#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <string_view>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// A file that grows at its end.
///
/// Throws     OutputError if it cannot be opened or written
class LogFile {
public:
    LogFile(std::string where, std::filesystem::path path)
        : where_(std::move(where)), path_(std::move(path)), file_(path_, std::ios::binary | std::ios::app) {
        check("to open");
    }

    void write(std::string_view bytes) {
        file_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        file_.flush();
        check("to write");
    }

    /// The first line; empty if there is none.
    std::string first_line() const {
        std::ifstream file(path_, std::ios::binary);
        std::string line;
        std::getline(file, line);
        return line;
    }
    const std::string& where() const { return where_; }

private:
    void check(const char* what) const {
        if (file_) { return; }
        throw OutputError(where_, text("expected ", what, " ", escaped(path_.string()), ", got an error"));
    }

    std::string where_;
    std::filesystem::path path_;
    std::ofstream file_;
};

}  // namespace gacc::detail
