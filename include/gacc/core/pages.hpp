#pragma once

#include <gacc/core/abi.hpp>

#include <cstddef>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif

namespace gacc::inline GACC_ABI::detail {

/// Memory for blocks of bytes. A large block comes straight from the system. It is zero, and freeing it really gives it
/// back. The heap could not do that: one small block behind it would keep its place, and the process would grow beyond
/// the counted bytes.
struct Pages {
    static constexpr std::size_t large = std::size_t{1} << 20;

    /// Throws     std::bad_alloc if there is not enough memory
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
