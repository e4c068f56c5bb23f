#pragma once

#include <gacc/core/error.hpp>
#include <gacc/model/backward_pass.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/optim/adam_a.hpp>
#include <gacc/parameters/gradient_memory.hpp>

#include <memory>

namespace gacc::inline GACC_ABI {

/// Backward passes whose gradients go into an optimizer's moments as soon as they are complete, layer by layer. It frees
/// the gradients of the model, and keeps one buffer for those of the largest layer.
///
/// Memory     the gradients of the largest layer, and those of values that several layers share. plan() counts them in
///            place of all gradients, if it comes after this object. A micro-batch is one block, so that the gradient of a
///            layer is complete before that of the next begins: scratch is larger where samples have many rows
/// Throws     UsageError if the optimizer is that of another model; from backward(), before anything is changed, if the
///            optimizer's begin_batch() was not called, or the micro-batch has more than 128 samples
/// Note       from now on the model is trained through this object alone: model.backward(), Lanes, NoiseScale and a guard
///            that reads gradients are refused. A copy of the model has gradients again
/// Example    gacc::FoldedBackward folded(model, adama);
///            ...   loss.forward(model.forward(micro.inputs), micro.labels);  folded.backward(loss.backward());
template <class Scalar>
class FoldedBackward {
public:
    FoldedBackward(Sequential<Scalar>& model, AdamA<Scalar>& optimizer) : model_(model), optimizer_(optimizer) {
        if (&model.parameters().tally() != &optimizer.parameters().tally()) {
            throw UsageError("FoldedBackward", "expected the optimizer of this model, got that of another");
        }
        memory_ = model.fold_gradients();
    }
    FoldedBackward(const FoldedBackward&) = delete;
    FoldedBackward& operator=(const FoldedBackward&) = delete;

    /// In place of model.backward(loss).
    void backward(const LossGradient<Scalar>& loss) {
        if (const Index blocks = model_.blocks(); blocks > 1) {
            throw UsageError("FoldedBackward::backward",
                             detail::text("expected a micro-batch of one block, got one of ", blocks,
                                          " blocks; use micro-batches of at most ", model_.largest_block(), " samples"));
        }
        optimizer_.start();
        const Open open(*memory_);
        model_.backward(loss, ready_);
        optimizer_.end();
    }

private:
    struct Open {
        explicit Open(detail::FoldedGradients<Scalar>& memory) : memory_(memory) { memory_.open = true; }
        ~Open() { memory_.open = false; }
        Open(const Open&) = delete;
        Open& operator=(const Open&) = delete;
        detail::FoldedGradients<Scalar>& memory_;
    };

    Sequential<Scalar>& model_;
    AdamA<Scalar>& optimizer_;
    std::shared_ptr<detail::FoldedGradients<Scalar>> memory_;
    GradientReady<Scalar> ready_ = [this](Parameter<Scalar>& parameter) { optimizer_.fold(parameter); };
};

}  // namespace gacc
