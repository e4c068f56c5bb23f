#pragma once

#include <gacc/layers/layer.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/backward_plan.hpp>
#include <gacc/model/block_turns.hpp>
#include <gacc/model/branches.hpp>
#include <gacc/model/dropped_runs.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/ignored_samples.hpp>
#include <gacc/model/sample_block.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A backward pass calls it with each parameter as soon as it adds nothing more to the parameter's gradient.
template <class Scalar>
using GradientReady = std::function<void(Parameter<Scalar>&)>;

namespace detail {

/// Takes one block of samples backward through a graph, after the forward pass of all blocks.
///
/// Activations and gradients of ignored samples are set to 0 if they are infinite or NaN. The inputs belong to the
/// caller; operations do not see these samples of the inputs.
template <class Scalar>
class BackwardPass {
public:
    /// `activations` are those that the plan was made with; `loss` is of the micro-batch.
    BackwardPass(const SampleBlock<Scalar>& block, const BackwardPlan& plan, const std::vector<Activation>& activations,
                 const LossGradient<Scalar>& loss, const IgnoredSamples<Scalar>& ignored)
        : block_(block), plan_(plan), activations_(activations), loss_(loss), ignored_(ignored) {}

    /// Adds to the gradients of all parameters of a segment, and calls (*ready)(parameter) when nothing more is added.
    void run(std::size_t segment, const GradientReady<Scalar>* ready = nullptr) const {
        DroppedRuns<Scalar> dropped(block_, activations_, segment);
        for (const BackwardStep& step : plan_.steps) {
            if (step.segment == segment) { take(step, dropped, ready); }
        }
    }

    /// The same for block `number` of a segment, while other threads take other blocks. All activations are kept. A
    /// loss that computes its gradient in blocks is asked in turn too. Returns early if another thread has stopped.
    void run(std::size_t segment, BlockTurns& turns, Index number) const {
        DroppedRuns<Scalar> dropped(block_, activations_, segment);
        for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
            const BackwardStep& step = plan_.steps[i];
            if (step.segment != segment) { continue; }
            const bool in_turn =
                step.kind == BackwardStep::Kind::layer && !block_.graph.operations()[step.operation].by_samples;
            if (in_turn && !turns.wait(i, number)) { return; }
            take(step, dropped, nullptr);
            if (in_turn) { turns.pass(i, number); }
        }
    }

private:
    const Value& value(std::size_t i) const { return block_.value(i); }

    void take(const BackwardStep& step, DroppedRuns<Scalar>& dropped, const GradientReady<Scalar>* ready) const {
        const auto& operation = block_.graph.operations()[step.operation];
        if (step.from.kind == GradientPlace::Kind::of_the_loss && loss_.block) {
            through_head(step, operation);
            if (ready != nullptr) { tell(*ready, operation); }
            return;
        }
        const ConstMatrixView<Scalar> from = gradient(step.from);
        if (step.to.kind == GradientPlace::Kind::activation) {  // the activation must be there before it is read
            dropped.need(step.to.number);
        }
        if (step.kind != BackwardStep::Kind::layer) {
            hand_on(part_of(step, operation, from), writable(step.to), step.kind == BackwardStep::Kind::add);
            return;
        }
        const std::size_t x = operation.inputs[0];
        if (operation.plan.reads_y || operation.plan.kept > 0) { dropped.need(value(operation.output).slot); }
        if (operation.plan.reads_x && x != 0) { dropped.need(value(x).slot); }
        through_layer(step, operation, from);
        if (ready != nullptr) { tell(*ready, operation); }
    }

    static void tell(const GradientReady<Scalar>& ready, const Operation<Scalar>& operation) {
        for (auto* parameter : operation.completes) { ready(*parameter); }
    }

    /// Takes the block backward through the last layer, a Linear, in the rows in which the loss computes its gradient.
    void through_head(const BackwardStep& step, const Operation<Scalar>& operation) const {
        const std::size_t x = operation.inputs[0];
        const Index of_x = value(x).rows(), first = block_.first * of_x, rows = block_.count * of_x;
        const bool wanted = step.to.kind != GradientPlace::Kind::none;
        ignored_.clear(block_.write(x, 0, block_.count), block_.first, of_x, value(x).by_rows);
        auto grad_x = wanted ? writable(step.to) : unwanted();
        const ConstMatrixView<Scalar> all = block_.read(x, 0, block_.count);
        for (Index row = 0; row < rows;) {
            const ConstMatrixView<Scalar> grad_y = loss_.block(first + row);
            const Index count = std::min(grad_y.rows(), rows - row), shape[] = {count, value(x).features()};
            Backward<Scalar> call{all.middleRows(row, count), ConstMatrixView<Scalar>(nullptr, 0, 0), 1,
                                  ConstMatrixView<Scalar>(nullptr, 0, 0), grad_y.middleRows(0, count),
                                  wanted ? some_rows(grad_x, row, count) : unwanted(),
                                  block_.where(operation, 0).at(row, 0)};
            call.adds = step.adds;
            call.shape = shape;
            if (step.fused) { fuse(call, *step.fused, 0, row); }
            operation.layer->backward(call);
            row += count;
        }
        if (wanted) { ignored_.clear(grad_x, block_.first, of_x, value(x).by_rows); }
    }

    /// The tiles of grad_x go through this operation. The call begins at a row of a sample.
    void fuse(Backward<Scalar>& call, std::size_t operation, Index sample, Index row) const {
        const auto& before = block_.graph.operations()[operation];
        call.before = before.layer;
        call.where_before = block_.where(before, sample).at(row, 0);
    }

    void through_layer(const BackwardStep& step, const Operation<Scalar>& operation,
                       const ConstMatrixView<Scalar>& grad_y) const {
        const std::size_t x = operation.inputs[0], y = operation.output;
        const Index of_y = value(y).rows(), of_x = value(x).rows(), first = block_.first, count = block_.count;
        const bool wanted = step.to.kind != GradientPlace::Kind::none;
        const bool by_rows = value(x).by_rows;
        if (operation.plan.reads_y) { ignored_.clear(block_.write(y, 0, count), first, of_y, value(y).by_rows); }
        if (operation.plan.kept > 0) { ignored_.clear_kept(block_.extra(operation, 0, count), first, by_rows); }
        auto grad_x = wanted ? writable(step.to) : unwanted();
        const auto run = [&](Index begin, Index samples) {
            const auto part = wanted ? some_rows(grad_x, begin * of_x, samples * of_x) : unwanted();
            Backward<Scalar> call{block_.read(x, begin, samples), block_.read(y, begin, samples), samples,
                                  block_.extra(operation, begin, samples),
                                  grad_y.middleRows(begin * of_y, samples * of_y), part, block_.where(operation, begin),
                                  block_.tokens(operation, begin, samples)};
            call.adds = step.adds;
            call.shape = value(x).shape;
            if (step.fused) { fuse(call, *step.fused, begin, 0); }
            operation.layer->backward(call);
        };
        if (x == 0) {
            ignored_.for_others(block_.read(0, 0, count), first, of_x, by_rows && operation.plan.reads_x, run,
                                [&](Index sample, Index begin, Index rows) {
                                    through_layer(operation, grad_y, sample, begin, rows);
                                });
        } else {
            if (operation.plan.reads_x) { ignored_.clear(block_.write(x, 0, count), first, of_x, by_rows); }
            block_.for_samples(operation, run);
        }
        if (wanted) { ignored_.clear(grad_x, first, of_x, by_rows); }
    }

    /// Takes some rows of one sample of the inputs backward through a layer that is by rows.
    void through_layer(const Operation<Scalar>& operation, const ConstMatrixView<Scalar>& grad_y, Index sample,
                       Index begin, Index rows) const {
        const Index all = value(0).rows(), kept = operation.plan.kept / all;
        const Index shape[] = {rows, value(0).features()};
        Backward<Scalar> call{block_.read(0, sample, 1).middleRows(begin, rows),
                              block_.read(operation.output, sample, 1).middleRows(begin, rows), 1,
                              block_.extra(operation, sample, 1).middleCols(begin * kept, rows * kept),
                              grad_y.middleRows(sample * all + begin, rows), unwanted(),
                              block_.where(operation, sample).at(begin, 0)};
        call.shape = shape;
        operation.layer->backward(call);
    }

    /// The part of a gradient that goes to an input of a sum or concat: for a concat, its columns.
    ConstMatrixView<Scalar> part_of(const BackwardStep& step, const Operation<Scalar>& operation,
                                    const ConstMatrixView<Scalar>& from) const {
        if (operation.kind != OperationKind::concat) { return from; }
        return from.middleCols(first_column(block_.graph, operation, step.input),
                               value(operation.inputs[step.input]).features());
    }

    static MatrixView<Scalar> unwanted() { return {nullptr, 0, 0, Eigen::OuterStride<>(0)}; }
    MatrixView<Scalar> writable(const GradientPlace& place) const {
        if (place.kind == GradientPlace::Kind::activation) {
            return block_.workspace.activation(place.number, block_.first, block_.count);
        }
        const GradientBuffer& buffer = plan_.buffers[place.number];
        return block_.workspace.gradient(buffer.before, buffer.like, block_.first, block_.count, buffer.segment,
                                         block_.thread);
    }
    ConstMatrixView<Scalar> gradient(const GradientPlace& place) const {
        if (place.kind != GradientPlace::Kind::of_the_loss) { return writable(place); }
        const Index rows = block_.graph.output().rows();
        return loss_.grad.middleRows(block_.first * rows, block_.count * rows);
    }

    const SampleBlock<Scalar>& block_;
    const BackwardPlan& plan_;
    const std::vector<Activation>& activations_;
    const LossGradient<Scalar>& loss_;
    const IgnoredSamples<Scalar>& ignored_;
};

}  // namespace detail
}  // namespace gacc
