#pragma once

#include <gacc/core/abi.hpp>

#include <cstddef>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

namespace gacc::inline GACC_ABI::detail {

/// Memory for a block of so many bytes: a large one comes straight from the system, so that it is zero, and really
/// given back when it is freed. From the heap it could not be: one small block behind it would keep its place taken,
/// and the process would grow beyond the bytes that are counted.
struct Pages {
    static constexpr std::size_t large = std::size_t{1} << 20;

    /// Throws     std::bad_alloc if there is not so much memory
    static void* allocate(std::size_t bytes, std::size_t alignment) {
#if defined(__unix__) || defined(__APPLE__)
        if (bytes >= large) {
            void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (data == MAP_FAILED) { throw std::bad_alloc(); }
            return data;
        }
#endif
        return ::operator new[](bytes, std::align_val_t(alignment));
    }

    static void free(void* data, [[maybe_unused]] std::size_t bytes, std::size_t alignment) {
#if defined(__unix__) || defined(__APPLE__)
        if (bytes >= large) {
            ::munmap(data, bytes);
            return;
        }
#endif
        ::operator delete[](data, std::align_val_t(alignment));
    }
};

}  // namespace gacc::detail
