#pragma once

// The results of gacc-mnist and gacc-images, as text or as JSON.

#include <gacc/gacc.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

using gacc::Index;

struct Result {
    std::string name;
    gacc::Plan plan;
    Index updates = 0;
    double final_loss = 0;  // mean over the last epoch
    double test_accuracy = 0;
    std::vector<double> validation_accuracy;  // after each epoch, if it was measured
    double seconds_per_epoch = 0;
    double samples_per_second = 0;
    std::size_t peak_memory = 0;  // of the process, bytes
    std::vector<gacc::Matrix<float>> parameters;
    int not_written = 0;  // the exit code, if the checkpoint or the export could not be written
};

/// The largest difference of the parameters of two runs; nothing if they are the same bytes.
inline std::optional<double> difference(const Result& a, const Result& b) {
    bool same = true;
    double largest = 0;
    for (std::size_t i = 0; i < a.parameters.size(); ++i) {
        const auto& left = a.parameters[i];
        const auto& right = b.parameters[i];
        same =
            same && std::memcmp(left.data(), right.data(), static_cast<std::size_t>(left.size()) * sizeof(float)) == 0;
        largest = std::max(largest, static_cast<double>((left - right).cwiseAbs().maxCoeff()));
    }
    return same ? std::nullopt : std::optional(largest);
}

inline std::string fixed(double value, int digits) {
    std::ostringstream out;
    if (std::abs(value) < 1e9) { out << std::fixed; }
    out << std::setprecision(digits) << value;
    return out.str();
}

/// With commas between thousands: 47,040,016.
inline std::string grouped(std::uint64_t number) {
    struct Thousands : std::numpunct<char> {
        char do_thousands_sep() const override { return ','; }
        std::string do_grouping() const override { return "\3"; }
    };
    std::ostringstream out;
    out.imbue(std::locale(std::locale::classic(), new Thousands));  // which deletes it
    out << number;
    return out.str();
}

inline void print_table(const std::vector<Result>& results) {
    const auto row = [&](const char* title, auto cell) {
        std::cout << std::left << std::setw(22) << title << std::right;
        for (const Result& result : results) { std::cout << "  " << std::setw(18) << cell(result); }
        std::cout << '\n';
    };
    row("", [](const Result& r) { return r.name; });
    row("batch (samples)", [](const Result& r) { return std::to_string(r.plan.batch_size); });
    row("micro-batch (samples)", [](const Result& r) { return std::to_string(r.plan.micro_batch); });
    row("updates", [](const Result& r) { return grouped(static_cast<std::uint64_t>(r.updates)); });
    row("final training loss", [](const Result& r) { return fixed(r.final_loss, 4); });
    row("test accuracy", [](const Result& r) { return fixed(100 * r.test_accuracy, 2) + " %"; });
    row("seconds an epoch", [](const Result& r) { return fixed(r.seconds_per_epoch, 2); });
    row("samples/s", [](const Result& r) {
        return grouped(static_cast<std::uint64_t>(std::llround(r.samples_per_second)));
    });
    row("planned memory (MiB)",
        [](const Result& r) { return fixed(static_cast<double>(r.plan.bytes.total()) / 1048576, 1); });
    row("process peak (MiB)", [](const Result& r) { return fixed(static_cast<double>(r.peak_memory) / 1048576, 1); });
}

inline std::string json(const Result& result) {
    std::ostringstream out;
    out << R"({"name": ")" << result.name << R"(", "batch_size": )" << result.plan.batch_size
        << ", \"micro_batch\": " << result.plan.micro_batch << ", \"updates\": " << result.updates
        << ", \"final_loss\": " << fixed(result.final_loss, 6)
        << ", \"test_accuracy\": " << fixed(result.test_accuracy, 4)
        << ", \"seconds_per_epoch\": " << fixed(result.seconds_per_epoch, 4)
        << ", \"samples_per_second\": " << fixed(result.samples_per_second, 0)
        << ", \"planned_bytes\": " << result.plan.bytes.total()
        << ", \"peak_memory_bytes\": " << result.peak_memory;
    const char* separator = ", \"validation_accuracy\": [";
    for (const double accuracy : result.validation_accuracy) {
        out << separator << fixed(accuracy, 4);
        separator = ", ";
    }
    out << (result.validation_accuracy.empty() ? "}" : "]}");
    return out.str();
}
