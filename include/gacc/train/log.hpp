#pragma once

#include <gacc/core/clock.hpp>
#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// What is known after a step: numbers by their names, such as "loss" or "validation/loss".
///
/// Throws     UsageError if a name is empty, is not of a-z, 0-9, _ and /, or comes twice
/// Example    gacc::LogLine line(adam.steps());
///            line.add("loss", mean.mean()).add("learning_rate", adam.options().learning_rate);
///            log.write(line);
class LogLine {
public:
    explicit LogLine(Index step)
        : LogLine(step, std::chrono::duration<double>(detail::WallClock::now().time_since_epoch()).count()) {}
    /// At so many seconds since 1970.
    LogLine(Index step, double time) : step_(step), time_(time) {}

    LogLine& add(std::string_view name, double value) {
        const bool valid = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '/';
        });
        if (!valid || name == "step" || name == "time" || value_of(name) != nullptr) {
            throw UsageError("LogLine::add", "expected a new name of a-z, 0-9, _ and /, got \"" + std::string(name) + '"');
        }
        values_.emplace_back(name, value);
        return *this;
    }

    Index step() const { return step_; }
    double time() const { return time_; }
    const std::vector<std::pair<std::string, double>>& values() const { return values_; }
    /// Null if there is none.
    const double* value_of(std::string_view name) const {
        for (const auto& [known, value] : values_) {
            if (known == name) { return &value; }
        }
        return nullptr;
    }

private:
    Index step_;
    double time_;
    std::vector<std::pair<std::string, double>> values_;
};

/// Where lines go. A line is in the file when write() returns, so a killed run keeps its log.
///
/// Throws     OutputError if the file cannot be written
class Log {
public:
    virtual ~Log() = default;
    virtual void write(const LogLine& line) = 0;
};

namespace detail {

/// The shortest text from which the same number is read. Empty for NaN and infinity, which JSON does not have.
inline std::string shortest(double number) {
    if (!std::isfinite(number)) { return ""; }
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    return {text, end};
}

}  // namespace detail
}  // namespace gacc
