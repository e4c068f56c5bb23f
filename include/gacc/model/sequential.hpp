#pragma once

#include <gacc/core/thread_scratch.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/first_values.hpp>
#include <gacc/model/layer_chain.hpp>
#include <gacc/model/workspace.hpp>
#include <gacc/parameters/parameters.hpp>

#include <algorithm>
#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Layers one after the other, with one workspace for their activations. It can be moved, and then nothing but the model
/// it moved to can be used.
///
/// Shapes     inputs samples x in_features of the first layer;  outputs samples x out_features of the last
/// Throws     ShapeError if inputs do not fit the first layer, or a layer the one before it;
///            UsageError if calls come in the wrong order. A call that throws one of these has changed nothing.
/// Example    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
template <class Scalar = float>
class Sequential {
public:
    Sequential() = default;

    template <std::derived_from<Layer<Scalar>>... Layers>
    requires(sizeof...(Layers) > 0) explicit Sequential(Layers... layers) { (add(std::move(layers)), ...); }

    /// Appends a layer. Only before parameters() and forward(), whose results would not know of it.
    template <std::derived_from<Layer<Scalar>> L>
    void add(L layer) {
        check_here();
        if (complete_) {
            throw UsageError("Sequential::add",
                             "expected all layers before the model is used, got " + layer.description() + " after");
        }
        chain().add(std::move(layer));
    }

    /// Draws the first values of all parameters, in model order.
    void initialize(Rng& rng) {
        for (std::size_t i = 0; i < chain().size(); ++i) {
            chain()[i].initialize(rng);
            for (auto* parameter : chain()[i].parameters()) { parameter->mark_set(); }
        }
    }

    /// A handle to values, gradients and the weight the gradients hold. It keeps them alive, also beyond the model.
    /// Names are those of a PyTorch state_dict: "0.weight", "0.bias", "2.weight".
    Parameters<Scalar> parameters() {
        complete_ = true;
        std::vector<Parameter<Scalar>*> all;
        for (std::size_t i = 0; i < chain().size(); ++i) {
            for (auto* parameter : chain()[i].parameters()) { all.push_back(parameter); }
        }
        return {std::move(all), body().tally, body_};
    }

    /// The outputs, valid until the next forward or plan. `inputs` must stay as they are until backward, which reads
    /// them again. For training: a model whose weights are still the zeros that they are made of is refused (predict()
    /// takes it). Vectors, as biases are, may stay zero.
    ///
    /// Throws     UsageError if initialize() was forgotten, and no one else has loaded or set the parameters
    ConstMatrixView<Scalar> forward(const ConstMatrixView<Scalar>& inputs) {
        check(inputs);
        check_planned(inputs.rows());
        check_initialized();
        complete_ = true;
        ready_ = false;
        workspace_.lay_out(chain().activations(), chain().gradient_width(), inputs.rows(), planned_);
        detail::ThreadScratch::reserve_mine();  // here, since no backward pass should fail for lack of memory
        for_each_block([&](Index first, Index count) { chain().forward(inputs, first, count, workspace_); });
        inputs_ = inputs.data();
        input_stride_ = inputs.outerStride();
        ready_ = true;
        ++forwards_without_backward_;
        return workspace_.outputs(0, inputs.rows());
    }

    /// Adds the gradients of the last forward's micro-batch to those of the parameters, and its weight to their tally.
    /// A sample of weight 0, whose gradient the loss has made 0, counts for nothing, also if its inputs are not finite.
    /// If a layer throws, some gradients may have been added and others not: until zero_grad() the model then takes
    /// neither backward nor step.
    ///
    /// Throws     UsageError if zero_grad() did not follow the last step() or a backward that threw
    void backward(const LossGradient<Scalar>& loss) {
        check(loss);
        GradientTally tally = body().tally;
        tally.add(loss.reduction, loss.sample_weights);
        ready_ = false;
        --forwards_without_backward_;
        body().tally.mark_partial();
        const ConstMatrixView<Scalar> inputs(inputs_, workspace_.samples(), in_features(), input_stride_);
        const detail::IgnoredSamples<Scalar> ignored(loss.sample_weights);
        for_each_block([&](Index first, Index count) {
            chain().backward(inputs, loss.grad, first, count, workspace_, ignored);
        });
        body().tally = tally;
    }

    /// Calls of forward so far that no backward has followed, the last one until its backward comes. A guard leaves
    /// micro-batches out that way; if nobody does, it should be 0 at the end of training. Nothing sets it back.
    Index forwards_without_backward() const { return forwards_without_backward_; }

    /// The outputs for any number of samples, which are walked in blocks so that the memory stays small.
    /// Changes nothing: several threads may predict with one model at once.
    Matrix<Scalar> predict(const ConstMatrixView<Scalar>& inputs) const {
        check(inputs);
        auto activations = chain().activations();
        for (std::size_t i = 0; i + 1 < activations.size(); ++i) { activations[i].kept = false; }
        Workspace<Scalar> workspace;
        Matrix<Scalar> outputs(inputs.rows(), out_features());
        for (Index first = 0; first < inputs.rows(); first += workspace.block) {
            const Index count = std::min(workspace.block, inputs.rows() - first);
            workspace.lay_out(activations, 0, count);
            chain().forward(inputs.middleRows(first, count), 0, count, workspace);
            outputs.middleRows(first, count) = workspace.outputs(0, count);
        }
        return outputs;
    }

    /// What training with micro-batches of so many samples takes beside the values and gradients of the parameters.
    memory::Bytes workspace_bytes(Index micro_batch, const std::vector<Activation>& activations) const {
        const auto bytes = [](Index numbers) {
            return static_cast<std::size_t>(detail::product_of(numbers, Index{sizeof(Scalar)}));
        };
        memory::Bytes all;
        all[memory::Kind::activations] = bytes(Workspace<Scalar>::activation_numbers(activations, micro_batch));
        all[memory::Kind::scratch] = bytes(Workspace<Scalar>::gradient_numbers(chain().gradient_width(), micro_batch));
        return all;
    }

    /// The activations of its layers, in order; a layer that works in place has none of its own.
    const std::vector<Activation>& activations() const { return chain().activations(); }

    /// Prepares for micro-batches of at most so many samples, and for these activations to be kept or dropped. From
    /// then on a larger micro-batch is an error.
    ///
    /// Throws     UsageError if these are not activations() but for what is kept, or the last, the outputs, is not
    void lay_out(Index micro_batch, const std::vector<Activation>& activations) {
        check_here();
        const auto same_width = [](const Activation& a, const Activation& b) { return a.width == b.width; };
        if (micro_batch < 1 || activations.empty() || !activations.back().kept ||
            !std::ranges::equal(activations, chain().activations(), same_width)) {
            throw UsageError("Sequential::lay_out",
                             "expected a micro-batch of 1 or more and the model's activations with the last one kept, "
                             "got others");
        }
        chain().set_activations(activations);
        complete_ = true;
        ready_ = false;
        planned_ = micro_batch;
        workspace_ = Workspace<Scalar>();
    }

    Index in_features() const { return chain().in_features(); }
    Index out_features() const { return chain().out_features(); }
    std::size_t size() const { return chain().size(); }
    const Layer<Scalar>& operator[](std::size_t i) const { return chain()[i]; }

private:
    /// f(first, count) for parts of the samples, in order, that together are all.
    template <class F>
    void for_each_block(const F& f) const {
        const Index samples = workspace_.samples(), rows = workspace_.block_rows();
        for (Index first = 0; first < samples; first += rows) { f(first, std::min(rows, samples - first)); }
    }

    void check(const ConstMatrixView<Scalar>& inputs) const {
        if (chain().size() == 0) { throw UsageError("Sequential", "expected a model with layers, got none; add one"); }
        detail::check_features(chain()[0], inputs);
    }

    void check_planned(Index samples) const {
        if (planned_ > 0 && samples > planned_) {
            throw UsageError("Sequential::forward",
                             detail::text("expected at most the ", planned_, " samples a micro-batch of the plan, got ",
                                          samples, "; cut batches with micro_batches(plan), or plan anew"));
        }
    }

    /// Looks until all is there, and then never again.
    void check_initialized() {
        if (initialized_) { return; }
        if (const Parameter<Scalar>* unset = detail::without_first_values(chain())) {
            throw UsageError("Sequential::forward",
                             "expected parameters with first values, got " + unset->name() +
                                 " without; call model.initialize(rng) first, or load or set its parameters");
        }
        initialized_ = true;
    }

    void check(const LossGradient<Scalar>& loss) const {
        const auto where = "Sequential::backward";
        if (!ready_) { throw UsageError(where, "expected a forward before every backward, got none"); }
        if (loss.grad.rows() != workspace_.samples() || loss.grad.cols() != out_features() ||
            static_cast<Index>(loss.sample_weights.size()) != workspace_.samples()) {
            throw ShapeError(
                where, detail::text("expected a gradient of shape ", workspace_.samples(), " x ", out_features(),
                                    " and as many weights as samples, got ", loss.grad.rows(), " x ", loss.grad.cols(),
                                    " and ", loss.sample_weights.size()));
        }
    }

    /// What handles to the parameters refer to, and so keep alive.
    struct Body {
        detail::LayerChain<Scalar> chain;
        GradientTally tally;
    };
    Body& body() {
        check_here();
        return *body_;
    }
    detail::LayerChain<Scalar>& chain() { return body().chain; }
    const detail::LayerChain<Scalar>& chain() const {
        check_here();
        return body_->chain;
    }
    void check_here() const {
        if (body_ == nullptr) {
            throw UsageError("Sequential", "expected a model, got one that was moved from; use the one it moved to");
        }
    }

    std::shared_ptr<Body> body_ = std::make_shared<Body>();
    Index planned_ = 0;  // the largest micro-batch allowed; 0: any
    Workspace<Scalar> workspace_;
    const Scalar* inputs_ = nullptr;  // of the last forward
    Index input_stride_ = 0;
    bool ready_ = false;     // for backward
    bool complete_ = false;  // no layers any more
    bool initialized_ = false;
    Index forwards_without_backward_ = 0;
};

template <class First, class... Rest>
Sequential(First, Rest...) -> Sequential<typename First::scalar_type>;

}  // namespace gacc
