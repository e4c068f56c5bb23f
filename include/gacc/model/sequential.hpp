#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/memory.hpp>
#include <gacc/core/sizes.hpp>
#include <gacc/losses/features.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/backward_plan.hpp>
#include <gacc/model/block.hpp>
#include <gacc/model/chosen_activations.hpp>
#include <gacc/model/first_values.hpp>
#include <gacc/model/folded_layout.hpp>
#include <gacc/model/graph.hpp>
#include <gacc/model/model_body.hpp>
#include <gacc/model/model_checks.hpp>
#include <gacc/model/owned_body.hpp>
#include <gacc/model/prediction.hpp>
#include <gacc/model/residual.hpp>
#include <gacc/model/summary.hpp>
#include <gacc/model/training_pass.hpp>
#include <gacc/model/workspace.hpp>
#include <gacc/parameters/gradient_memory.hpp>
#include <gacc/parameters/parameters.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gacc::inline GACC_ABI {

/// Layers and blocks one after the other, with one workspace for their values.
///
/// It can be moved; the old object cannot be used afterwards. It can be copied: a copy has its own parameters,
/// gradients and tally, and no optimizer.
///
/// Shapes     inputs samples x numbers of the input shape;  outputs rows of all samples x the last size of the output
///            shape, one row for a sample of shape {features}
/// Throws     ShapeError if inputs do not fit the first layer, or a layer does not fit the one before it; UsageError if
///            calls come in the wrong order. A call that throws one of these changes nothing.
/// Example    gacc::Sequential model(gacc::Linear(784, 128), gacc::ReLU(), gacc::Linear(128, 10));
template <class Scalar = float>
class Sequential {
public:
    using scalar_type = Scalar;

    Sequential() = default;

    template <class... Parts>
    requires(sizeof...(Parts) > 0 &&
             ((std::convertible_to<Parts, Block<Scalar>> || std::same_as<Parts, Input>)&&...))
    explicit Sequential(Parts... parts) { (add(std::move(parts)), ...); }

    Sequential(const Sequential& other) : body_(other.body_) {}
    Sequential(Sequential&&) noexcept = default;
    /// Takes the other's layers and values. If a handle or an optimizer refers to this model's parameters, it keeps its
    /// layers and takes only the values, so the parameters stay those of the model.
    ///
    /// Throws     UsageError if the parameters are referred to and the other's have other names or shapes
    Sequential& operator=(const Sequential& other) {
        if (this == &other) { return *this; }
        if (!body_.is_referred_to()) { return replace_by(Sequential(other)); }
        body().take_values(other.body());
        return *this;
    }
    Sequential& operator=(Sequential&& other) {
        if (this == &other) { return *this; }
        if (!body_.is_referred_to()) { return replace_by(std::move(other)); }
        body().take_values(other.body());
        return *this;
    }
    ~Sequential() = default;

    /// Sets the shape of a sample. Call it before the first layer is added.
    ///
    /// Throws     UsageError if there are layers already
    void add(const Input& input) {
        if (size() > 0) {
            throw UsageError("Sequential::add", "expected an Input before all layers, got one after " +
                                                    body().blocks.back().description());
        }
        body().graph.set_input(input.shape);
    }

    /// Appends a layer or a block. Call it only before parameters() and forward(): their results would not include it.
    template <std::convertible_to<Block<Scalar>> B>
    requires(!std::same_as<B, Input>) void add(B block) { append(Block<Scalar>(std::move(block))); }

    /// Draws the first values of all parameters, in model order. The generator's seed also becomes the seed of the
    /// random numbers of training.
    void initialize(Rng& rng) {
        body().tally.set_seed(rng.seed());
        body().for_each_layer([&](Layer<Scalar>& layer) {
            layer.initialize(rng);
            for (auto* parameter : layer.parameters()) { parameter->mark_set(); }
        });
    }

    /// A handle to values, gradients and the weight that the gradients hold. It keeps them alive after the model is
    /// gone. Names are those of a PyTorch state_dict: "0.weight", "0.bias", "3.branch.0.weight".
    Parameters<Scalar> parameters() {
        complete_ = true;
        return body_.parameters();
    }

    /// Stops the training of all parameters for which `which(parameter)` is true, or resumes it. Frozen parameters have
    /// no gradients and no moments. The backward pass stops where nothing below is trained. Call it before you make an
    /// optimizer. Shared values are frozen with the parameter that has them. Files do not keep what is frozen.
    ///
    /// Throws     UsageError if a handle or an optimizer refers to the parameters, since it relies on their gradients
    /// Example    model.freeze([](const auto& p) { return !p.name().starts_with("6."); });  // all but the last layer
    template <class Which>
        requires std::predicate<Which&, const Parameter<Scalar>&>
    void freeze(const Which& which) { set_frozen(which, true); }
    template <class Which>
        requires std::predicate<Which&, const Parameter<Scalar>&>
    void unfreeze(const Which& which) { set_frozen(which, false); }

    /// Computes the outputs, for training. They are valid until the next forward or plan. `inputs` must not change
    /// until backward, which reads them again.
    ///
    /// Throws     UsageError if the weights are still the zeros with which they were made: call initialize(), or load
    ///            or set them. Vectors, such as biases, may stay zero. predict() does not check this
    ConstMatrixView<Scalar> forward(const ConstMatrixView<Scalar>& inputs) {
        return forward(inputs, detail::PassEnd::outputs);
    }

    /// The same without the last layer, for a loss that computes the outputs itself, a block of rows at a time. See
    /// LinearCrossEntropy. The features are valid until the next forward or plan; backward refuses older ones.
    ///
    /// Throws     UsageError also if the last layer is no Linear, or there is none before it
    Features<Scalar> forward_features(const ConstMatrixView<Scalar>& inputs) {
        detail::check_head("Sequential::forward_features", body());
        const auto values = forward(inputs, detail::PassEnd::features);
        return {values, out_features(), head(), pass_.forwards()};
    }

    /// Adds the gradients of the last forward's micro-batch to those of the parameters, and its weight to their tally.
    /// A sample of weight 0 is left out, even if its inputs are infinite or NaN; the loss has set its gradient to 0. So
    /// is a row of weight 0 of another sample, from where all layers up to the outputs are by rows (LayerPlan). If
    /// a layer throws, some gradients may have been added and others not. The model then refuses backward and step
    /// until zero_grad().
    ///
    /// `ready`, if given, is called with each trained parameter as soon as this micro-batch adds nothing more to its
    /// gradient. The last layers come first. If the micro-batch is the last one of its batch, that gradient is final.
    ///
    /// Throws     UsageError if zero_grad() did not follow the last step() or a backward that threw
    void backward(const LossGradient<Scalar>& loss, const GradientReady<Scalar>& ready = {}) {
        pass_.backward(body(), loss, ready);
    }

    /// The number of forward calls without a backward. The last forward counts until its backward is called. A guard
    /// that skips a micro-batch leaves out its backward; without a guard the number should be 0 at the end of training.
    /// It is never reset.
    Index forwards_without_backward() const { return pass_.forwards_without_backward(); }

    /// The blocks in which the last forward walked its samples, and the most samples that are one block. In every block
    /// all layers of a segment come one after the other.
    Index blocks() const { return pass_.blocks(); }
    Index largest_block() const { return pass_.largest_block(); }

    /// What FoldedBackward does: see there.
    std::shared_ptr<detail::FoldedGradients<Scalar>> fold_gradients() {
        auto memory = detail::fold_gradients(body());
        pass_.renew(graph());
        return memory;
    }

    /// The outputs for any number of samples. The samples are walked in blocks, so the memory stays small. It changes
    /// nothing, so several threads may predict with one model at once.
    ///
    /// Throws     MemoryError if there is no memory for the outputs
    Matrix<Scalar> predict(const ConstMatrixView<Scalar>& inputs) const {
        detail::check_inputs(body(), inputs);
        return detail::predict(graph(), graph().activations(), graph().output(), inputs);
    }

    /// The same without the last layer, for LinearCrossEntropy::value(). Throws as forward_features().
    OwnFeatures<Scalar> predict_features(const ConstMatrixView<Scalar>& inputs) const {
        detail::check_head("Sequential::predict_features", body());
        detail::check_inputs(body(), inputs);
        return {detail::predict(graph(), graph().feature_activations(), graph().features(), inputs), out_features(),
                head()};
    }

    /// The bytes of training with this micro-batch, without the values and gradients of the parameters.
    memory::Bytes workspace_bytes(Index micro_batch, const std::vector<Activation>& activations) const {
        const auto bytes = [](Index numbers) {
            return static_cast<std::size_t>(detail::product_of(numbers, Index{sizeof(Scalar)}));
        };
        const auto backward = detail::BackwardPlanner<Scalar>(graph(), activations).plan();
        memory::Bytes all;
        all[memory::Kind::activations] = bytes(Workspace<Scalar>::activation_numbers(activations, micro_batch));
        all[memory::Kind::scratch] =
            bytes(Workspace<Scalar>::gradient_numbers(activations, backward.numbers, micro_batch));
        return all;
    }

    /// The places of its values, in order, as last laid out. A value that lies over another has no place of its own.
    const std::vector<Activation>& activations() const { return pass_.activations(graph()); }
    /// The places for forward(), or for forward_features(): those without the last.
    std::vector<Activation> output_activations() const { return graph().activations(); }
    std::vector<Activation> feature_activations() const {
        detail::check_head("Sequential::feature_activations", body());
        return graph().feature_activations();
    }

    /// Prepares for micro-batches of at most `micro_batch` samples, and for these activations to be kept or dropped.
    /// From then on a larger micro-batch is an error, and so is forward() with feature_activations(), or
    /// forward_features() with the others.
    ///
    /// Throws     UsageError if these differ from activations() in more than what is kept, the last one (the outputs)
    ///            is not kept, or runs of dropped ones do not begin and end at boundaries
    void lay_out(Index micro_batch, const std::vector<Activation>& activations) {
        const bool features = graph().head() != nullptr && activations.size() + 1 == graph().activations().size();
        const auto own = features ? graph().feature_activations() : graph().activations();
        if (micro_batch < 1 || activations.empty() || !detail::can_be_chosen(activations, own)) {
            throw UsageError("Sequential::lay_out",
                             "expected a micro-batch of 1 or more and the model's activations with the last one kept, "
                             "got others");
        }
        pass_.lay_out(graph(), micro_batch, activations);
        complete_ = true;
    }

    /// The shape of an input sample; empty if there is no layer yet.
    Shape input_shape() const { return graph().has_input() ? graph().input().shape : Shape(); }
    Shape output_shape() const { return graph().has_input() ? graph().output().shape : Shape(); }
    /// Numbers of an input sample, and columns of the outputs.
    Index in_features() const { return graph().has_input() ? elements(graph().input().shape) : 0; }
    Index out_features() const { return graph().operations().empty() ? 0 : graph().output().features(); }

    /// A table of the layers. It has the name of each layer (as in the names of parameters), the shape of its output
    /// for a sample, the number of its parameters, and the bytes of its activation for a sample. The bytes add up to
    /// the activations of a plan.
    ///
    /// Example    std::cout << model.summary();
    std::string summary() const { return detail::summary(graph(), body().blocks, activations()); }

    /// The number of layers and blocks.
    std::size_t size() const { return body().blocks.size(); }
    const Block<Scalar>& operator[](std::size_t i) const { return body().blocks[i]; }

private:
    Sequential& replace_by(Sequential other) noexcept {
        std::destroy_at(this);
        return *std::construct_at(this, std::move(other));
    }
    template <class Which>
    void set_frozen(const Which& which, bool frozen) {
        body_.set_frozen(which, frozen);
        pass_.renew(graph());
    }
    void append(Block<Scalar> block) {
        auto& body = *body_;
        if (complete_) {
            throw UsageError("Sequential::add",
                             "expected all layers before the model is used, got " + block.description() + " after");
        }
        body.append(std::move(block));
    }

    ConstMatrixView<Scalar> forward(const ConstMatrixView<Scalar>& inputs, detail::PassEnd end) {
        detail::check_inputs(body(), inputs);
        pass_.check_planned(inputs.rows(), end);
        check_initialized();
        complete_ = true;
        return pass_.forward(body(), inputs, end);
    }
    /// Writes outputs of rows by the last layer.
    typename Features<Scalar>::Write head() const {
        return [layer = graph().head()->layer](const ConstMatrixView<Scalar>& x, MatrixView<Scalar> y) {
            layer->forward({x, y, x.rows(), MatrixView<Scalar>(nullptr, 0, 0, Eigen::OuterStride<>(0)), {}});
        };
    }

    /// Checks until all parameters are initialized, and then never again.
    void check_initialized() {
        if (initialized_) { return; }
        const auto parameters = body().parameters();
        if (const Parameter<Scalar>* unset = detail::without_first_values<Scalar>(parameters)) {
            throw UsageError("Sequential::forward",
                             "expected parameters with first values, got " + unset->name() +
                                 " without; call model.initialize(rng) first, or load or set its parameters");
        }
        initialized_ = true;
    }

    detail::ModelBody<Scalar>& body() { return *body_; }
    const detail::ModelBody<Scalar>& body() const { return *body_; }
    const detail::Graph<Scalar>& graph() const { return body().graph; }

    detail::OwnedBody<Scalar> body_;
    detail::TrainingPass<Scalar> pass_;
    bool complete_ = false;  // no more layers can be added
    bool initialized_ = false;
};

template <class First, class... Rest>
requires requires { typename First::scalar_type; }
Sequential(First, Rest...) -> Sequential<typename First::scalar_type>;
template <class First, class... Rest>
Sequential(Input, First, Rest...) -> Sequential<typename First::scalar_type>;

}  // namespace gacc
