#pragma once

#include <gacc/core/error.hpp>
#include <gacc/train/log.hpp>
#include <gacc/train/log_file.hpp>

#include <filesystem>
#include <string>
#include <utility>

namespace gacc::inline GACC_ABI {

/// A log with a JSON object on each line: {"step": 3, "time": 1790000000.5, "loss": 0.25}. NaN and infinity are null.
/// A resumed run appends. bench/curves draws it.
///
/// Throws     OutputError if the file cannot be written
/// Example    gacc::JsonLinesLog log("run.jsonl");
class JsonLinesLog final : public Log {
public:
    explicit JsonLinesLog(std::filesystem::path path) : file_("JsonLinesLog", std::move(path)) {}

    void write(const LogLine& line) override {
        std::string text = detail::text("{\"step\": ", line.step(), ", \"time\": ", number(line.time()));
        for (const auto& [name, value] : line.values()) { text += ", \"" + name + "\": " + number(value); }
        file_.write(text + "}\n");
    }

private:
    static std::string number(double value) {
        const std::string text = detail::shortest(value);
        return text.empty() ? "null" : text;
    }

    detail::LogFile file_;
};

}  // namespace gacc
