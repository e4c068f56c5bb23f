#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/thread_pool.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

namespace gacc::inline GACC_ABI {

namespace detail {

inline int available_threads() {
    return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, ThreadPool::most_threads);
}

inline std::atomic<int>& thread_setting() {
    static std::atomic<int> setting{available_threads()};
    return setting;
}

}  // namespace detail

/// Sets the number of threads that a call of the library may use: n, but at most 64. 0, the default, means as many as
/// the machine has. The results are the same bytes for every n.
///
/// Throws     UsageError if n is negative
inline void set_threads(int n) {
    if (n < 0) { throw UsageError("set_threads", detail::text("expected 0 or more threads, got ", n)); }
    detail::thread_setting() = n > 0 ? std::min(n, detail::ThreadPool::most_threads) : detail::available_threads();
}

/// The number of threads that a call of the library may use.
inline int threads() { return detail::thread_setting(); }

namespace detail {

/// The first item of part `i` of `parts`. A 32-bit Index could not hold the product.
inline Index share(Index items, Index i, Index parts) { return static_cast<Index>(std::int64_t{items} * i / parts); }

/// The multiply-adds that pay for waking a thread.
inline constexpr std::int64_t worth_a_thread = 100'000;

/// Calls f(first, last) for parts that together are [0, items), shared out over the threads. `work` is the number of
/// multiply-adds in all. If it is too small to pay for waking a thread, there are fewer parts. Within a part of another
/// job there is one part. No part has fewer items than `least`.
template <class F>
void parallel_for(Index items, std::int64_t work, const F& f, Index least = 1) {
    constexpr std::int64_t parts_a_thread = 2;  // since a thread may come late
    const std::int64_t most = items / least;
    const std::int64_t team = std::min({std::int64_t{threads()}, most, work / worth_a_thread});
    if (team <= 1 || ThreadPool::is_within_part()) { return f(Index{0}, items); }
    const auto parts =
        static_cast<Index>(std::min({most, team * parts_a_thread, work / (worth_a_thread / parts_a_thread)}));
    ThreadPool::instance().run(
        parts, static_cast<int>(team), [&](Index part) { f(share(items, part, parts), share(items, part + 1, parts)); },
        threads());
}

}  // namespace detail
}  // namespace gacc
