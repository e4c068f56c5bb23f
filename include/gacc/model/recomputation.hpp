#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/model/workspace.hpp>

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

namespace gacc::inline GACC_ABI {

namespace detail {

/// Chooses the activations to keep. No run of dropped ones between them is longer than `longest` numbers a sample.
/// Under this condition it keeps the fewest numbers, and then computes the least again. The last activation, the
/// outputs, is always kept. Of the others only boundaries are kept.
template <class Scalar>
std::vector<Activation> keep_least(std::vector<Activation> activations, Index longest) {
    struct Best {
        Index kept, work;
        std::ptrdiff_t before;  // the kept activation before; -1: the inputs
    };
    std::vector<Best> best;  // best[i]: for the first i activations, if the last of them is kept
    for (std::size_t i = 0; i < activations.size(); ++i) {
        Best here{-1, 0, -1};
        if (!activations[i].boundary) {
            best.push_back(here);
            continue;
        }
        Index run = 0, again = 0;
        for (std::size_t before = i + 1; before-- > 0;) {  // the activation before it is before - 1
            const Index kept = before > 0 ? best[before - 1].kept : 0, work = before > 0 ? best[before - 1].work : 0;
            const auto found = std::tuple(sum_of(std::max<Index>(kept, 0), sample_numbers<Scalar>(activations[i])),
                                          work + again);
            const bool possible = before == 0 || kept >= 0;
            if (possible && (here.kept < 0 || found < std::tuple(here.kept, here.work))) {
                here = {std::get<0>(found), std::get<1>(found), static_cast<std::ptrdiff_t>(before) - 1};
            }
            if (before > 0) {
                run = sum_of(run, sample_numbers<Scalar>(activations[before - 1]));
                again += activations[before - 1].work;
                if (run > longest) { break; }
            }
        }
        best.push_back(here);
    }
    for (Activation& activation : activations) { activation.kept = false; }
    if (best.back().kept < 0) { return activations; }  // a part without boundaries is longer than `longest`
    for (auto i = static_cast<std::ptrdiff_t>(activations.size()) - 1; i >= 0;
         i = best[static_cast<std::size_t>(i)].before) {
        activations[static_cast<std::size_t>(i)].kept = true;
    }
    return activations;
}

}  // namespace detail

/// Chooses the activations to keep so that micro-batches of this size take the least memory, and then the least time.
/// All others are dropped and computed again in the backward pass.
///
/// Source     Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv:1604.06174. Here the segments
///            follow the widths of the layers, and dropped activations are held for one block of samples only
template <class Scalar>
std::vector<Activation> least_memory(const std::vector<Activation>& activations, Index micro_batch) {
    std::set<Index> lengths{0};  // of all runs
    for (std::size_t first = 0; first < activations.size(); ++first) {
        Index run = 0;
        for (std::size_t i = first; i + 1 < activations.size(); ++i) {
            run = detail::sum_of(run, detail::sample_numbers<Scalar>(activations[i]));
            lengths.insert(run);
        }
    }
    const auto numbers = [&](const std::vector<Activation>& chosen) {
        return Workspace<Scalar>::activation_numbers(chosen, micro_batch);
    };
    auto best = activations;
    for (Activation& activation : best) { activation.kept = true; }
    detail::drop_unneeded(best);
    for (const Index longest : lengths) {  // the shortest first: it leaves the least to compute again
        const Index block = std::min(micro_batch, Workspace<Scalar>::block_samples(activations));
        if (detail::product_of(block, longest) >= numbers(best)) { break; }
        auto candidate = detail::keep_least<Scalar>(activations, longest);
        detail::drop_unneeded(candidate);
        if (candidate.back().kept && numbers(candidate) < numbers(best)) { best = std::move(candidate); }
    }
    return best;
}

}  // namespace gacc
