#pragma once

// The most memory that the process has held at once, as the kernel counts it (resident pages).

#include <sys/resource.h>

#include <cstddef>
#include <fstream>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/// Starts the count anew, where the kernel allows it (Linux); elsewhere the peak is that of the process's whole life.
inline void forget_peak_memory() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    std::ofstream("/proc/self/clear_refs") << 5;
}

/// In bytes.
inline std::size_t peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        std::size_t kibibytes = 0;
        if (word == "VmHWM:" && status >> kibibytes) { return kibibytes * 1024; }
    }
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<std::size_t>(used.ru_maxrss) * 1024;
}
