#pragma once

#include <gacc/layers/layer.hpp>
#include <gacc/model/branches.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/sample_block.hpp>

#include <cstddef>

namespace gacc::inline GACC_ABI::detail {

/// Computes the values of one block of samples.
template <class Scalar>
class ForwardPass {
public:
    explicit ForwardPass(const SampleBlock<Scalar>& block) : block_(block) {}

    /// Computes all values of a segment.
    void run(std::size_t segment) const {
        const auto& [begin, end, samples] = block_.workspace.segments()[segment];
        compute(begin, end);
    }

    /// Computes the values in activations begin to end - 1.
    void compute(std::size_t begin, std::size_t end) const {
        for (const auto& operation : block_.graph.operations()) {
            const std::size_t slot = block_.value(operation.output).slot;
            if (slot >= begin && slot < end) { compute(operation); }
        }
    }

private:
    void compute(const Operation<Scalar>& operation) const {
        const auto& inputs = operation.inputs;
        block_.for_samples(operation, [&](Index begin, Index samples) {
            auto y = block_.write(operation.output, begin, samples);
            switch (operation.kind) {
                case OperationKind::layer:
                    operation.layer->forward({block_.read(inputs[0], begin, samples), y, samples,
                                              block_.extra(operation, begin, samples), block_.where(operation, begin),
                                              block_.value(inputs[0]).shape,
                                              block_.tokens(operation, begin, samples)});
                    break;
                case OperationKind::sum:
                    write_sum(block_.read(inputs[0], begin, samples), block_.read(inputs[1], begin, samples), y);
                    break;
                case OperationKind::concat:
                    for (std::size_t i = 0; i < inputs.size(); ++i) {
                        const auto x = block_.read(inputs[i], begin, samples);
                        y.middleCols(first_column(block_.graph, operation, i), x.cols()) = x;
                    }
                    break;
            }
        });
    }

    const SampleBlock<Scalar>& block_;
};

}  // namespace gacc::detail
