#pragma once

#include <gacc/core/error.hpp>
#include <gacc/model/backward_pass.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam_a.hpp>
#include <gacc/optim/folded_batch.hpp>
#include <gacc/optim/folded_sgd.hpp>
#include <gacc/parameters/gradient_memory.hpp>
#include <gacc/parameters/gradient_tally.hpp>

#include <memory>

namespace gacc::inline GACC_ABI {

/// Backward passes whose gradients go into an optimizer's moments. It frees the gradients of the model.
///
/// AdamA      A gradient goes into the moments as soon as it is complete, layer by layer. One buffer is kept for the
///            gradients of the largest layer, and places for those of values that several layers share. A micro-batch is
///            one block, so that the gradient of a layer is complete before that of the next begins: scratch is larger
///            where samples have many rows
/// FoldedSGD  The velocity is the memory of the gradients. Only layers that use the values of others keep gradients
/// Memory     plan() counts these in place of all gradients, if it comes after this object
/// Throws     UsageError if the optimizer is that of another model; from backward(), before anything is changed, if the
///            optimizer's begin_batch() was not called, or, with AdamA, the micro-batch has more than 128 samples
/// Note       from now on the model is trained through this object alone: model.backward(), Lanes, NoiseScale and a guard
///            that reads gradients are refused. A copy of the model has gradients again
/// Example    gacc::FoldedBackward folded(model, adama);
///            ...   loss.forward(model.forward(micro.inputs), micro.labels);  folded.backward(loss.backward());
template <class Scalar>
class FoldedBackward {
public:
    FoldedBackward(Sequential<Scalar>& model, AdamA<Scalar>& optimizer)
        : model_(checked(model, optimizer)), tally_(optimizer.parameters().tally()), batch_(optimizer.batch()),
          memory_(model.fold_gradients()),
          ready_([&optimizer](Parameter<Scalar>& parameter) { optimizer.fold(parameter); }) {}
    FoldedBackward(Sequential<Scalar>& model, FoldedSGD<Scalar>& optimizer)
        : model_(checked(model, optimizer)), tally_(optimizer.parameters().tally()), batch_(optimizer.batch()),
          memory_(optimizer.lend_velocity()) {}
    FoldedBackward(const FoldedBackward&) = delete;
    FoldedBackward& operator=(const FoldedBackward&) = delete;

    /// In place of model.backward(loss).
    void backward(const LossGradient<Scalar>& loss) {
        if (const Index blocks = model_.blocks(); ready_ && blocks > 1) {
            throw UsageError("FoldedBackward::backward",
                             detail::text("expected a micro-batch of one block, got one of ", blocks,
                                          " blocks; use micro-batches of at most ", model_.largest_block(), " samples"));
        }
        batch_.check_start(tally_);
        const Open open(*this);
        model_.backward(loss, ready_);
    }

private:
    struct Open {
        explicit Open(FoldedBackward& folded) : of(folded) { of.memory_->open = true; }
        ~Open() {
            of.memory_->open = false;
            of.batch_.note(of.tally_);
        }
        Open(const Open&) = delete;
        Open& operator=(const Open&) = delete;
        FoldedBackward& of;
    };

    static Sequential<Scalar>& checked(Sequential<Scalar>& model, const Optimizer<Scalar>& optimizer) {
        const auto& parameters = optimizer.parameters();
        if (&model.parameters().tally() != &parameters.tally()) {
            throw UsageError("FoldedBackward", "expected the optimizer of this model, got that of another");
        }
        for (const auto& parameter : parameters.with_gradients()) {
            if (parameter.grad_is_folded() || !parameter.grad_is_zero()) {
                throw UsageError("FoldedBackward", "expected a model whose gradients are empty and not folded yet, got " +
                                                       parameter.name() + "; make it before the first backward, and once");
            }
        }
        return model;
    }

    Sequential<Scalar>& model_;
    const GradientTally& tally_;
    detail::FoldedBatch<Scalar>& batch_;
    std::shared_ptr<detail::FoldedGradients<Scalar>> memory_;
    GradientReady<Scalar> ready_;  // empty if sums go on in the moments
};

}  // namespace gacc
