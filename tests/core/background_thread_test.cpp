#include <gacc/core/background_thread.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace background_thread_test {

using gacc::detail::BackgroundThread;

TEST_CASE("BackgroundThread: each start does the job once, and wait sees what it wrote") {
    int done = 0;
    BackgroundThread thread([&] { ++done; });
    thread.wait();  // nothing to wait for
    CHECK(done == 0);
    for (int i = 1; i <= 2000; ++i) {
        thread.start();
        thread.wait();
        REQUIRE(done == i);
    }
    thread.wait();
    CHECK(done == 2000);
}

TEST_CASE("BackgroundThread: the job runs while its owner does something else, on another thread") {
    std::atomic<bool> goes_on{false};
    std::thread::id worker;
    BackgroundThread thread([&] {
        worker = std::this_thread::get_id();
        goes_on.wait(false);
    });
    thread.start();
    goes_on = true;  // start() has returned, so the job can end
    goes_on.notify_all();
    thread.wait();
    CHECK(worker != std::this_thread::get_id());
}

TEST_CASE("BackgroundThread: its end waits for the job under way") {
    bool done = false;
    {
        BackgroundThread thread([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            done = true;
        });
        thread.start();
    }
    CHECK(done);
}

TEST_CASE("BackgroundThread: without a start there is no thread and no job") {
    bool done = false;
    { const BackgroundThread thread([&] { done = true; }); }
    CHECK(!done);
}

}  // namespace background_thread_test
