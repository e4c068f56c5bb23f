#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/layers/layer.hpp>
#include <gacc/model/ignored_samples.hpp>
#include <gacc/model/workspace.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// The layers of a model, and the way of one block of samples through them, forward and backward.
///
/// A layer that works in place shares the activation of the layer before it; every other has one of its own.
template <class Scalar>
class LayerChain {
public:
    template <class L>
    void add(L layer) {
        check_fits(layer);
        if (layer.in_place() && !layer.parameters().empty()) {
            throw UsageError("Sequential", "expected an in-place layer without parameters, got " + layer.description());
        }
        const bool shares = !layers_.empty() && layer.in_place() && !layers_.back()->reads_output();
        const Index out_features = layer.out_features(layers_.empty() ? layer.in_features() : this->out_features());
        layers_.push_back(std::make_unique<L>(std::move(layer)));
        if (!shares) { activations_.push_back({out_features}); }
        slots_.push_back(activations_.size() - 1);

        const std::string prefix = std::to_string(layers_.size() - 1) + ".";
        const auto parameters = layers_.back()->parameters();
        by_rows_.push_back(parameters.empty());
        for (auto* parameter : parameters) {
            parameter->rename(prefix + parameter->name());
            activations_.back().work += parameter->size();
        }
        gradient_width_ = widest_gradient_apart();
    }

    std::size_t size() const { return layers_.size(); }
    Layer<Scalar>& operator[](std::size_t i) { return *layers_[i]; }
    const Layer<Scalar>& operator[](std::size_t i) const { return *layers_[i]; }
    Index in_features() const { return layers_.empty() ? 0 : layers_.front()->in_features(); }
    Index out_features() const { return activations_.empty() ? 0 : activations_.back().width; }

    const std::vector<Activation>& activations() const { return activations_; }
    /// The same activations, other ones kept or dropped.
    void set_activations(const std::vector<Activation>& activations) { activations_ = activations; }
    /// Features of the widest gradient that cannot lie over an activation; 0 if all can.
    Index gradient_width() const { return gradient_width_; }

    /// Computes the activations of samples first to first + count - 1, which are of one block: of all layers, or of
    /// some in a row.
    ///
    /// A layer with parameters shares out its work over the threads itself. Threads that took samples through all
    /// layers would meet less often, but each would read all weights, which the optimizer then has to take from all but
    /// one of them again.
    void forward(const ConstMatrixView<Scalar>& inputs, Index first, Index count, Workspace<Scalar>& workspace,
                 std::size_t first_layer = 0, std::size_t last_layer = SIZE_MAX) const {
        constexpr Index cost = 8;  // multiply-adds that an element of a layer without parameters may be worth
        for (std::size_t i = first_layer; i < std::min(last_layer, layers_.size()); ++i) {
            const auto rows = [&](Index begin, Index end) {
                const auto x =
                    i == 0 ? ConstMatrixView<Scalar>(inputs.middleRows(first + begin, end - begin))
                           : ConstMatrixView<Scalar>(workspace.activation(slots_[i - 1], first + begin, end - begin));
                layers_[i]->forward(x, workspace.activation(slots_[i], first + begin, end - begin));
            };
            if (by_rows_[i]) {
                parallel_for(count, std::int64_t{count} * activations_[slots_[i]].width * cost, rows);
            } else {
                rows(0, count);
            }
        }
    }

    /// The backward pass of one block. Gradients lie over the activations that they belong to, which nobody needs any
    /// more, where both layers beside them allow it. Activations and gradients of ignored samples are 0 where they
    /// would not be finite; the inputs are not ours, and the first layer is not shown these rows of them.
    void backward(const ConstMatrixView<Scalar>& inputs, const ConstMatrixView<Scalar>& loss_grad, Index first,
                  Index count, Workspace<Scalar>& workspace, const IgnoredSamples<Scalar>& ignored = {}) {
        const MatrixView<Scalar> unwanted(nullptr, 0, 0, Eigen::OuterStride<>(0));
        // Dropped activations of this layer and the ones after it have been computed again, or are still there.
        std::size_t there = workspace.blocks() == 1 ? last_dropped_run() : layers_.size();
        std::optional<ConstMatrixView<Scalar>> grad_y(loss_grad.middleRows(first, count));
        if (layers_.back()->reads_output()) { ignored.clear(workspace.outputs(first, count), first); }
        for (std::size_t i = layers_.size(); i-- > 1;) {
            if (dropped(i - 1) && i - 1 < there) {
                there = first_of_run(i - 1);
                forward(inputs, first, count, workspace, there, i);
            }
            const auto y = workspace.activation(slots_[i], first, count);
            const auto x = workspace.activation(slots_[i - 1], first, count);
            ignored.clear(x, first);
            if (gradient_over(i)) {
                const bool two = in_place(i - 1);
                layers_[i]->backward_over(x, y, *grad_y, two ? layers_[i - 1].get() : nullptr);
                ignored.clear(x, first);
                grad_y.emplace(x);
                i -= two ? 1 : 0;
            } else {
                const auto grad_x = workspace.gradient(i, count, x.cols());
                layers_[i]->backward(x, y, *grad_y, grad_x);
                ignored.clear(grad_x, first);
                grad_y.emplace(grad_x);
            }
        }
        ignored.for_others(inputs.middleRows(first, count), first, [&](Index begin, Index rows) {
            layers_[0]->backward(inputs.middleRows(first + begin, rows),
                                 workspace.activation(slots_[0], first + begin, rows), grad_y->middleRows(begin, rows),
                                 unwanted);
        });
    }

private:
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

    void check_fits(const Layer<Scalar>& layer) const {
        if (layers_.empty() && layer.in_features() == 0) {
            throw ShapeError("Sequential",
                             "expected a first layer with a known number of features, got " + layer.description());
        }
        if (!layers_.empty() && layer.in_features() != 0 && layer.in_features() != out_features()) {
            throw ShapeError(layer.description(),
                             detail::text("expected ", layer.in_features(), " features a sample, got the ",
                                          out_features(), " of ", layers_.back()->description(), " before it"));
        }
    }

    std::vector<std::unique_ptr<Layer<Scalar>>> layers_;
    std::vector<Activation> activations_;
    std::vector<std::size_t> slots_;  // of each layer, the activation that it writes
    std::vector<bool> by_rows_;       // of each layer, whether threads may share out its rows: it has no parameters
    Index gradient_width_ = 0;
};

}  // namespace gacc::detail
