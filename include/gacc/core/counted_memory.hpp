#pragma once

#include <gacc/core/memory.hpp>
#include <gacc/core/pages.hpp>

#include <cstddef>
#include <utility>

namespace gacc::inline GACC_ABI::detail {

/// Owns the memory of a Buffer, which counts as live until it is freed. No type of number appears here, so a user's
/// compiler reads the class once and not for each of them.
///
/// Throws     std::bad_alloc if there is not enough memory
class CountedMemory {
public:
    static constexpr std::size_t alignment = 64;  // a cache line

    CountedMemory() = default;
    CountedMemory(std::size_t bytes, memory::Kind kind)
        : data_(Pages::allocate(bytes, alignment)), bytes_(bytes), kind_(kind) {
        memory::detail::counts().add(kind, bytes);
    }
    CountedMemory(CountedMemory&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_), kind_(other.kind_) {}
    CountedMemory& operator=(CountedMemory&& other) noexcept {
        CountedMemory taken(std::move(other));
        std::swap(data_, taken.data_);
        std::swap(bytes_, taken.bytes_);
        std::swap(kind_, taken.kind_);
        return *this;
    }
    ~CountedMemory() {
        if (data_ == nullptr) { return; }
        Pages::free(data_, bytes_, alignment);
        memory::detail::counts().remove(kind_, bytes_);
    }

    /// Null if it owns none.
    void* data() const { return data_; }

private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    memory::Kind kind_ = memory::Kind::data;
};

}  // namespace gacc::detail
