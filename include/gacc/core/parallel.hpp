#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <atomic>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace gacc {

namespace detail {

inline int available_threads() {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

inline std::atomic<int>& thread_setting() {
    static std::atomic<int> setting{available_threads()};
    return setting;
}

}  // namespace detail

/// How many threads a call of the library may use: n, or as many as the machine has for 0. Without OpenMP there is
/// always one. The results are the same bytes for every n.
///
/// Throws     UsageError if n is negative
inline void set_threads(int n) {
    if (n < 0) { throw UsageError("set_threads", detail::text("expected 0 or more threads, got ", n)); }
#ifdef _OPENMP
    detail::thread_setting() = n > 0 ? n : omp_get_num_procs();
#endif
}

/// Threads that a call of the library may use.
inline int threads() { return detail::thread_setting(); }

namespace detail {

/// Calls f(first, last) for parts that together are [0, items), each on its own thread. `work` is the number of
/// multiply-adds in all: where it is too little to pay for waking a thread, fewer are used. Within such a part
/// everything is done by its one thread.
template <class F>
void parallel_for(Index items, Index work, const F& f) {
    constexpr Index worth_a_thread = 100'000;
    const Index parts = std::min({Index{threads()}, items, std::max<Index>(work / worth_a_thread, 1)});
    if (parts <= 1) { return f(Index{0}, items); }
#ifdef _OPENMP
    if (omp_in_parallel() != 0) { return f(Index{0}, items); }
    // All threads every time, also those without a part: a team of another size would be made anew.
#pragma omp parallel for num_threads(threads()) schedule(static, 1)
    for (Index part = 0; part < parts; ++part) { f(items * part / parts, items * (part + 1) / parts); }
#else
    f(Index{0}, items);
#endif
}

}  // namespace detail
}  // namespace gacc
