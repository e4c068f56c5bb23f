#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/view.hpp>
#include <gacc/layers/layer_calls.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/workspace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gacc::inline GACC_ABI::detail {

/// One block of the samples of a micro-batch on its way through a graph: where its values lie, and which samples a
/// thread takes.
///
/// An operation with parameters shares out its work over the threads itself, unless each thread has a block of its own.
template <class Scalar>
struct SampleBlock {
    const Graph<Scalar>& graph;
    Workspace<Scalar>& workspace;
    const ConstMatrixView<Scalar> inputs;  // of the micro-batch
    Index first, count;                    // samples of the micro-batch: first to first + count - 1
    Where of_batch;                        // where the micro-batch's first sample is
    int thread = 0;                        // that takes it, if several threads take a block each

    const Value& value(std::size_t i) const { return graph.values()[i]; }

    /// A value, for samples begin to begin + samples - 1 of the block.
    ConstMatrixView<Scalar> read(std::size_t i, Index begin, Index samples) const {
        if (i != 0) { return workspace.activation(value(i).slot, first + begin, samples); }
        const Index rows = value(0).rows();
        if (rows == 1) { return inputs.middleRows(first + begin, samples); }
        return {inputs.data() + (first + begin) * inputs.outerStride(), samples * rows, value(0).features()};
    }
    MatrixView<Scalar> write(std::size_t i, Index begin, Index samples) const {
        return workspace.activation(value(i).slot, first + begin, samples);
    }
    /// The model's inputs of these samples, for an operation that reads their tokens.
    ConstMatrixView<Scalar> tokens(const Operation<Scalar>& operation, Index begin, Index samples) const {
        using View = ConstMatrixView<Scalar>;
        return operation.plan.reads_tokens ? View(inputs.middleRows(first + begin, samples)) : View(nullptr, 0, 0);
    }
    /// The numbers that an operation keeps beside its value.
    MatrixView<Scalar> extra(const Operation<Scalar>& operation, Index begin, Index samples) const {
        return workspace.extra(value(operation.output).slot, first + begin, samples);
    }

    Where where(const Operation<Scalar>& operation, Index begin) const {
        Where where = of_batch;
        where.layer = static_cast<Index>(operation.number);
        where.first_row = (of_batch.first_row + first + begin) * value(operation.inputs[0]).rows();
        return where;
    }

    /// Calls f(begin, samples) on one thread. For an operation without parameters, several threads call it.
    template <class F>
    void for_samples(const Operation<Scalar>& operation, const F& f) const {
        constexpr Index cost = 8;  // of an element, in multiply-adds
        if (!operation.by_samples) { return f(Index{0}, count); }
        const Value& y = value(operation.output);
        const std::int64_t work =
            std::int64_t{count} * std::max<std::int64_t>(std::int64_t{y.rows()} * y.features() * cost, operation.plan.work);
        parallel_for(count, work, [&](Index begin, Index end) { f(begin, end - begin); });
    }
};

}  // namespace gacc::detail
