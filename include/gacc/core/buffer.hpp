#pragma once

#include <gacc/core/counted_memory.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <utility>

namespace gacc::inline GACC_ABI {

/// A block of numbers that starts on a cache line. New numbers are zero. Every array that the library keeps is a
/// Buffer.
///
/// Throws     std::bad_alloc if there is not enough memory
template <class Scalar>
class Buffer {
public:
    static constexpr std::size_t alignment = detail::CountedMemory::alignment;

    Buffer() = default;
    /// Empty. It counts as this kind when it grows.
    explicit Buffer(memory::Kind kind) : kind_(kind) {}
    explicit Buffer(Index size, memory::Kind kind = memory::Kind::data)
        : kind_(kind), memory_(bytes_of(size), kind), size_(size) {
        std::fill_n(data(), size, Scalar(0));
    }

    Buffer(const Buffer& other) : Buffer(other.size_, other.kind_) { std::copy_n(other.data(), size_, data()); }
    Buffer& operator=(const Buffer& other) {
        if (this != &other) { *this = Buffer(other); }
        return *this;
    }
    Buffer(Buffer&& other) noexcept
        : kind_(other.kind_), memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        kind_ = other.kind_;
        memory_ = std::move(other.memory_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }
    ~Buffer() = default;

    Index size() const { return size_; }
    std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(Scalar); }
    Scalar* data() { return static_cast<Scalar*>(memory_.data()); }
    const Scalar* data() const { return static_cast<const Scalar*>(memory_.data()); }
    Scalar& operator[](Index i) { return data()[i]; }
    const Scalar& operator[](Index i) const { return data()[i]; }

    std::span<Scalar> span() { return {data(), static_cast<std::size_t>(size_)}; }
    std::span<const Scalar> span() const { return {data(), static_cast<std::size_t>(size_)}; }
    /// The first `count` numbers.
    std::span<Scalar> first(Index count) { return span().first(static_cast<std::size_t>(count)); }
    std::span<const Scalar> first(Index count) const { return span().first(static_cast<std::size_t>(count)); }

    /// Makes room for `size` numbers. If the buffer has to grow, its numbers are lost. It never shrinks. The old memory
    /// is freed first, so both are never held at once. If the new memory cannot be had, the buffer is empty.
    void reserve(Index size) {
        if (size <= size_) { return; }
        check(size);
        *this = Buffer(kind_);
        *this = Buffer(size, kind_);
    }

private:
    static void check(Index size) {
        if (size < 0 || size > detail::most_numbers<Scalar>) { throw std::bad_array_new_length(); }
    }
    static std::size_t bytes_of(Index size) {
        check(size);
        return static_cast<std::size_t>(size) * sizeof(Scalar);
    }

    memory::Kind kind_ = memory::Kind::data;
    detail::CountedMemory memory_;
    Index size_ = 0;
};

}  // namespace gacc
