#pragma once

#include <gacc/core/thread_pool.hpp>
#include <gacc/core/types.hpp>

#include <atomic>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Threads that go through a model, each with a block of samples of its own. Backward, they take turns at the layers with
/// parameters: a block goes through such a step after all blocks before it. So gradients are added up in the order of the
/// blocks, as by one thread.
///
/// Blocks are begun in order. So the first block that is not done waits for nobody.
class BlockTurns {
public:
    BlockTurns() = default;
    BlockTurns(BlockTurns&& other) noexcept : done_(std::move(other.done_)) {}
    BlockTurns& operator=(BlockTurns&& other) noexcept {
        done_ = std::move(other.done_);
        return *this;
    }
    ~BlockTurns() = default;

    /// Allocates for so many steps, and lets no block be through any of them.
    void start(std::size_t steps) {
        if (done_.size() < steps) { done_ = std::vector<std::atomic<Index>>(steps); }
        for (auto& done : done_) { done.store(0, std::memory_order_relaxed); }
        next_.store(0, std::memory_order_relaxed);
        stopped_.store(false, std::memory_order_relaxed);
    }

    /// Calls f(block, thread) for blocks 0 to blocks - 1. `thread` is less than `threads`, and no two calls at one time
    /// have the same. An exception of a call is thrown when all threads have stopped.
    template <class F>
    void run(Index blocks, int threads, const F& f) {
        ThreadPool::instance().run(
            threads, threads,
            [&](Index thread) {
                while (!stopped()) {
                    const Index block = next_.fetch_add(1, std::memory_order_relaxed);
                    if (block >= blocks) { return; }
                    try {
                        f(block, static_cast<int>(thread));
                    } catch (...) {
                        stopped_.store(true, std::memory_order_release);
                        throw;
                    }
                }
            },
            threads);
    }

    /// Waits until all blocks before this one are through the step. Returns false if a call has thrown: then they may
    /// never be.
    bool wait(std::size_t step, Index block) const {
        for (int spins = 0; done_[step].load(std::memory_order_acquire) < block; ++spins) {
            if (stopped()) { return false; }
            spins < ThreadPool::patience ? ThreadPool::pause() : std::this_thread::yield();
        }
        return true;
    }
    void pass(std::size_t step, Index block) { done_[step].store(block + 1, std::memory_order_release); }

private:
    bool stopped() const { return stopped_.load(std::memory_order_acquire); }

    std::vector<std::atomic<Index>> done_;  // blocks that are through each step
    std::atomic<Index> next_{0};            // block to begin
    std::atomic<bool> stopped_{false};
};

}  // namespace gacc::detail
