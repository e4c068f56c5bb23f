#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/parallel.hpp>
#include <gacc/core/thread_scratch.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/backward_pass.hpp>
#include <gacc/model/backward_plan.hpp>
#include <gacc/model/block_team.hpp>
#include <gacc/model/block_turns.hpp>
#include <gacc/model/forward_pass.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/ignored_samples.hpp>
#include <gacc/model/model_body.hpp>
#include <gacc/model/model_checks.hpp>
#include <gacc/model/sample_block.hpp>
#include <gacc/model/workspace.hpp>
#include <gacc/parameters/model_parameter.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// Where a forward pass ends: at the outputs, or at the features, if a loss computes the outputs in blocks of rows.
enum class PassEnd { outputs, features };

/// The activations of a pass, all kept that can be.
template <class Scalar>
std::vector<Activation> activations_up_to(PassEnd end, const Graph<Scalar>& graph) {
    return end == PassEnd::features ? graph.feature_activations() : graph.activations();
}

/// Takes one micro-batch after the other forward and backward through a model. From forward to backward it has the
/// activations, and where the inputs are.
template <class Scalar>
class TrainingPass {
public:
    /// The activations as they were laid out; those of the graph if they were not yet.
    const std::vector<Activation>& activations(const Graph<Scalar>& graph) const {
        return activations_.empty() ? graph.activations() : activations_;
    }

    /// See Sequential::lay_out.
    void lay_out(const Graph<Scalar>& graph, Index micro_batch, const std::vector<Activation>& activations) {
        choose(graph, activations);
        ready_ = false;
        planned_ = micro_batch;
        workspace_ = Workspace<Scalar>();
    }

    /// What the graph needs has changed.
    void renew(const Graph<Scalar>& graph) {
        ready_ = false;
        if (!activations_.empty()) { choose(graph, planned_ > 0 ? activations_ : activations_up_to(end_, graph)); }
    }

    void check_planned(Index samples, PassEnd end) const {
        if (planned_ > 0 && end != end_) {
            const bool features = end == PassEnd::features;
            throw UsageError(features ? "Sequential::forward_features" : "Sequential::forward",
                             text("expected ",
                                  features ? "forward(), as planned with a loss of outputs, got forward_features()"
                                           : "forward_features(), as planned with a loss of features, got forward()",
                                  "; plan anew with the loss that is used"));
        }
        if (planned_ > 0 && samples > planned_) {
            throw UsageError("Sequential::forward",
                             text("expected at most the ", planned_, " samples a micro-batch of the plan, got ", samples,
                                  "; cut batches with micro_batches(plan), or plan anew"));
        }
    }

    /// The outputs, or the features. They and the inputs must stay as they are until backward.
    ConstMatrixView<Scalar> forward(ModelBody<Scalar>& body, const ConstMatrixView<Scalar>& inputs, PassEnd end) {
        if (activations_.empty() || end != end_) { choose(body.graph, activations_up_to(end, body.graph)); }
        ready_ = false;
        workspace_.lay_out(activations_, backward_.numbers, inputs.rows(), planned_, std::min(threads(), most_threads_));
        ThreadScratch::reserve_mine();  // here, so that no backward pass fails for lack of memory
        if (workspace_.threads() > 1) { turns_.start(backward_.steps.size()); }
        where_ = {.seed = body.tally.seed(),
                  .step = body.tally.batches(),
                  .first_row = body.tally.seen(),
                  .training = true};
        for (std::size_t segment = 0; segment < workspace_.segments().size(); ++segment) {
            for_each_block(body.graph, segment, inputs, team_of(body.graph, segment),
                           [&](const SampleBlock<Scalar>& block, Index) { ForwardPass<Scalar>(block).run(segment); });
        }
        body.tally.see(inputs.rows());
        inputs_ = inputs.data();
        input_stride_ = inputs.outerStride();
        ready_ = true;
        ++forwards_;
        ++forwards_without_backward_;
        const Value& last = end == PassEnd::features ? body.graph.features() : body.graph.output();
        return workspace_.activation(last.slot, 0, inputs.rows());
    }

    /// See Sequential::backward.
    void backward(ModelBody<Scalar>& body, const LossGradient<Scalar>& loss, const GradientReady<Scalar>& ready) {
        if (!ready_) { throw UsageError("Sequential::backward", "expected a forward before every backward, got none"); }
        const Index samples = workspace_.samples();
        check_gradient(body.graph.output(), samples, loss, end_ == PassEnd::features);
        if (loss.block && loss.forward != forwards_) {
            throw UsageError("Sequential::backward",
                             "expected the gradient by the features of the last forward_features(), got that by others, "
                             "which may be gone; call the loss's forward() after each forward_features()");
        }
        for (std::size_t i = body.graph.operations().size(); i-- > 0;) {  // now, while nothing has changed
            for (auto* parameter : body.graph.operations()[i].completes) {
                ModelParameter<Scalar>::check_trained(*parameter);
            }
        }
        GradientTally tally = body.tally;
        tally.add(loss.reduction, loss.sample_weights, samples);
        ready_ = false;
        --forwards_without_backward_;
        body.tally.mark_partial();
        const ConstMatrixView<Scalar> inputs(inputs_, samples, elements(body.graph.input().shape), input_stride_);
        const IgnoredSamples<Scalar> ignored(loss.sample_weights, body.graph.output().rows());
        for (std::size_t segment = workspace_.segments().size(); segment-- > 0;) {
            const int team = ready ? 1 : team_of(body.graph, segment);
            for_each_block(body.graph, segment, inputs, team, [&](const SampleBlock<Scalar>& block, Index number) {
                const BackwardPass<Scalar> pass(block, backward_, activations_, loss, ignored);
                if (team > 1) { return pass.run(segment, turns_, number); }
                const bool is_last = block.first + block.count == samples;
                pass.run(segment, is_last && ready ? &ready : nullptr);
            });
        }
        body.tally = tally;
    }

    Index forwards() const { return forwards_; }
    Index forwards_without_backward() const { return forwards_without_backward_; }

    /// Of the last forward, in the segment with the most; 0 if there was none.
    Index blocks() const {
        Index most = 0;
        for (std::size_t i = 0; i < workspace_.segments().size(); ++i) { most = std::max(most, workspace_.blocks(i)); }
        return most;
    }
    /// The most samples that are one block in every segment.
    Index largest_block() const {
        Index least = largest_size;
        for (const Segment& segment : workspace_.segments()) { least = std::min(least, segment.block); }
        return least;
    }

private:
    /// Only what is kept is taken from `chosen`: what is needed may have changed since. If the outputs are not among
    /// these, the pass ends at the features.
    void choose(const Graph<Scalar>& graph, const std::vector<Activation>& chosen) {
        end_ = chosen.size() < graph.activations().size() ? PassEnd::features : PassEnd::outputs;
        auto activations = activations_up_to(end_, graph);
        for (std::size_t i = 0; i < chosen.size(); ++i) { activations[i].kept = chosen[i].kept; }
        backward_ = BackwardPlanner<Scalar>(graph, activations).plan();
        most_threads_ = most_block_threads(graph, activations);
        activations_ = std::move(activations);
    }

    /// The threads that each take a block of the segment; 1 if all threads share each block.
    int team_of(const Graph<Scalar>& graph, std::size_t segment) const {
        return block_team(workspace_.blocks(segment), std::min(workspace_.threads(), most_threads_),
                          product_of(workspace_.samples(), work_of(graph)));
    }

    /// Calls f(block, number) for the blocks of the samples in a segment. A team of one calls it in order.
    template <class F>
    void for_each_block(const Graph<Scalar>& graph, std::size_t segment, const ConstMatrixView<Scalar>& inputs, int team,
                        const F& f) {
        const Index samples = workspace_.samples(), most = workspace_.block_rows(segment);
        const auto take = [&](Index number, int thread) {
            const Index first = number * most;
            f(SampleBlock<Scalar>{graph, workspace_, inputs, first, std::min(most, samples - first), where_, thread},
              number);
        };
        const Index blocks = (samples + most - 1) / most;
        if (team > 1) {
            turns_.start(backward_.steps.size());
            return turns_.run(blocks, team, take);
        }
        for (Index number = 0; number < blocks; ++number) { take(number, 0); }
    }

    Index planned_ = 0;                    // the largest micro-batch allowed; 0: any
    PassEnd end_ = PassEnd::outputs;       // of the passes that these activations are for
    std::vector<Activation> activations_;  // the graph's, as they were laid out; empty: not yet
    BackwardPlan backward_;                // with these
    Workspace<Scalar> workspace_;
    int most_threads_ = 1;            // that may each take a block
    BlockTurns turns_;                // of these
    Where where_;                     // of the last forward; its first_row counts samples
    const Scalar* inputs_ = nullptr;  // of the last forward
    Index input_stride_ = 0;
    bool ready_ = false;  // for backward
    Index forwards_ = 0;
    Index forwards_without_backward_ = 0;
};

}  // namespace gacc::detail
