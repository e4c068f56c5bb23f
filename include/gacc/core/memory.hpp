#pragma once

#include <gacc/core/types.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace gacc {

/// A block of numbers that starts on a cache line and is zero when made. Every array of the library is one.
///
/// Throws     std::bad_alloc if there is not so much memory
template <class Scalar>
class Buffer {
public:
    static constexpr std::size_t alignment = 64;

    Buffer() = default;
    explicit Buffer(Index size) : data_(allocate(size)), size_(size) { std::fill_n(data_.get(), size, Scalar(0)); }

    Buffer(const Buffer& other) : Buffer(other.size_) { std::copy_n(other.data(), size_, data()); }
    Buffer& operator=(const Buffer& other) {
        if (this != &other) { *this = Buffer(other); }
        return *this;
    }
    Buffer(Buffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        data_ = std::move(other.data_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }
    ~Buffer() = default;

    Index size() const { return size_; }
    Scalar* data() { return data_.get(); }
    const Scalar* data() const { return data_.get(); }
    Scalar& operator[](Index i) { return data_[static_cast<std::size_t>(i)]; }
    const Scalar& operator[](Index i) const { return data_[static_cast<std::size_t>(i)]; }

    std::span<Scalar> span() { return {data(), static_cast<std::size_t>(size_)}; }
    std::span<const Scalar> span() const { return {data(), static_cast<std::size_t>(size_)}; }
    /// The first `count` numbers.
    std::span<Scalar> first(Index count) { return span().first(static_cast<std::size_t>(count)); }
    std::span<const Scalar> first(Index count) const { return span().first(static_cast<std::size_t>(count)); }

    /// Makes room for `size` numbers; what was there is lost if the buffer has to grow, and it never shrinks.
    void reserve(Index size) {
        if (size > size_) { *this = Buffer(size); }
    }

private:
    struct Free {
        void operator()(Scalar* data) const { ::operator delete[](data, std::align_val_t(alignment)); }
    };
    using Owner = std::unique_ptr<Scalar[], Free>;

    static Owner allocate(Index size) {
        const auto count = static_cast<std::size_t>(size);
        if (size < 0 || count > static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(Scalar)) {
            throw std::bad_array_new_length();
        }
        void* data = ::operator new[](count * sizeof(Scalar), std::align_val_t(alignment));
        return Owner(static_cast<Scalar*>(data));
    }

    Owner data_;
    Index size_ = 0;
};

}  // namespace gacc
