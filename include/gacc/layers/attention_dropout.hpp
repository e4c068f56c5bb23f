#pragma once

#include <gacc/kernels/panels.hpp>
#include <gacc/layers/dropout.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace gacc::inline GACC_ABI::detail {

/// Which probabilities of attention are dropped: as in a Dropout whose rows are the queries of the batch, and whose
/// columns are the keys, for one head after the other.
template <class Scalar>
struct AttentionDropout {
    static constexpr bool drops = true;

    Where where;         // of the first query of the sample
    Index first_column;  // of the head
    double p;

    /// Writes 0 or 1 / (1 - p) for some keys and a panel of queries.
    void factors(Index first_query, Index first_key, Index keys, Scalar* panel) const {
        constexpr Index width = Panels<Scalar>::width;
        const auto kept = static_cast<Scalar>(1 / (1 - p));
        const std::uint32_t dropped = dropped_words(p);
        const auto first = static_cast<std::uint64_t>(first_column + first_key);
        for (Index query = 0; query < width; ++query) {
            const auto row = static_cast<std::uint64_t>(where.first_row + first_query + query);
            std::array<std::uint32_t, 4> words{};
            for (Index key = 0; key < keys; ++key) {
                const std::uint64_t column = first + static_cast<std::uint64_t>(key);
                if (key == 0 || column % 4 == 0) { words = dropout_words(where, row, column / 4); }
                panel[key * width + query] = words[column % 4] < dropped ? Scalar(0) : kept;
            }
        }
    }
};

}  // namespace gacc::detail
