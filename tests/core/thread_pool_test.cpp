#include <gacc/core/thread_pool.hpp>

#include <doctest/doctest.h>

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace thread_pool_test {

using gacc::Index;
using gacc::detail::ThreadPool;

namespace {

ThreadPool& pool() { return ThreadPool::instance(); }

}  // namespace

TEST_CASE("ThreadPool: does every part once, job after job") {
    for (int job = 0; job < 20'000; ++job) {
        const int parts = 1 + job % 40, threads = 1 + job % 9;
        std::vector<int> seen(static_cast<std::size_t>(parts));
        pool().run(parts, threads, [&](Index part) { ++seen[static_cast<std::size_t>(part)]; });
        REQUIRE(seen == std::vector<int>(static_cast<std::size_t>(parts), 1));
    }
}

TEST_CASE("ThreadPool: what parts wrote is seen when the job is done") {
    std::vector<double> numbers(1000);
    for (int job = 1; job <= 200; ++job) {
        pool().run(1000, 4, [&](Index part) { numbers[static_cast<std::size_t>(part)] += static_cast<double>(part); });
        REQUIRE(numbers[999] == 999.0 * job);
    }
}

TEST_CASE("ThreadPool: other threads help") {
    std::atomic<bool> met{false};
    for (int tries = 0; tries < 100 && !met; ++tries) {
        std::atomic<int> inside{0};
        pool().run(2, 2, [&](Index) {  // both parts wait a while for each other
            ++inside;
            const auto start = std::chrono::steady_clock::now();
            while (inside < 2 && std::chrono::steady_clock::now() - start < std::chrono::milliseconds(50)) {
                std::this_thread::yield();
            }
            if (inside == 2) { met = true; }
        });
    }
    CHECK(met);
}

TEST_CASE("ThreadPool: within a part everything is done by its own thread") {
    std::atomic<int> done{0}, elsewhere{0};
    pool().run(4, 4, [&](Index) {
        const auto here = std::this_thread::get_id();
        pool().run(8, 4, [&](Index) {
            ++done;
            elsewhere += std::this_thread::get_id() == here ? 0 : 1;
        });
    });
    CHECK(done == 32);
    CHECK(elsewhere == 0);
}

TEST_CASE("ThreadPool: several threads may run jobs at once") {
    std::atomic<long> sum{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller) {
        callers.emplace_back([&] {
            for (int job = 0; job < 500; ++job) {
                pool().run(10, 3, [&](Index part) { sum += part; });
            }
        });
    }
    for (auto& caller : callers) { caller.join(); }
    CHECK(sum == 4 * 500 * 45);
}

TEST_CASE("ThreadPool: an exception of a part reaches the caller after the others are done, and the pool goes on") {
    for (int again = 0; again < 3; ++again) {
        std::atomic<int> done{0};
        CHECK_THROWS_WITH_AS(pool().run(20, 3,
                                        [&](Index part) {
                                            if (part == 7) { throw std::runtime_error("part 7"); }
                                            ++done;
                                        }),
                             "part 7", std::runtime_error);
        CHECK(done == 19);
    }
}

TEST_CASE("ThreadPool: more parts than a ticket can count are done all the same") {
    std::atomic<long> done{0};
    pool().run(70'000, 2, [&](Index) { ++done; });
    CHECK(done == 70'000);
}

#if !defined(__SANITIZE_THREAD__) && !defined(_WIN32)
TEST_CASE("ThreadPool: works in a forked process, where its threads are not") {
    std::atomic<int> done{0};
    pool().run(4, 4, [&](Index) { ++done; });
    const pid_t child = fork();
    if (child == 0) {
        std::atomic<int> alone{0};
        pool().run(100, 4, [&](Index) { ++alone; });
        _exit(alone == 100 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}
#endif

TEST_CASE("ThreadPool: after a job all threads have the scratch that one part asked for") {
    using gacc::detail::ThreadScratch;
    auto& pool = gacc::detail::ThreadPool::instance();
    const auto held = [] { return gacc::memory::live()[gacc::memory::Kind::kernels]; };
    const auto job = [](std::size_t bytes) {
        return [bytes](Index part) { const ThreadScratch::Numbers<char> numbers(part == 0 ? bytes : 16); };
    };
    pool.run(64, 4, job(16));
    const std::size_t asked = ThreadScratch::most_asked() + 4096;
    pool.run(64, 4, job(asked));
    CHECK(ThreadScratch::most_asked() == asked);
    const std::size_t then = held();
    for (int again = 0; again < 200; ++again) { pool.run(64, 4, job(asked)); }  // other threads do part 0
    CHECK(held() == then);
}

TEST_CASE("ThreadPool: scratch that the caller uses during a job stays where it is") {
    using gacc::detail::ThreadScratch;
    auto& pool = gacc::detail::ThreadPool::instance();
    const std::size_t asked = ThreadScratch::most_asked() + 4096;
    {
        const ThreadScratch::Numbers<char> mine(16);
        mine.data()[0] = 7;
        std::thread([&] { const ThreadScratch::Numbers<char> numbers(asked); }).join();
        pool.run(64, 4, [](Index) {});
        const ThreadScratch::Numbers<char> apart(asked);  // which would lie where `mine` was
        std::fill_n(apart.data(), asked, char{1});
        CHECK(mine.data()[0] == 7);
        CHECK(!ThreadScratch::mine()->reserve());
    }
    pool.run(64, 4, [](Index) {});
    const std::size_t then = gacc::memory::live()[gacc::memory::Kind::kernels];
    CHECK(ThreadScratch::mine()->reserve());
    CHECK(gacc::memory::live()[gacc::memory::Kind::kernels] == then);
}

}  // namespace thread_pool_test
