#include <gacc/core/thread_scratch.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <thread>
#include <vector>

namespace thread_scratch_test {

namespace {

using gacc::detail::ThreadScratch;
using gacc::memory::Kind;

std::size_t held() { return gacc::memory::live()[Kind::kernels]; }

}  // namespace

TEST_CASE("ThreadScratch: a thread has one, which goes with it") {
    const std::size_t before = held();
    std::thread([&] {
        CHECK(held() == before);
        ThreadScratch::reserve_mine();
        CHECK(held() == before + ThreadScratch::most_asked());
        ThreadScratch::reserve_mine();
        const ThreadScratch::Numbers<float> numbers(100);
        numbers.data()[99] = 1;
        CHECK(held() == before + ThreadScratch::most_asked());
    }).join();
    CHECK(held() == before);
}

TEST_CASE("ThreadScratch: what was lent out is lent out again, and a kernel within a kernel gets memory of its own") {
    std::thread([] {
        const float* first = nullptr;
        {
            const ThreadScratch::Numbers<float> numbers(16);
            first = numbers.data();
        }
        const ThreadScratch::Numbers<double> again(16);
        CHECK(static_cast<const void*>(again.data()) == first);
        const std::size_t before = held();
        {
            const ThreadScratch::Numbers<float> within(16);
            CHECK(within.data() != first);
            CHECK(held() == before + 64);
            const ThreadScratch::Numbers<float> deeper(16);
            CHECK(deeper.data() != within.data());
            CHECK(deeper.data() != first);
        }
        CHECK(held() == before);
        const ThreadScratch::Numbers<float> after(16);
        CHECK(after.data() != first);  // `again` still has the scratch of the thread
    }).join();
}

TEST_CASE("ThreadScratch: a thread of the pool works in the one that it was given") {
    std::thread([] {
        ThreadScratch given;
        given.reserve();
        ThreadScratch::set_mine(given);
        const std::size_t before = held();
        CHECK(ThreadScratch::mine() == &given);
        const ThreadScratch::Numbers<float> numbers(16);
        CHECK(held() == before);
    }).join();
}

// On Windows the scratch was a thread_local object. g++ frees those there before their destructors run. Another thread
// wrote over it in between, so the counts were wrong, or the program crashed.
TEST_CASE("ThreadScratch: of threads that end at once each gives back its own") {
    const std::size_t before = held();
    for (int round = 0; round < 200; ++round) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([] {
                ThreadScratch::reserve_mine();
                for (std::size_t size = 16; size < 400; size += 8) {  // takes memory that the others have freed
                    const std::vector<unsigned char> other(size, 0xEE);
                }
            });
        }
        for (auto& thread : threads) { thread.join(); }
    }
    CHECK(held() == before);
}

#ifndef _WIN32  // the test's own thread_local object would be freed before its destructor runs
TEST_CASE("ThreadScratch: kernels work to the end of a thread, in memory of their own when its scratch is gone") {
    struct Last {  // destroyed after the scratch, since it was made before
        const std::size_t* before = nullptr;
        bool* passed = nullptr;
        ~Last() {
            if (passed == nullptr) { return; }
            const bool gone = ThreadScratch::mine() == nullptr && held() == *before;
            ThreadScratch::reserve_mine();
            const ThreadScratch::Numbers<float> numbers(16);
            numbers.data()[15] = 1;
            *passed = gone && held() == *before + 64;
        }
    };
    const std::size_t before = held();
    bool passed = false;
    std::thread([&] {
        thread_local Last last;
        last.before = &before;
        last.passed = &passed;
        ThreadScratch::reserve_mine();
        CHECK(held() == before + ThreadScratch::most_asked());
    }).join();
    CHECK(passed);
    CHECK(held() == before);
}
#endif

}  // namespace thread_scratch_test
