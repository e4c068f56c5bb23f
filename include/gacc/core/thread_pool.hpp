#pragma once

#include <gacc/core/clock.hpp>
#include <gacc/core/thread_scratch.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <thread>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Threads that share the parts of one job at a time. A free thread claims the next part, and so does the caller.
/// Nobody waits for a thread that has not come: on a busy machine, or after a fork, the caller does all parts that the
/// others do not claim. The result must not depend on which thread does a part.
///
/// Each thread claims first from its own range, then from the ranges of others. So it tends to find its numbers in its
/// cache from one job to the next. A claim is one compare-and-swap on a ticket: generation, end, next.
class ThreadPool {
public:
    static constexpr int most_threads = 64;
    static constexpr int patience = 1000;  // pauses before a waiting thread yields its core to those that must finish

    /// The pool of the process. It is never destroyed, since its threads may outlive main().
    static ThreadPool& instance() {
        static auto* pool = new ThreadPool;
        return *pool;
    }

    /// Calls f(part) for every part from 0 to parts - 1 on several threads, and returns when all are done. If a part
    /// throws, its exception is thrown after the others are done. `watching` threads look out for the next job.
    ///
    /// The calling thread does the whole job itself, and stops at the first exception, in three cases: within a part,
    /// while another thread's job runs, or if the job has more parts than a ticket can count.
    template <class F>
    void run(Index parts, int threads, const F& f, int watching = 0) {
        if (threads <= 1 || parts > 0xFFFF || within_part() || busy_.exchange(true, std::memory_order_acquire)) {
            for (Index part = 0; part < parts; ++part) { f(part); }
            return;
        }
        const int ranges = std::min({threads, most_threads, static_cast<int>(std::min<Index>(parts, most_threads))});
        start_workers(ranges - 1);
        watching_.store(std::max(watching, ranges), std::memory_order_relaxed);
        publish(
            parts, ranges, [](const void* job, Index part) { (*static_cast<const F*>(job))(part); }, &f);
        help(0, generation_.load(std::memory_order_relaxed));
        for (int spins = 0; left_.load(std::memory_order_acquire) > 0; ++spins) {
            spins < patience ? pause() : std::this_thread::yield();
        }
        const std::exception_ptr error = std::exchange(error_, nullptr);
        grow_scratch();
        busy_.store(false, std::memory_order_release);
        if (error) { std::rethrow_exception(error); }
    }

    /// Whether the calling thread does a part now. It then does a job alone, so the job need not be cut into parts.
    static bool is_within_part() { return within_part(); }

    /// Between two looks at what another thread does.
    static void pause() {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

private:
    /// The time for which a thread without work looks out for the next job before it sleeps. Waking takes long. A
    /// scheduler that wakes a thread on its caller's core needs some milliseconds to move it to another one.
    static constexpr std::chrono::milliseconds attention{2};

    struct alignas(64) Range {
        std::atomic<std::uint64_t> ticket{0};  // generation in 32 bits, end in 16, next in 16
    };

    static bool& within_part() {
        constinit thread_local bool within = false;
        return within;
    }

    /// Counts the job up with sequential consistency: the look for sleeping threads must not move before it.
    void publish(Index parts, int ranges, void (*call)(const void*, Index), const void* job) {
        failed_.store(false, std::memory_order_relaxed);
        call_.store(call, std::memory_order_relaxed);
        job_.store(job, std::memory_order_relaxed);
        ranges_.store(ranges, std::memory_order_relaxed);
        left_.store(parts, std::memory_order_relaxed);
        const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
        for (Index i = 0; i < ranges; ++i) {
            const auto first = static_cast<std::uint64_t>(parts * i / ranges);
            const auto end = static_cast<std::uint64_t>(parts * (i + 1) / ranges);
            tickets_[static_cast<std::size_t>(i)].ticket.store(std::uint64_t{generation} << 32 | end << 16 | first,
                                                               std::memory_order_release);
        }
        generation_.store(generation, std::memory_order_seq_cst);
        generation_.notify_all();
    }

    /// Claims parts of this generation's job and does them, until all are claimed.
    void help(int me, std::uint32_t generation) {
        const int ranges = ranges_.load(std::memory_order_relaxed);
        for (int i = 0; i < ranges; ++i) {
            auto& ticket = tickets_[static_cast<std::size_t>((me + i) % ranges)].ticket;
            auto now = ticket.load(std::memory_order_acquire);
            while (now >> 32 == generation && (now & 0xFFFF) < (now >> 16 & 0xFFFF)) {
                if (!ticket.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) { continue; }
                do_part(static_cast<Index>(now & 0xFFFF));  // the job stays until left_ counts this part
                now = ticket.load(std::memory_order_acquire);
            }
        }
    }

    void do_part(Index part) {
        within_part() = true;
        try {
            call_.load(std::memory_order_relaxed)(job_.load(std::memory_order_relaxed), part);
        } catch (...) {
            if (!failed_.exchange(true, std::memory_order_relaxed)) { error_ = std::current_exception(); }
        }
        within_part() = false;
        left_.fetch_sub(1, std::memory_order_acq_rel);
    }

    /// If a thread cannot be started (no memory, no rights), there are fewer. A thread's scratch is allocated here, so
    /// that the thread itself allocates nothing.
    void start_workers(int count) {
        try {
            for (; workers_ < count; ++workers_) {
                ThreadScratch& scratch = scratches_[static_cast<std::size_t>(workers_)];
                scratch.reserve();
                std::thread([this, &scratch, me = workers_ + 1, seen = generation_.load()] {
                    ThreadScratch::set_mine(scratch);
                    work(me, seen);
                }).detach();
            }
        } catch (const std::exception&) {}
    }

    /// Gives all threads the scratch that the job asked for, also those that did no part of it. No worker uses its scratch
    /// now. The caller may: it gets more at the end of a later job. If there is no memory, a thread tries again when it
    /// needs it.
    void grow_scratch() {
        const std::size_t asked = ThreadScratch::most_asked();
        if (asked == scratch_bytes_) { return; }
        try {
            for (int i = 0; i < workers_; ++i) { scratches_[static_cast<std::size_t>(i)].reserve(); }
            ThreadScratch* mine = ThreadScratch::mine();
            if (mine == nullptr || mine->reserve()) { scratch_bytes_ = asked; }
        } catch (const std::bad_alloc&) {}
    }

    void work(int me, std::uint32_t seen) {
        while (true) {
            const auto start = Clock::now();
            while (me < watching_.load(std::memory_order_relaxed) &&
                   generation_.load(std::memory_order_acquire) == seen &&
                   Clock::now() - start < attention) {
                for (int i = 0; i < 16; ++i) { pause(); }
            }
            generation_.wait(seen, std::memory_order_acquire);
            seen = generation_.load(std::memory_order_acquire);
            if (me < ranges_.load(std::memory_order_relaxed)) { help(me, seen); }
        }
    }

    std::array<Range, most_threads> tickets_;
    alignas(64) std::atomic<std::uint32_t> generation_{0};  // counts jobs
    alignas(64) std::atomic<Index> left_{0};                // parts not done
    alignas(64) std::atomic<bool> busy_{false};
    std::atomic<void (*)(const void*, Index)> call_{nullptr};
    std::atomic<const void*> job_{nullptr};
    std::atomic<int> ranges_{0};
    std::atomic<int> watching_{0};
    std::atomic<bool> failed_{false};
    std::exception_ptr error_;  // the first exception of a part
    int workers_ = 0;
    std::array<ThreadScratch, most_threads> scratches_;  // of the workers
    std::size_t scratch_bytes_ = ThreadScratch::bytes;   // each has at least these
};

}  // namespace gacc::detail
