#pragma once
// What the programs that compare with PyTorch's traces share: where they lie, and how they are gone through.

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace reference {

using Json = nlohmann::json;

inline constexpr int skipped = 77;  // the exit code that CTest takes for "nothing to compare with"

/// The folder `name` inside `given`, or inside GACC_REFERENCE if that is null; empty, with a word why, if there is none.
inline std::filesystem::path folder(const char* given, const std::string& name) {
    if (given == nullptr) { given = std::getenv("GACC_REFERENCE"); }
    if (given == nullptr) {
        std::printf("skipped: GACC_REFERENCE, a folder with %s/init.safetensors and more, is not set\n", name.c_str());
        return {};
    }
    const auto found = std::filesystem::path(given) / name;
    if (std::filesystem::exists(found)) { return found; }
    std::printf("skipped: there is no folder %s\n", found.string().c_str());
    return {};
}

/// Calls `compare(trace)` for each trace-*.json in the folder. It prints what it finds, and returns whether that is good.
/// The exit code of the program.
template <class Compare>
int compare_traces(const std::filesystem::path& folder, const Compare& compare) {
    if (folder.empty()) { return skipped; }
    int compared = 0, failed = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with("trace-") || !name.ends_with(".json")) { continue; }
        std::printf("%s: ", name.c_str());
        std::ifstream stream(entry.path());
        const bool good = compare(Json::parse(stream));
        std::puts(good ? "" : "  FAILED");
        ++compared;
        failed += good ? 0 : 1;
    }
    std::printf("%d passed, %d failed\n", compared - failed, failed);
    return compared == 0 ? skipped : failed;
}

/// The largest difference; infinite if the numbers are not as many.
inline double largest_difference(const std::vector<double>& ours, const std::vector<double>& theirs) {
    if (ours.size() != theirs.size()) { return HUGE_VAL; }
    double most = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) { most = std::max(most, std::abs(ours[i] - theirs[i])); }
    return most;
}

/// The same as a share of theirs.
inline double largest_share(const std::vector<double>& ours, const std::vector<double>& theirs) {
    if (ours.size() != theirs.size()) { return HUGE_VAL; }
    double most = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) { most = std::max(most, std::abs(ours[i] / theirs[i] - 1)); }
    return most;
}

/// Number i of tensor `which`, from -0.5 to 0.5: what networks.py and gpt2.py compute too.
inline double number(std::uint32_t which, std::ptrdiff_t i) {
    std::uint32_t x = static_cast<std::uint32_t>(i + 1) * 0x9E3779B1U + (which + 1) * 0x85EBCA77U;
    x ^= x >> 16;
    x *= 0x7FEB352DU;
    x ^= x >> 15;
    return static_cast<double>(x) / 4294967296.0 - 0.5;
}

/// The programs, which are compiled as one: each takes what follows its name on the command line.
int cnn(const char* given);
int gpt(const char* given);
int gpt2(const char* golden, const char* folder);
int networks(const char* golden, const char* given);

}  // namespace reference
