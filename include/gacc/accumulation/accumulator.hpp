#pragma once

#include <gacc/accumulation/policy.hpp>
#include <gacc/optim/optimizer.hpp>

#include <utility>

namespace gacc::inline GACC_ABI {

/// What becomes of the samples at the end of an epoch that are too few for a step.
enum class LastBatch {
    step,        ///< they are a batch like any other, smaller
    drop,        ///< their gradients are left out
    carry_over,  ///< they begin the first batch of the next epoch
};

/// Gradient accumulation as a policy, for micro-batches that arrive one at a time. Call update() after each of them: it
/// steps and zeroes when the policy says so. It refers to the optimizer, which must outlive it.
///
/// A checkpoint needs nothing of it: the optimizer's tally says what is held. A policy with a memory, such as
/// AdaptiveBatch, is kept beside: checkpoint.keep("policy", accumulator.policy()).
///
/// Throws     UsageError if update() is called when no gradients are held
/// Example    gacc::Accumulator accumulator(adam, gacc::EverySamples{128});
///            gacc::Accumulator accumulator(adam, gacc::EverySamples{128}, gacc::LastBatch::carry_over);
template <class Scalar, AccumulationPolicy Policy>
class Accumulator {
public:
    Accumulator(Optimizer<Scalar>& optimizer, Policy policy, LastBatch last = LastBatch::step)
        : optimizer_(optimizer), policy_(std::move(policy)), last_(last) {}

    /// Call it after the backward pass of a micro-batch. True if the optimizer stepped.
    bool update() {
        const Accumulated now = held();
        if (now.micro_batches == 0) {
            throw UsageError("Accumulator::update",
                             "expected gradients to be held, got none; call the model's backward first");
        }
        return policy_(now) && flush();
    }

    /// Steps with the gradients held, if there are any. So the last, smaller batch counts like any other. True if the
    /// optimizer stepped.
    bool flush() {
        if (held().micro_batches == 0) { return false; }
        const Index before = optimizer_.steps();
        optimizer_.step();
        optimizer_.zero_grad();
        return optimizer_.steps() > before;
    }

    /// Does with the gradients held what LastBatch says. True if the optimizer stepped.
    bool end_epoch() {
        if (last_ == LastBatch::step) { return flush(); }
        if (last_ == LastBatch::drop) { optimizer_.zero_grad(); }
        return false;
    }

    /// The gradients that wait for the step.
    Accumulated held() const {
        const GradientTally& tally = optimizer_.parameters().tally();
        return {tally.samples(), tally.micro_batches(), tally.weight(), optimizer_.steps()};
    }

    /// The policy, so that a checkpoint can keep its state.
    Policy& policy() { return policy_; }

private:
    Optimizer<Scalar>& optimizer_;
    Policy policy_;
    LastBatch last_;
};

template <class O, class Policy>
Accumulator(O&, Policy) -> Accumulator<typename O::scalar_type, Policy>;
template <class O, class Policy>
Accumulator(O&, Policy, LastBatch) -> Accumulator<typename O::scalar_type, Policy>;

}  // namespace gacc
