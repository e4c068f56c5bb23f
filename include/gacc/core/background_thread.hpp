#pragma once

#include <gacc/core/abi.hpp>

#include <atomic>
#include <functional>
#include <system_error>
#include <thread>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// A thread that does one job each time it is told to, while its owner does something else. What the owner wrote before
/// start() is seen by the job, and what the job wrote is seen after wait(). The job must not throw.
///
/// If no thread can be started, start() does the job itself.
class BackgroundThread {
public:
    explicit BackgroundThread(std::function<void()> job) : job_(std::move(job)) {}
    BackgroundThread(const BackgroundThread&) = delete;
    BackgroundThread& operator=(const BackgroundThread&) = delete;
    /// Waits for the job under way.
    ~BackgroundThread() {
        if (!thread_.joinable()) { return; }
        wait();
        tell(State::end);
        thread_.join();
    }

    /// Starts the job. The one before must be over: call wait().
    void start() {
        if (!thread_.joinable() && !start_thread()) { return job_(); }
        tell(State::wanted);
    }

    /// Returns when the job is over, or at once if none was started.
    void wait() const { state_.wait(State::wanted, std::memory_order_acquire); }

private:
    enum class State : int { idle, wanted, end };

    void tell(State state) {
        state_.store(state, std::memory_order_release);
        state_.notify_all();
    }

    bool start_thread() {
        try {
            thread_ = std::thread([this] { work(); });
        } catch (const std::system_error&) { return false; }
        return true;
    }

    void work() {
        while (true) {
            state_.wait(State::idle, std::memory_order_acquire);
            if (state_.load(std::memory_order_acquire) == State::end) { return; }
            job_();
            tell(State::idle);
        }
    }

    std::function<void()> job_;
    std::atomic<State> state_{State::idle};
    std::thread thread_;
};

}  // namespace gacc::inline GACC_ABI::detail
