#pragma once

#include <gacc/core/types.hpp>

namespace gacc::inline GACC_ABI::detail {

/// Which tokens of a sample do not count as keys of attention: those whose number in the model's input is `number`.
/// Without tokens, all count.
template <class Scalar>
struct Padding {
    const Scalar* tokens = nullptr;  // of the sample
    Scalar number = 0;

    bool is_possible() const { return tokens != nullptr; }

    /// The first token from `first` to `last` - 1 that counts, or that does not count; `last` if there is none.
    Index next(bool counts, Index first, Index last) const {
        if (!is_possible()) { return counts ? first : last; }
        while (first < last && (tokens[first] != number) != counts) { ++first; }
        return first;
    }
};

}  // namespace gacc::detail
