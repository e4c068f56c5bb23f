#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/workspace.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gacc {

/// Layers one after the other, with one workspace for their activations.
///
/// Shapes     inputs samples x in_features of the first layer;  outputs samples x out_features of the last
/// Throws     ShapeError if inputs do not fit the first layer, or a layer the one before it;
///            UsageError if calls come in the wrong order. A call that throws has changed nothing.
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
        check_fits(layer);
        const bool shares = !layers_.empty() && layer.in_place() && !layers_.back()->reads_output();
        const Index out_features = layer.out_features(layers_.empty() ? layer.in_features() : out_features_());
        layers_.push_back(std::make_unique<L>(std::move(layer)));
        if (!shares) { activations_.push_back({out_features}); }
        slots_.push_back(activations_.size() - 1);

        const std::string prefix = std::to_string(layers_.size() - 1) + ".";
        for (auto* parameter : layers_.back()->parameters()) {
            parameter->rename(prefix + parameter->name());
            work_per_sample_ += parameter->size();
            activations_.back().work += parameter->size();
        }
        gradient_width_ = widest_gradient_apart();
    }

    /// Draws the first values of all parameters, in model order.
    void initialize(Rng& rng) {
        for (auto& layer : layers_) { layer->initialize(rng); }
    }

    /// A handle to values, gradients and the weight the gradients hold. Valid while the model lives.
    /// Names are those of a PyTorch state_dict: "0.weight", "0.bias", "2.weight".
    Parameters<Scalar> parameters() {
        complete_ = true;
        std::vector<Parameter<Scalar>*> all;
        for (auto& layer : layers_) {
            for (auto* parameter : layer->parameters()) { all.push_back(parameter); }
        }
        return {std::move(all), *tally_};
    }

    /// The outputs, valid until the next forward. `inputs` must stay as they are until backward, which reads them
    /// again.
    ConstMatrixView<Scalar> forward(const ConstMatrixView<Scalar>& inputs) {
        check(inputs);
        check_planned(inputs.rows());
        complete_ = true;
        ready_ = false;
        workspace_.lay_out(activations_, gradient_width_, inputs.rows(), planned_);
        for_each_block(workspace_, [&](Index first, Index count) { run(inputs, first, count, workspace_); });
        inputs_ = inputs.data();
        input_stride_ = inputs.outerStride();
        ready_ = true;
        return workspace_.activation(slots_.back(), 0, inputs.rows());
    }

    /// Adds the gradients of the last forward's micro-batch to those of the parameters, and its weight to their tally.
    void backward(const LossGradient<Scalar>& loss) {
        check(loss);
        GradientTally tally = *tally_;
        tally.add(loss.reduction, loss.sample_weights);
        ready_ = false;
        for_each_block(workspace_,
                       [&](Index first, Index count) { backward(loss.grad.middleRows(first, count), first, count); });
        *tally_ = tally;
    }

    /// The outputs for any number of samples, which are walked in blocks so that the memory stays small.
    /// Changes nothing: several threads may predict with one model at once.
    Matrix<Scalar> predict(const ConstMatrixView<Scalar>& inputs) const {
        check(inputs);
        auto activations = activations_;
        for (std::size_t i = 0; i + 1 < activations.size(); ++i) { activations[i].kept = false; }
        Workspace<Scalar> workspace;
        Matrix<Scalar> outputs(inputs.rows(), out_features_());
        for (Index first = 0; first < inputs.rows(); first += workspace.block) {
            const Index count = std::min(workspace.block, inputs.rows() - first);
            workspace.lay_out(activations, 0, count);
            run(inputs.middleRows(first, count), 0, count, workspace);
            outputs.middleRows(first, count) = workspace.activation(slots_.back(), 0, count);
        }
        return outputs;
    }

    /// What training with micro-batches of so many samples takes beside the values and gradients of the parameters.
    memory::Bytes workspace_bytes(Index micro_batch, const std::vector<Activation>& activations) const {
        const auto bytes = [](Index numbers) { return static_cast<std::size_t>(numbers) * sizeof(Scalar); };
        memory::Bytes all;
        all[memory::Kind::activations] = bytes(Workspace<Scalar>::activation_numbers(activations, micro_batch));
        all[memory::Kind::scratch] = bytes(Workspace<Scalar>::gradient_numbers(gradient_width_, micro_batch));
        for (std::size_t i = 1; i < layers_.size(); ++i) {
            all[memory::Kind::packed] += bytes(layers_[i]->packed_numbers());
        }
        return all;
    }

    /// The activations of its layers, in order; a layer that works in place has none of its own.
    const std::vector<Activation>& activations() const { return activations_; }

    /// Prepares for micro-batches of at most so many samples, and for these activations to be kept or dropped. From
    /// then on a larger micro-batch is an error.
    void lay_out(Index micro_batch, const std::vector<Activation>& activations) {
        complete_ = true;
        ready_ = false;
        planned_ = micro_batch;
        activations_ = activations;
        workspace_ = Workspace<Scalar>();
    }

    Index in_features() const { return layers_.empty() ? 0 : layers_.front()->in_features(); }
    Index out_features() const { return layers_.empty() ? 0 : out_features_(); }
    std::size_t size() const { return layers_.size(); }
    const Layer<Scalar>& operator[](std::size_t i) const { return *layers_[i]; }

private:
    /// f(first, count) for parts of the samples, in order, that together are all.
    template <class F>
    static void for_each_block(const Workspace<Scalar>& workspace, const F& f) {
        const Index samples = workspace.samples(), rows = workspace.block_rows();
        for (Index first = 0; first < samples; first += rows) { f(first, std::min(rows, samples - first)); }
    }

    /// Computes the activations of one block, all of them or those of some layers in a row. Every thread takes some
    /// samples through all layers, if there are enough of them; else the layers share out their work themselves.
    void run(const ConstMatrixView<Scalar>& inputs, Index first, Index count, Workspace<Scalar>& workspace,
             std::size_t first_layer = 0, std::size_t last_layer = SIZE_MAX) const {
        constexpr Index enough = 16;
        const auto layers = [&](Index begin, Index end) {
            for (std::size_t i = first_layer; i < std::min(last_layer, layers_.size()); ++i) {
                const auto x =
                    i == 0 ? ConstMatrixView<Scalar>(inputs.middleRows(first + begin, end - begin))
                           : ConstMatrixView<Scalar>(workspace.activation(slots_[i - 1], first + begin, end - begin));
                layers_[i]->forward(x, workspace.activation(slots_[i], first + begin, end - begin));
            }
        };
        if (count < enough * threads()) { return layers(0, count); }
        detail::parallel_for(count, count * work_per_sample_, layers, enough);
    }

    /// The backward pass of one block. Gradients lie over the activations that they belong to, which nobody needs any
    /// more, where both layers beside them allow it.
    void backward(const ConstMatrixView<Scalar>& loss_grad, Index first, Index count) {
        const MatrixView<Scalar> unwanted(nullptr, 0, 0, Eigen::OuterStride<>(0));
        std::size_t there = workspace_.blocks() == 1 ? last_dropped_run() : layers_.size();
        std::optional<ConstMatrixView<Scalar>> grad_y(loss_grad);
        for (std::size_t i = layers_.size(); i-- > 1;) {
            if (dropped(i - 1) && i - 1 < there) {
                there = first_of_run(i - 1);
                run(inputs(), first, count, workspace_, there, i);
            }
            const auto y = workspace_.activation(slots_[i], first, count);
            const auto x = workspace_.activation(slots_[i - 1], first, count);
            if (gradient_over(i)) {
                const bool two = in_place(i - 1);
                layers_[i]->backward_over(x, y, *grad_y, two ? layers_[i - 1].get() : nullptr);
                grad_y.emplace(x);
                i -= two ? 1 : 0;
            } else {
                const auto grad_x = workspace_.gradient(i, count, x.cols());
                layers_[i]->backward(x, y, *grad_y, grad_x);
                grad_y.emplace(grad_x);
            }
        }
        layers_[0]->backward(inputs().middleRows(first, count), workspace_.activation(slots_[0], first, count), *grad_y,
                             unwanted);
    }

    bool in_place(std::size_t layer) const { return layer > 0 && slots_[layer] == slots_[layer - 1]; }
    bool dropped(std::size_t layer) const { return !activations_[slots_[layer]].kept; }
    /// Whether the gradient by the layer's input may lie over that input.
    bool gradient_over(std::size_t layer) const {
        return layers_[layer]->writes_over_input() && (in_place(layer - 1) || !layers_[layer - 1]->reads_output());
    }
    Index widest_gradient_apart() const {
        Index widest = 0;
        for (std::size_t i = layers_.size(); i-- > 1;) {  // as the backward pass goes
            if (!gradient_over(i)) {
                widest = std::max(widest, activations_[slots_[i - 1]].width);
            } else if (in_place(i - 1)) {
                --i;
            }
        }
        return widest;
    }
    /// The first layer of the run of layers with dropped activations that this one is in.
    std::size_t first_of_run(std::size_t layer) const {
        while (layer > 0 && dropped(layer - 1)) { --layer; }
        return layer;
    }
    /// Of the run that comes last: its activations are still there after a forward pass of one block.
    std::size_t last_dropped_run() const {
        std::size_t layer = layers_.size();
        while (layer > 0 && !dropped(layer - 1)) { --layer; }
        return layer == 0 ? layers_.size() : first_of_run(layer - 1);
    }

    Index out_features_() const { return activations_.back().width; }

    ConstMatrixView<Scalar> inputs() const {
        return {inputs_, workspace_.samples(), layers_.front()->in_features(), input_stride_};
    }

    void check_fits(const Layer<Scalar>& layer) const {
        if (complete_) {
            throw UsageError("Sequential::add",
                             "expected all layers before the model is used, got " + layer.description() + " after");
        }
        if (layers_.empty() && layer.in_features() == 0) {
            throw ShapeError("Sequential",
                             "expected a first layer with a known number of features, got " + layer.description());
        }
        if (!layers_.empty() && layer.in_features() != 0 && layer.in_features() != out_features_()) {
            throw ShapeError(layer.description(),
                             detail::text("expected ", layer.in_features(), " features a sample, got the ",
                                          out_features_(), " of ", layers_.back()->description(), " before it"));
        }
    }

    void check(const ConstMatrixView<Scalar>& inputs) const {
        if (layers_.empty()) { throw UsageError("Sequential", "expected a model with layers, got none; add one"); }
        detail::check_features(*layers_.front(), inputs);
    }

    void check_planned(Index samples) const {
        if (planned_ > 0 && samples > planned_) {
            throw UsageError("Sequential::forward",
                             detail::text("expected at most the ", planned_, " samples a micro-batch of the plan, got ",
                                          samples, "; cut batches with micro_batches(plan), or plan anew"));
        }
    }

    void check(const LossGradient<Scalar>& loss) const {
        const auto where = "Sequential::backward";
        if (!ready_) { throw UsageError(where, "expected a forward before every backward, got none"); }
        if (loss.grad.rows() != workspace_.samples() || loss.grad.cols() != out_features_() ||
            static_cast<Index>(loss.sample_weights.size()) != workspace_.samples()) {
            throw ShapeError(
                where, detail::text("expected a gradient of shape ", workspace_.samples(), " x ", out_features_(),
                                    " and as many weights as samples, got ", loss.grad.rows(), " x ", loss.grad.cols(),
                                    " and ", loss.sample_weights.size()));
        }
    }

    std::vector<std::unique_ptr<Layer<Scalar>>> layers_;
    std::vector<Activation> activations_;
    std::vector<std::size_t> slots_;  // of each layer, the activation that it writes
    Index gradient_width_ = 0;        // the widest gradient that cannot lie over an activation
    Index work_per_sample_ = 0;       // multiply-adds of a forward pass
    Index planned_ = 0;               // the largest micro-batch allowed; 0: any
    std::unique_ptr<GradientTally> tally_ = std::make_unique<GradientTally>();
    Workspace<Scalar> workspace_;
    const Scalar* inputs_ = nullptr;  // of the last forward
    Index input_stride_ = 0;
    bool ready_ = false;     // for backward
    bool complete_ = false;  // no layers any more
};

template <class First, class... Rest>
Sequential(First, Rest...) -> Sequential<typename First::scalar_type>;

}  // namespace gacc
