#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/graph.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The multiply-adds of a forward pass of one sample.
template <class Scalar>
Index work_of(const Graph<Scalar>& graph) {
    Index work = 0;
    for (const auto& operation : graph.operations()) { work = sum_of(work, operation.plan.work); }
    return work;
}

/// The most threads that may each take a block of samples through a model. They then wait for each other only at layers
/// with parameters, not after every layer. 1 if all threads should share each block:
///
/// - some activations are not kept, so that all blocks have them in one place;
/// - one layer is much of the work. Blocks go backward through it one after the other. And its weights stay in the
///   cache of their thread, if each thread computes a part of every block.
template <class Scalar>
int most_block_threads(const Graph<Scalar>& graph, const std::vector<Activation>& activations) {
    if (!std::ranges::all_of(activations, &Activation::kept)) { return 1; }
    Index largest = 1;
    for (const auto& operation : graph.operations()) { largest = std::max(largest, operation.plan.work); }
    return static_cast<int>(std::clamp<Index>(work_of(graph) / largest / 2, 1, ThreadPool::most_threads));
}

/// How many of at most `most` threads each take one of these blocks. 1 if more than a fifth of the library's threads
/// would be idle, or if the work, in multiply-adds, is too small to pay for waking a thread.
inline int block_team(Index blocks, int most, std::int64_t work) {
    const Index team = std::min<Index>({blocks, most, threads()});
    if (team <= 1 || work / worth_a_thread < team) { return 1; }
    const Index rounds = (blocks + team - 1) / team;
    return 5 * blocks >= 4 * rounds * threads() ? static_cast<int>(team) : 1;
}

}  // namespace gacc::detail
