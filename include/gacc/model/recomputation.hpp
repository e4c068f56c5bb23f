#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/model/workspace.hpp>

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

namespace gacc::inline GACC_ABI {

namespace detail {

/// The activations to keep so that no run of dropped ones between them is longer than `longest` numbers a sample, with
/// the least numbers kept, then the least work to do again. The last, the outputs, is always kept.
template <class Scalar>
std::vector<Activation> keep_least(std::vector<Activation> activations, Index longest) {
    struct Best {
        Index kept, work;
        std::ptrdiff_t before;  // the kept activation before; -1: the inputs
    };
    std::vector<Best> best;  // of the first activations, if the last of them is kept
    for (std::size_t i = 0; i < activations.size(); ++i) {
        Best here{-1, 0, -1};
        Index run = 0, again = 0;
        for (std::size_t before = i + 1; before-- > 0;) {  // the one before it is before - 1
            const Index kept = before > 0 ? best[before - 1].kept : 0, work = before > 0 ? best[before - 1].work : 0;
            const auto found = std::tuple(sum_of(kept, Workspace<Scalar>::stride(activations[i].width)), work + again);
            if (here.kept < 0 || found < std::tuple(here.kept, here.work)) {
                here = {std::get<0>(found), std::get<1>(found), static_cast<std::ptrdiff_t>(before) - 1};
            }
            if (before > 0) {
                run = sum_of(run, Workspace<Scalar>::stride(activations[before - 1].width));
                again += activations[before - 1].work;
                if (run > longest) { break; }
            }
        }
        best.push_back(here);
    }
    for (Activation& activation : activations) { activation.kept = false; }
    for (auto i = static_cast<std::ptrdiff_t>(activations.size()) - 1; i >= 0;
         i = best[static_cast<std::size_t>(i)].before) {
        activations[static_cast<std::size_t>(i)].kept = true;
    }
    return activations;
}

}  // namespace detail

/// Which activations to keep so that micro-batches of so many samples take the least memory, then the least time; all
/// others are dropped and computed again in the backward pass.
///
/// Source     Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv:1604.06174; here the segments
///            follow the layers' widths, and dropped activations are of one block of samples only
template <class Scalar>
std::vector<Activation> least_memory(const std::vector<Activation>& activations, Index micro_batch) {
    std::set<Index> lengths{0};  // of all runs
    for (std::size_t first = 0; first < activations.size(); ++first) {
        Index run = 0;
        for (std::size_t i = first; i + 1 < activations.size(); ++i) {
            run = detail::sum_of(run, Workspace<Scalar>::stride(activations[i].width));
            lengths.insert(run);
        }
    }
    const auto numbers = [&](const std::vector<Activation>& chosen) {
        return Workspace<Scalar>::activation_numbers(chosen, micro_batch);
    };
    auto best = activations;
    for (Activation& activation : best) { activation.kept = true; }
    for (const Index longest : lengths) {  // the shortest first, which leaves the least to do again
        const Index block = std::min(micro_batch, Workspace<Scalar>::block);
        if (detail::product_of(block, longest) >= numbers(best)) { break; }
        auto candidate = detail::keep_least<Scalar>(activations, longest);
        if (numbers(candidate) < numbers(best)) { best = std::move(candidate); }
    }
    return best;
}

}  // namespace gacc
