#pragma once

#include <gacc/core/error.hpp>
#include <gacc/train/log.hpp>
#include <gacc/train/log_file.hpp>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A log as a table: the step, the time and these columns. What a line does not have, NaN and infinity are empty cells.
/// A resumed run appends.
///
/// Throws     OutputError if the file cannot be written, or exists with other columns; UsageError from write() if a
///            line has a name that is not a column
/// Example    gacc::CsvLog log("run.csv", {"loss", "learning_rate"});
class CsvLog final : public Log {
public:
    CsvLog(std::filesystem::path path, std::vector<std::string> columns)
        : file_("CsvLog", std::move(path)), columns_(std::move(columns)) {
        std::string head = "step,time";
        for (const std::string& column : columns_) { head += ',' + column; }
        const std::string before = file_.first_line();
        if (before.empty()) {
            file_.write(head + '\n');
        } else if (before != head) {
            throw OutputError("CsvLog", "expected a file with the columns " + head + ", got others");
        }
    }

    void write(const LogLine& line) override {
        for (const auto& [name, value] : line.values()) {
            if (std::find(columns_.begin(), columns_.end(), name) == columns_.end()) {
                throw UsageError("CsvLog::write", "expected names of columns, got \"" + name + '"');
            }
        }
        std::string text = detail::text(line.step(), ',', detail::shortest(line.time()));
        for (const std::string& column : columns_) {
            const double* value = line.value_of(column);
            text += ',' + (value != nullptr ? detail::shortest(*value) : "");
        }
        file_.write(text + '\n');
    }

private:
    detail::LogFile file_;
    std::vector<std::string> columns_;
};

}  // namespace gacc
