#include <gacc/core/parallel.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace parallel_test {

using gacc::Index;

namespace {

/// The number of visits of each of `items`.
std::vector<int> visits(Index items, Index work, int& calls) {
    std::vector<int> seen(static_cast<std::size_t>(items));
    std::mutex mutex;
    calls = 0;
    gacc::detail::parallel_for(items, work, [&](Index first, Index last) {
        const std::lock_guard lock(mutex);
        ++calls;
        for (Index i = first; i < last; ++i) { ++seen[static_cast<std::size_t>(i)]; }
    });
    return seen;
}

}  // namespace

TEST_CASE("parallel_for: visits every item once, whatever the number of threads") {
    const int before = gacc::threads();
    for (const int n : {1, 2, 3, 8}) {
        gacc::set_threads(n);
        for (const Index items : {1, 2, 7, 100}) {
            int calls = 0;
            CHECK(visits(items, 100'000'000, calls) == std::vector<int>(static_cast<std::size_t>(items), 1));
            CHECK(calls == (n == 1 ? 1 : std::min<Index>(items, 2 * std::min<Index>(n, items))));
        }
    }
    gacc::set_threads(before);
}

// On a 32-bit machine items x parts does not fit an Index. Once the last parts began before the first.
TEST_CASE("parallel_for: the parts of two billion items follow each other, and are of one size") {
    const int before = gacc::threads();
    gacc::set_threads(3);
    constexpr Index items = 2'000'000'001;
    std::mutex mutex;
    std::vector<std::pair<Index, Index>> parts;
    gacc::detail::parallel_for(items, std::int64_t{items} * 1000, [&](Index first, Index last) {
        const std::lock_guard lock(mutex);
        parts.emplace_back(first, last);
    });
    std::ranges::sort(parts);
    REQUIRE(parts.size() == 6);
    Index end = 0;
    for (const auto& [first, last] : parts) {
        CHECK(first == end);
        CHECK(last - first - items / 6 <= 1);
        CHECK(last - first - items / 6 >= 0);
        end = last;
    }
    CHECK(end == items);
    gacc::set_threads(before);
}

TEST_CASE("parallel_for: little work stays on one thread") {
    int calls = 0;
    visits(100, 1000, calls);
    CHECK(calls == 1);
}

TEST_CASE("parallel_for: no part has fewer items than asked for") {
    const int before = gacc::threads();
    gacc::set_threads(8);
    std::mutex mutex;
    Index smallest = 100, items = 0;
    gacc::detail::parallel_for(
        100, 100'000'000,
        [&](Index first, Index last) {
            const std::lock_guard lock(mutex);
            smallest = std::min(smallest, last - first);
            items += last - first;
        },
        30);
    CHECK(items == 100);
    CHECK(smallest >= 30);
    gacc::set_threads(before);
}

TEST_CASE("set_threads: refuses a negative number and keeps what was") {
    const int before = gacc::threads();
    CHECK_THROWS_WITH_AS(gacc::set_threads(-1), "gacc: set_threads: expected 0 or more threads, got -1",
                         gacc::UsageError);
    CHECK(gacc::threads() == before);
}

TEST_CASE("set_threads: 0 is as many as the machine has") {
    const int before = gacc::threads();
    gacc::set_threads(0);
    CHECK(gacc::threads() >= 1);
    gacc::set_threads(1'000'000);
    CHECK(gacc::threads() == gacc::detail::ThreadPool::most_threads);
    gacc::set_threads(before);
}

TEST_CASE("parallel_for: within a part of another job there is one part") {
    const int before = gacc::threads();
    gacc::set_threads(4);
    gacc::detail::parallel_for(8, 100'000'000, [](Index, Index) {
        int calls = 0;
        CHECK(visits(100, 100'000'000, calls) == std::vector<int>(100, 1));
        CHECK(calls == 1);
    });
    int calls = 0;
    visits(100, 100'000'000, calls);
    CHECK(calls == 8);
    gacc::set_threads(before);
}

}  // namespace parallel_test
