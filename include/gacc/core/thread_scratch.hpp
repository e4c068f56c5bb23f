#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/types.hpp>
#include <gacc/core/windows_threads.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <new>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Memory for the product kernels of a thread, so that they need little stack. Every thread that trains has one. It is
/// allocated before the thread's first backward pass and freed when the thread ends. Threads of the pool get theirs from
/// the pool. If a kernel asks for more, the pool gives more to all of its threads at the end of the job, so a thread that
/// did no part of it need not allocate in a later step.
///
/// memory::Kind::kernels counts it. Plans do not, since its bytes depend on the number of threads.
class ThreadScratch {
public:
    /// Of a RowProduct, the largest kernel of products: 192 KiB with AVX-512.
    static constexpr std::size_t bytes = 4 * 384 * 2 * std::max(sizeof(Eigen::internal::packet_traits<float>::type),
                                                                sizeof(Eigen::internal::packet_traits<double>::type));

    ThreadScratch() = default;
    ThreadScratch(ThreadScratch&&) noexcept = default;
    ThreadScratch& operator=(ThreadScratch&&) noexcept = default;
    ~ThreadScratch() = default;

    /// The most bytes that a kernel of any thread has asked for.
    static std::size_t most_asked() { return largest().load(std::memory_order_relaxed); }

    /// Allocates that many, unless that has been done. While a kernel uses the memory, it stays as it is. Returns whether
    /// it has so many.
    ///
    /// Throws     std::bad_alloc if there is not enough memory
    bool reserve() {
        const auto most = static_cast<Index>(most_asked());
        if (!in_use_) { buffer_.reserve(most); }
        return buffer_.size() >= most;
    }

    /// The scratch of the calling thread. Null if it was already freed at the end of the thread, for example in
    /// destructors of static objects.
    static ThreadScratch* mine() {
#ifdef _WIN32
        if (given() != nullptr) { return given(); }
        if (slot() == no_slot) { return nullptr; }
        if (void* kept = ::FlsGetValue(slot())) { return static_cast<ThreadScratch*>(kept); }
        auto* own = new (std::nothrow) ThreadScratch;
        if (own == nullptr || ::FlsSetValue(slot(), own) == 0) {
            delete own;
            return nullptr;
        }
        return own;
#else
        struct Own {
            ThreadScratch scratch;
            ~Own() { slot() = {.current = nullptr, .ended = true}; }
        };
        if (slot().current == nullptr && !slot().ended) {
            thread_local Own own;
            slot().current = &own.scratch;
        }
        return slot().current;
#endif
    }
    /// Allocates the memory of the calling thread, so that kernels need not.
    static void reserve_mine() {
        if (ThreadScratch* scratch = mine()) { scratch->reserve(); }
    }
    /// Makes this the scratch of the calling thread: for threads of the pool, which must not allocate.
    static void set_mine(ThreadScratch& scratch) {
#ifdef _WIN32
        given() = &scratch;
#else
        slot().current = &scratch;
#endif
    }

    /// `count` numbers with any content. They lie in the thread's scratch. If that is gone, or in use by a kernel that
    /// called this one, they lie in memory of their own.
    template <class Scalar>
    class Numbers {
    public:
        explicit Numbers(std::size_t count)
            : scratch_(mine()), lent_(scratch_ != nullptr && !std::exchange(scratch_->in_use_, true)) {
            Buffer<std::byte>& buffer = lent_ ? scratch_->buffer_ : apart_;
            try {
                const std::size_t needed = count * sizeof(Scalar);
                if (lent_) { ask(needed); }
                buffer.reserve(static_cast<Index>(std::max(needed, lent_ ? bytes : 0)));
            } catch (...) {
                give_back();
                throw;
            }
            data_ = reinterpret_cast<Scalar*>(buffer.data());
        }
        Numbers(const Numbers&) = delete;
        Numbers& operator=(const Numbers&) = delete;
        ~Numbers() { give_back(); }

        Scalar* data() const { return data_; }

    private:
        void give_back() const {
            if (lent_) { scratch_->in_use_ = false; }
        }

        ThreadScratch* scratch_;
        bool lent_;  // by the thread
        Buffer<std::byte> apart_{memory::Kind::kernels};
        Scalar* data_ = nullptr;
    };

private:
    static std::atomic<std::size_t>& largest() {
        static std::atomic<std::size_t> count{bytes};
        return count;
    }
    static void ask(std::size_t count) {
        std::size_t before = most_asked();
        while (count > before && !largest().compare_exchange_weak(before, count, std::memory_order_relaxed)) {}
    }

#ifdef _WIN32
    // A thread's scratch is not a thread_local object: g++ for Windows frees those before it calls their destructors.
    // The slot is never freed, so a DLL with gacc in it must stay loaded until the threads that trained in it end.
    static constexpr unsigned long no_slot = 0xFFFFFFFF;
    static unsigned long slot() {
        static const unsigned long of_all_threads = ::FlsAlloc(thread_ends);
        return of_all_threads;
    }
    static void __stdcall thread_ends(void* own) { delete static_cast<ThreadScratch*>(own); }
    static ThreadScratch*& given() {
        constinit thread_local ThreadScratch* to_this_thread = nullptr;
        return to_this_thread;
    }
#else
    struct Slot {
        ThreadScratch* current = nullptr;
        bool ended = false;
    };
    static Slot& slot() {
        constinit thread_local Slot of_this_thread;  // nothing destroys it, so it can be read to the very end
        return of_this_thread;
    }
#endif

    Buffer<std::byte> buffer_{memory::Kind::kernels};
    bool in_use_ = false;
};

}  // namespace gacc::detail
