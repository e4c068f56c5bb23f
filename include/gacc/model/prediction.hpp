#pragma once

#include <gacc/core/view.hpp>
#include <gacc/model/forward_pass.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/model_checks.hpp>
#include <gacc/model/sample_block.hpp>
#include <gacc/model/workspace.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The value of a graph in the last of these activations, for any number of samples: a block at a time, in a workspace
/// of its own.
///
/// Throws     MemoryError if there is no memory for the value
template <class Scalar>
Matrix<Scalar> predict(const Graph<Scalar>& graph, std::vector<Activation> activations, const Value& last,
                       const ConstMatrixView<Scalar>& inputs) {
    for (std::size_t i = 0; i + 1 < activations.size(); ++i) { activations[i].kept = false; }
    const Index rows = last.rows();
    Workspace<Scalar> workspace;
    Matrix<Scalar> outputs = outputs_for(last, inputs);
    const Index most = workspace.block_samples(activations);
    for (Index first = 0; first < inputs.rows(); first += most) {
        const Index count = std::min(most, inputs.rows() - first);
        workspace.lay_out(activations, {}, count);
        const SampleBlock<Scalar> block{graph, workspace, inputs.middleRows(first, count), 0, count, {}};
        ForwardPass<Scalar>(block).run(0);
        outputs.middleRows(first * rows, count * rows) = workspace.activation(last.slot, 0, count);
    }
    return outputs;
}

}  // namespace gacc::detail
