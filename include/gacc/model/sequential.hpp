#pragma once

#include <gacc/layers/layer.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/workspace.hpp>

#include <concepts>
#include <memory>
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
        const Index out_features = layer.out_features(layers_.empty() ? layer.in_features() : widths_.back());
        layers_.push_back(std::make_unique<L>(std::move(layer)));
        if (!shares) { widths_.push_back(out_features); }
        slots_.push_back(widths_.size() - 1);

        const std::string prefix = std::to_string(layers_.size() - 1) + ".";
        for (auto* parameter : layers_.back()->parameters()) { parameter->rename(prefix + parameter->name()); }
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
        complete_ = true;
        ready_ = false;
        workspace_.reserve_activations(widths_, inputs.rows());
        workspace_.reserve_gradients();
        auto outputs = run(inputs, workspace_);
        inputs_ = inputs.data();
        input_stride_ = inputs.outerStride();
        ready_ = true;
        return outputs;
    }

    /// Adds the gradients of the last forward's micro-batch to those of the parameters, and its weight to their tally.
    void backward(const LossGradient<Scalar>& loss) {
        check(loss);
        GradientTally tally = *tally_;
        tally.add(loss.reduction, loss.sample_weights);
        ready_ = false;

        for_each_block(workspace_, [&](Index first, Index count) {
            for (std::size_t i = layers_.size(); i-- > 0;) {
                const auto y = workspace_.activation(slots_[i], first, count);
                const auto x = i == 0 ? inputs(first, count)
                                      : ConstMatrixView<Scalar>(workspace_.activation(slots_[i - 1], first, count));
                const auto grad_y = i + 1 == layers_.size()
                                        ? ConstMatrixView<Scalar>(loss.grad.middleRows(first, count))
                                        : ConstMatrixView<Scalar>(workspace_.gradient(i + 1, count, y.cols()));
                const MatrixView<Scalar> unwanted(nullptr, 0, 0, Eigen::OuterStride<>(0));
                layers_[i]->backward(x, y, grad_y, i == 0 ? unwanted : workspace_.gradient(i, count, x.cols()));
            }
        });
        *tally_ = tally;
    }

    /// The outputs for any number of samples, which are walked in blocks so that the memory stays small.
    /// Changes nothing: several threads may predict with one model at once.
    Matrix<Scalar> predict(const ConstMatrixView<Scalar>& inputs) const {
        check(inputs);
        Workspace<Scalar> workspace;
        Matrix<Scalar> outputs(inputs.rows(), widths_.back());
        for (Index first = 0; first < inputs.rows(); first += workspace.block) {
            const Index count = std::min(workspace.block, inputs.rows() - first);
            workspace.reserve_activations(widths_, count);
            outputs.middleRows(first, count) = run(inputs.middleRows(first, count), workspace);
        }
        return outputs;
    }

    std::size_t size() const { return layers_.size(); }
    const Layer<Scalar>& operator[](std::size_t i) const { return *layers_[i]; }
    const Workspace<Scalar>& workspace() const { return workspace_; }

private:
    /// f(first, count) for parts of the samples, in order, that together are all.
    template <class F>
    static void for_each_block(const Workspace<Scalar>& workspace, const F& f) {
        const Index samples = workspace.samples(), blocks = (samples + workspace.block - 1) / workspace.block;
        for (Index i = 0; i < blocks; ++i) {
            const Index first = samples * i / blocks;
            f(first, samples * (i + 1) / blocks - first);
        }
    }

    ConstMatrixView<Scalar> run(const ConstMatrixView<Scalar>& inputs, Workspace<Scalar>& workspace) const {
        for_each_block(workspace, [&](Index first, Index count) {
            for (std::size_t i = 0; i < layers_.size(); ++i) {
                const auto x = i == 0 ? ConstMatrixView<Scalar>(inputs.middleRows(first, count))
                                      : ConstMatrixView<Scalar>(workspace.activation(slots_[i - 1], first, count));
                layers_[i]->forward(x, workspace.activation(slots_[i], first, count));
            }
        });
        return workspace.activation(slots_.back());
    }

    ConstMatrixView<Scalar> inputs(Index first, Index count) const {
        return {inputs_ + first * input_stride_, count, layers_.front()->in_features(), input_stride_};
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
        if (!layers_.empty() && layer.in_features() != 0 && layer.in_features() != widths_.back()) {
            throw ShapeError(layer.description(),
                             detail::text("expected ", layer.in_features(), " features a sample, got the ",
                                          widths_.back(), " of ", layers_.back()->description(), " before it"));
        }
    }

    void check(const ConstMatrixView<Scalar>& inputs) const {
        if (layers_.empty()) { throw UsageError("Sequential", "expected a model with layers, got none; add one"); }
        detail::check_features(*layers_.front(), inputs);
    }

    void check(const LossGradient<Scalar>& loss) const {
        const auto where = "Sequential::backward";
        if (!ready_) { throw UsageError(where, "expected a forward before every backward, got none"); }
        if (loss.grad.rows() != workspace_.samples() || loss.grad.cols() != widths_.back() ||
            static_cast<Index>(loss.sample_weights.size()) != workspace_.samples()) {
            throw ShapeError(
                where, detail::text("expected a gradient of shape ", workspace_.samples(), " x ", widths_.back(),
                                    " and as many weights as samples, got ", loss.grad.rows(), " x ", loss.grad.cols(),
                                    " and ", loss.sample_weights.size()));
        }
    }

    std::vector<std::unique_ptr<Layer<Scalar>>> layers_;
    std::vector<Index> widths_;       // of the activations
    std::vector<std::size_t> slots_;  // of each layer, the activation that it writes
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
