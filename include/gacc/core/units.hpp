#pragma once

#include <gacc/core/abi.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>

/// A unit is a source file with all that it includes. Before main(), every unit says here for which processor it was
/// compiled. Units that differ cannot exchange gacc's own types (see GACC_ABI). But gacc::Matrix and views are types of
/// Eigen. They would link, and then free memory that they did not allocate. So a program with such units ends at its
/// start, with the names of two of them.
///
/// This namespace lies outside GACC_ABI, because all units must share it.
namespace gacc::units {

struct Unit {
    const char* processor;
    const char* file;
};

/// The first unit that was checked, of the program or of a library with hidden symbols (-fvisibility=hidden). Such a
/// library shares no types, so it may be compiled for another processor.
inline Unit first{};

inline bool check(const char* processor, const char* file) {
    if (first.processor == nullptr) { first = {processor, file}; }
    if (std::string_view(first.processor) == processor) { return true; }
    std::fprintf(stderr,
                 "gacc: start: expected all units compiled for one kind of processor, got %s for %s and %s for %s; "
                 "compile all of them with the same -march\n",
                 first.processor, first.file, processor, file);
    std::abort();  // nobody can catch an exception before main()
}

namespace {

[[maybe_unused]] const bool checked = check(detail::processor, __BASE_FILE__);

}  // namespace
}  // namespace gacc::units
