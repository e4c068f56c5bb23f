#pragma once

// The peak of the process's memory, as the kernel counts it (resident pages).

#ifdef _WIN32
// As <windows.h> and <psapi.h> declare them, but without their macros.
struct _PROCESS_MEMORY_COUNTERS;
extern "C" __declspec(dllimport) void* __stdcall GetCurrentProcess();
extern "C" __declspec(dllimport) int __stdcall K32GetProcessMemoryInfo(void* process,
                                                                       _PROCESS_MEMORY_COUNTERS* counters,
                                                                       unsigned long bytes);
#else
#include <sys/resource.h>
#endif

#include <cstddef>
#include <fstream>
#include <string>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/// Starts the count again if the kernel allows it (Linux). On other systems the peak is that of the whole process.
inline void forget_peak_memory() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
#ifdef __linux__
    std::ofstream("/proc/self/clear_refs") << 5;
#endif
}

/// The peak in bytes.
inline std::size_t peak_memory() {
#ifdef _WIN32
    struct {
        unsigned long bytes, page_faults;
        std::size_t peak, others[7];
    } counters{sizeof counters, 0, 0, {}};
    K32GetProcessMemoryInfo(GetCurrentProcess(), reinterpret_cast<_PROCESS_MEMORY_COUNTERS*>(&counters),
                            sizeof counters);
    return counters.peak;
#else
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        std::size_t kibibytes = 0;
        if (word == "VmHWM:" && status >> kibibytes) { return kibibytes * 1024; }
    }
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
#ifdef __APPLE__
    return static_cast<std::size_t>(used.ru_maxrss);
#else
    return static_cast<std::size_t>(used.ru_maxrss) * 1024;
#endif
#endif
}
