#pragma once

#include <gacc/model/activation.hpp>
#include <gacc/model/forward_pass.hpp>
#include <gacc/model/sample_block.hpp>
#include <gacc/model/segments.hpp>

#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The runs of dropped activations of a block, which its backward pass computes again when it needs them, from the last
/// run to the first.
template <class Scalar>
class DroppedRuns {
public:
    /// The last run is still there after a forward pass of one block.
    DroppedRuns(const SampleBlock<Scalar>& block, const std::vector<Activation>& activations, std::size_t segment)
        : block_(block), activations_(activations), there_(activations.size()) {
        const std::size_t last = last_run();
        const bool is_there = last < activations.size() && block.workspace.blocks(segment) == 1 &&
                              segment_at(block.workspace.segments(), last) == segment;
        if (is_there) { there_ = last; }
    }

    /// If the activation was dropped and is not there, computes its run again.
    void need(std::size_t slot) {
        if (activations_[slot].kept || slot >= there_) { return; }
        std::size_t end = slot + 1;
        while (end < there_ && !activations_[end].kept) { ++end; }
        there_ = first_of_run(slot);
        ForwardPass<Scalar>(block_).compute(there_, end);
    }

private:
    std::size_t first_of_run(std::size_t slot) const {
        while (slot > 0 && !activations_[slot - 1].kept) { --slot; }
        return slot;
    }
    /// The first activation of the last run.
    std::size_t last_run() const {
        std::size_t slot = activations_.size();
        while (slot > 0 && activations_[slot - 1].kept) { --slot; }
        return slot == 0 ? activations_.size() : first_of_run(slot - 1);
    }

    const SampleBlock<Scalar>& block_;
    const std::vector<Activation>& activations_;
    std::size_t there_;  // dropped activations from this one on are there
};

}  // namespace gacc::detail
