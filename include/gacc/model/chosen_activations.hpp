#pragma once

#include <gacc/model/activation.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Whether these are the activations of a model, except that some are dropped, and the dropped ones can be computed
/// again: the last one is kept, and every run of dropped ones begins after a boundary (or the inputs) and ends before
/// one.
inline bool can_be_chosen(const std::vector<Activation>& chosen, const std::vector<Activation>& of_the_model) {
    const auto same = [](const Activation& a, const Activation& b) { return a.width == b.width && a.rows == b.rows; };
    if (!chosen.back().kept ||
        !std::equal(chosen.begin(), chosen.end(), of_the_model.begin(), of_the_model.end(), same)) {
        return false;
    }
    for (std::size_t i = 0; i + 1 < chosen.size(); ++i) {
        const bool changes = chosen[i].kept != chosen[i + 1].kept;
        const std::size_t kept = chosen[i].kept ? i : i + 1;
        if (changes && !of_the_model[kept].boundary) { return false; }
    }
    return true;
}

}  // namespace gacc::detail
