#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/model/backward_plan.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/ignored_samples.hpp>
#include <gacc/model/workspace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace gacc::inline GACC_ABI {

/// A backward pass calls it with each parameter as soon as it adds nothing more to the parameter's gradient.
template <class Scalar>
using GradientReady = std::function<void(Parameter<Scalar>&)>;

namespace detail {

/// Takes one block of samples through a graph, forward and backward.
///
/// An operation with parameters shares out its work over the threads itself. If threads took samples through all
/// operations, they would wait for each other less often. But each would read all weights, and the optimizer would then
/// have to take them from the caches of all other threads.
template <class Scalar>
class Pass {
public:
    /// Samples `first` to first + count - 1 are in one block of the micro-batch with these inputs. `where` is that of
    /// the micro-batch's first sample.
    Pass(const Graph<Scalar>& graph, Workspace<Scalar>& workspace, const ConstMatrixView<Scalar>& inputs, Index first,
         Index count, const Where& where)
        : graph_(graph), workspace_(workspace), inputs_(inputs), first_(first), count_(count), where_(where) {}

    /// Computes all values of a segment.
    void forward(std::size_t segment) const {
        const auto& [begin, end, block] = workspace_.segments()[segment];
        for (const auto& operation : graph_.operations()) {
            const std::size_t slot = value(operation.output).slot;
            if (slot >= begin && slot < end) { forward(operation); }
        }
    }

    /// Adds to the gradients of all parameters of a segment, and calls (*ready)(parameter) when nothing more is added.
    /// Activations and gradients of ignored samples are set to 0 if they are infinite or NaN. The inputs belong to the
    /// caller; operations do not see these samples of the inputs.
    void backward(std::size_t segment, const BackwardPlan& plan, const std::vector<Activation>& activations,
                  const ConstMatrixView<Scalar>& loss_grad, const IgnoredSamples<Scalar>& ignored = {},
                  const GradientReady<Scalar>* ready = nullptr) const {
        // Dropped activations from this one on are there: computed again, or not yet overwritten.
        const std::size_t last_run = last_dropped_run(activations);
        const bool is_there = last_run < activations.size() && workspace_.blocks(segment) == 1 &&
                              segment_at(workspace_.segments(), last_run) == segment;
        std::size_t there = is_there ? last_run : activations.size();
        for (const BackwardStep& step : plan.steps) {
            if (step.segment != segment) { continue; }
            const ConstMatrixView<Scalar> from = gradient(plan, step.from, loss_grad);
            if (step.to.kind == GradientPlace::Kind::activation) {  // the activation must be there before it is read
                there = compute_again(step.to.number, there, activations);
            }
            if (step.kind != BackwardStep::Kind::layer) {
                copy(step, part_of(step, from), writable(plan, step.to));
                continue;
            }
            const auto& operation = graph_.operations()[step.operation];
            const std::size_t x = operation.inputs[0];
            if (operation.plan.reads_y || operation.plan.kept > 0) {
                there = compute_again(value(operation.output).slot, there, activations);
            }
            if (operation.plan.reads_x && x != 0) { there = compute_again(value(x).slot, there, activations); }
            backward(step, operation, from, plan, ignored);
            if (ready != nullptr) {
                for (auto* parameter : operation.completes) { (*ready)(*parameter); }
            }
        }
    }

private:
    const Value& value(std::size_t i) const { return graph_.values()[i]; }

    /// The rows of samples begin to begin + samples - 1 of the block.
    ConstMatrixView<Scalar> read(std::size_t i, Index begin, Index samples) const {
        if (i != 0) { return workspace_.activation(value(i).slot, first_ + begin, samples); }
        const Index rows = value(0).rows();
        if (rows == 1) { return inputs_.middleRows(first_ + begin, samples); }
        return {inputs_.data() + (first_ + begin) * inputs_.outerStride(), samples * rows, value(0).features()};
    }
    MatrixView<Scalar> write(std::size_t i, Index begin, Index samples) const {
        return workspace_.activation(value(i).slot, first_ + begin, samples);
    }
    static MatrixView<Scalar> rows(MatrixView<Scalar>& of, Index first, Index count) {
        return {of.data() + first * of.outerStride(), count, of.cols(), Eigen::OuterStride<>(of.outerStride())};
    }
    static MatrixView<Scalar> unwanted() { return {nullptr, 0, 0, Eigen::OuterStride<>(0)}; }

    Where where(const Operation<Scalar>& operation, Index begin) const {
        Where where = where_;
        where.layer = static_cast<Index>(operation.number);
        where.first_row = (where_.first_row + first_ + begin) * value(operation.inputs[0]).rows();
        return where;
    }

    /// Calls f(begin, samples) on one thread. For an operation without parameters, several threads call it.
    template <class F>
    void for_samples(const Operation<Scalar>& operation, const F& f) const {
        constexpr Index cost = 8;  // of an element, in multiply-adds
        if (!operation.by_samples) { return f(Index{0}, count_); }
        const Value& y = value(operation.output);
        const std::int64_t work =
            std::int64_t{count_} * std::max<std::int64_t>(std::int64_t{y.rows()} * y.features() * cost, operation.plan.work);
        parallel_for(count_, work, [&](Index begin, Index end) { f(begin, end - begin); });
    }

    void forward(const Operation<Scalar>& operation) const {
        for_samples(operation, [&](Index begin, Index samples) {
            auto y = write(operation.output, begin, samples);
            switch (operation.kind) {
                case OperationKind::layer:
                    operation.layer->forward({read(operation.inputs[0], begin, samples), y, samples,
                                              workspace_.extra(value(operation.output).slot, first_ + begin, samples),
                                              where(operation, begin), value(operation.inputs[0]).shape});
                    break;
                case OperationKind::sum:
                    add(read(operation.inputs[0], begin, samples), read(operation.inputs[1], begin, samples), y);
                    break;
                case OperationKind::concat:
                    Index column = 0;
                    for (const std::size_t input : operation.inputs) {
                        const auto x = read(input, begin, samples);
                        y.middleCols(column, x.cols()) = x;
                        column += x.cols();
                    }
                    break;
            }
        });
    }

    void backward(const BackwardStep& step, const Operation<Scalar>& operation, const ConstMatrixView<Scalar>& grad_y,
                  const BackwardPlan& plan, const IgnoredSamples<Scalar>& ignored) const {
        const std::size_t x = operation.inputs[0], y = operation.output;
        const Index of_y = value(y).rows(), of_x = value(x).rows();
        const bool wanted = step.to.kind != GradientPlace::Kind::none;
        const bool by_rows = value(x).by_rows;
        if (operation.plan.reads_y) { ignored.clear(write(y, 0, count_), first_, of_y, value(y).by_rows); }
        if (operation.plan.kept > 0) { ignored.clear_kept(extra(operation, 0, count_), first_, by_rows); }
        auto grad_x = wanted ? writable(plan, step.to) : unwanted();
        const auto run = [&](Index begin, Index samples) {
            const auto part = wanted ? rows(grad_x, begin * of_x, samples * of_x) : unwanted();
            Backward<Scalar> call{read(x, begin, samples), read(y, begin, samples), samples,
                                  extra(operation, begin, samples),
                                  grad_y.middleRows(begin * of_y, samples * of_y), part, where(operation, begin)};
            call.adds = step.adds;
            call.shape = value(x).shape;
            if (step.fused) {
                const auto& before = graph_.operations()[*step.fused];
                call.before = before.layer;
                call.where_before = where(before, begin);
            }
            operation.layer->backward(call);
        };
        if (x == 0) {
            ignored.for_others(read(0, 0, count_), first_, of_x, by_rows && operation.plan.reads_x, run,
                               [&](Index sample, Index begin, Index rows) {
                                   backward_of_rows(operation, grad_y, sample, begin, rows);
                               });
        } else {
            if (operation.plan.reads_x) { ignored.clear(write(x, 0, count_), first_, of_x, by_rows); }
            for_samples(operation, run);
        }
        if (wanted) { ignored.clear(grad_x, first_, of_x, by_rows); }
    }

    /// Takes some rows of one sample of the inputs backward through an operation that is by rows.
    void backward_of_rows(const Operation<Scalar>& operation, const ConstMatrixView<Scalar>& grad_y, Index sample,
                          Index begin, Index rows) const {
        const Index all = value(0).rows(), kept = operation.plan.kept / all;
        const Index shape[] = {rows, value(0).features()};
        Backward<Scalar> call{read(0, sample, 1).middleRows(begin, rows),
                              read(operation.output, sample, 1).middleRows(begin, rows), 1,
                              extra(operation, sample, 1).middleCols(begin * kept, rows * kept),
                              grad_y.middleRows(sample * all + begin, rows), unwanted(),
                              where(operation, sample).at(begin, 0)};
        call.shape = shape;
        operation.layer->backward(call);
    }

    MatrixView<Scalar> extra(const Operation<Scalar>& operation, Index begin, Index samples) const {
        return workspace_.extra(value(operation.output).slot, first_ + begin, samples);
    }

    /// The part that a copy or an addition reads: for a concat, the columns of the input.
    ConstMatrixView<Scalar> part_of(const BackwardStep& step, const ConstMatrixView<Scalar>& from) const {
        const auto& operation = graph_.operations()[step.operation];
        if (operation.kind != OperationKind::concat) { return from; }
        Index column = 0;
        for (std::size_t i = 0; i < step.input; ++i) { column += value(operation.inputs[i]).features(); }
        return from.middleCols(column, value(operation.inputs[step.input]).features());
    }
    void copy(const BackwardStep& step, const ConstMatrixView<Scalar>& from, MatrixView<Scalar> to) const {
        constexpr Index cost = 8;
        const bool adds = step.kind == BackwardStep::Kind::add;
        parallel_for(to.rows(), std::int64_t{to.rows()} * to.cols() * cost, [&](Index begin, Index end) {
            auto part = rows(to, begin, end - begin);
            if (adds) {
                add(part, from.middleRows(begin, end - begin), part);
            } else {
                part = from.middleRows(begin, end - begin);
            }
        });
    }

    /// sum = a + b; as one row, if all rows lie one after the other.
    static void add(const ConstMatrixView<Scalar>& a, const ConstMatrixView<Scalar>& b, MatrixView<Scalar>& sum) {
        const Index cols = sum.cols();
        if (a.outerStride() != cols || b.outerStride() != cols || sum.outerStride() != cols) {
            sum = a + b;
            return;
        }
        using Row = Eigen::Array<Scalar, Eigen::Dynamic, 1>;
        const Index size = sum.rows() * cols;
        Eigen::Map<Row>(sum.data(), size) = Eigen::Map<const Row>(a.data(), size) + Eigen::Map<const Row>(b.data(), size);
    }

    MatrixView<Scalar> writable(const BackwardPlan& plan, const GradientPlace& place) const {
        if (place.kind == GradientPlace::Kind::activation) {
            return workspace_.activation(place.number, first_, count_);
        }
        const GradientBuffer& buffer = plan.buffers[place.number];
        return workspace_.gradient(buffer.before, buffer.like, first_, count_, buffer.segment);
    }
    ConstMatrixView<Scalar> gradient(const BackwardPlan& plan, const GradientPlace& place,
                                     const ConstMatrixView<Scalar>& loss_grad) const {
        if (place.kind != GradientPlace::Kind::of_the_loss) { return writable(plan, place); }
        const Index rows = graph_.output().rows();
        return loss_grad.middleRows(first_ * rows, count_ * rows);
    }

    /// If the activation was dropped, computes its run of dropped activations again. Returns the first one that is
    /// there now.
    std::size_t compute_again(std::size_t slot, std::size_t there, const std::vector<Activation>& activations) const {
        if (activations[slot].kept || slot >= there) { return there; }
        const std::size_t begin = first_of_run(slot, activations);
        std::size_t end = slot + 1;
        while (end < there && !activations[end].kept) { ++end; }
        for (const auto& operation : graph_.operations()) {
            const std::size_t into = value(operation.output).slot;
            if (into >= begin && into < end) { forward(operation); }
        }
        return begin;
    }
    static std::size_t first_of_run(std::size_t slot, const std::vector<Activation>& activations) {
        while (slot > 0 && !activations[slot - 1].kept) { --slot; }
        return slot;
    }
    /// The last run of dropped activations. They are still there after a forward pass of one block.
    static std::size_t last_dropped_run(const std::vector<Activation>& activations) {
        std::size_t slot = activations.size();
        while (slot > 0 && activations[slot - 1].kept) { --slot; }
        return slot == 0 ? activations.size() : first_of_run(slot - 1, activations);
    }

    const Graph<Scalar>& graph_;
    Workspace<Scalar>& workspace_;
    const ConstMatrixView<Scalar> inputs_;
    Index first_, count_;
    Where where_;
};

}  // namespace detail
}  // namespace gacc
