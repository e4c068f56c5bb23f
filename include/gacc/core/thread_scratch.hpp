#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/simd.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Memory that the product kernels of a thread work in, so that they need little stack. Every thread that trains has
/// one; it is taken before the thread's first backward pass and given back when the thread ends. The threads of the
/// pool are given theirs by who starts them.
///
/// memory::Kind::kernels counts it. No plan does, since its bytes depend on the number of threads.
class ThreadScratch {
public:
    /// Of the largest kernel, a RowProduct: 192 KiB with AVX-512.
    static constexpr std::size_t bytes = 4 * 384 * std::max(Simd<float>::width * sizeof(float),
                                                            Simd<double>::width * sizeof(double));

    ThreadScratch() = default;
    ThreadScratch(ThreadScratch&&) noexcept = default;
    ThreadScratch& operator=(ThreadScratch&&) noexcept = default;
    ~ThreadScratch() = default;

    /// Takes the memory, if that has not happened.
    ///
    /// Throws     std::bad_alloc if there is not so much memory
    void reserve() { buffer_.reserve(bytes); }

    /// The scratch of the thread that asks.
    static ThreadScratch& mine() {
        ThreadScratch*& current = slot();
        if (current == nullptr) {
            thread_local ThreadScratch own;
            current = &own;
        }
        return *current;
    }
    /// From now on this one is the thread's: for a thread of the pool, in which nothing may be allocated.
    static void set_mine(ThreadScratch& scratch) { slot() = &scratch; }

    /// `count` numbers while it lives, whatever they hold: the thread's scratch, or memory of its own where a kernel
    /// is called within another.
    template <class Scalar>
    class Numbers {
    public:
        explicit Numbers(std::size_t count) : scratch_(mine()), nested_(std::exchange(scratch_.in_use_, true)) {
            Buffer<std::byte>& buffer = nested_ ? apart_ : scratch_.buffer_;
            try {
                buffer.reserve(static_cast<Index>(std::max(count * sizeof(Scalar), nested_ ? 0 : bytes)));
            } catch (...) {
                scratch_.in_use_ = nested_;
                throw;
            }
            data_ = reinterpret_cast<Scalar*>(buffer.data());
        }
        Numbers(const Numbers&) = delete;
        Numbers& operator=(const Numbers&) = delete;
        ~Numbers() { scratch_.in_use_ = nested_; }

        Scalar* data() const { return data_; }

    private:
        ThreadScratch& scratch_;
        bool nested_;
        Buffer<std::byte> apart_{memory::Kind::kernels};
        Scalar* data_ = nullptr;
    };

private:
    static ThreadScratch*& slot() {
        constinit thread_local ThreadScratch* current = nullptr;
        return current;
    }

    Buffer<std::byte> buffer_{memory::Kind::kernels};
    bool in_use_ = false;
};

}  // namespace gacc::inline GACC_ABI::detail
