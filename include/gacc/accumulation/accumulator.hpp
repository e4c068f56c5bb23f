#pragma once

#include <gacc/accumulation/policy.hpp>
#include <gacc/optim/optimizer.hpp>

#include <utility>

namespace gacc::inline GACC_ABI {

/// Gradient accumulation as a policy, for micro-batches that arrive one at a time. Call update() after each of them: it
/// steps and zeroes when the policy says so. It refers to the optimizer, which must outlive it.
///
/// Throws     UsageError if update() is called when no gradients are held
/// Example    gacc::Accumulator accumulator(adam, gacc::EverySamples{128});
template <class Scalar, AccumulationPolicy Policy>
class Accumulator {
public:
    Accumulator(Optimizer<Scalar>& optimizer, Policy policy) : optimizer_(optimizer), policy_(std::move(policy)) {}

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
};

template <class O, class Policy>
Accumulator(O&, Policy) -> Accumulator<typename O::scalar_type, Policy>;

}  // namespace gacc
