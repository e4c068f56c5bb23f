#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/types.hpp>

#include <algorithm>
#include <cstddef>

namespace gacc::inline GACC_ABI::detail {

/// The numbers that an optimizer updates and keeps moments for: numbers first to first + count - 1 of all that its
/// parameters store, one parameter after the other. At first they are all.
struct KeptSlice {
    Index first = 0, count = 0;

    /// The part of a parameter that is in the slice.
    struct Part {
        Index in_parameter, in_moments, count;
    };
    /// Of a parameter whose numbers are numbers `offset` to offset + size - 1.
    Part part(Index offset, Index size) const {
        const Index begin = std::clamp(first, offset, offset + size), end = std::clamp(first + count, offset, offset + size);
        if (begin >= end) { return {0, 0, 0}; }
        return {begin - offset, begin - first, end - begin};
    }

    /// The moments of the slice `to`: those of this slice as far as it has them, else zeros.
    template <class Scalar>
    Buffer<Scalar> moved(const Buffer<Scalar>& moments, const KeptSlice& to) const {
        Buffer<Scalar> result(to.count, memory::Kind::moments);
        const Part both = part(to.first, to.count);
        std::copy_n(moments.data() + both.in_moments, both.count, result.data() + both.in_parameter);
        return result;
    }
};

}  // namespace gacc::detail
