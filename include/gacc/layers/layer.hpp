#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/random.hpp>
#include <gacc/core/view.hpp>
#include <gacc/parameters/parameter.hpp>

#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// A layer is its parameters and two functions; it keeps no activations. Derive from it to write your own.
///
/// A model calls it with parts of a batch: blocks of samples in their order, and forward once more where activations
/// are computed again. Forward of a layer without parameters is called by several threads at once, for some rows each;
/// one with parameters sees to its threads itself. The promise that the cut changes no bit holds if each row of y and
/// grad_x depends on its own row alone, and gradients add up sample by sample, from what is there.
///
/// Shapes     x, grad_x  samples x in_features;  y, grad_y  samples x out_features(in_features)
template <class Scalar>
class Layer {
public:
    using scalar_type = Scalar;

    virtual ~Layer() = default;

    /// How errors and summaries name it: "Linear(784 -> 128)".
    virtual std::string description() const = 0;

    /// The features an x must have; 0 if the layer takes any number.
    virtual Index in_features() const { return 0; }
    /// The features of y for an x of `in_features`.
    virtual Index out_features(Index in_features) const = 0;

    /// Whether y may be x itself, and grad_x y or grad_y: true only for a layer without parameters that does the same
    /// to every element and whose backward needs y alone. It needs no activations of its own; its backward is given any
    /// rows and columns of them, by several threads at once.
    virtual bool in_place() const { return false; }
    /// Whether backward reads y. If it does not, the next layer may work in place.
    virtual bool reads_output() const { return true; }

    /// Writes y. Reads the parameters only, so that several threads may call it at once.
    virtual void forward(const ConstMatrixView<Scalar>& x, MatrixView<Scalar> y) const = 0;

    /// **Adds** to the gradients of the parameters and **writes** grad_x, from the x and y of the forward pass.
    /// A grad_x without data is not wanted: the first layer of a model is spared that work.
    virtual void backward(const ConstMatrixView<Scalar>& x, const ConstMatrixView<Scalar>& y,
                          const ConstMatrixView<Scalar>& grad_y, MatrixView<Scalar> grad_x) = 0;

    /// Whether backward_over may be called.
    virtual bool writes_over_input() const { return false; }
    /// Like backward, but grad_x takes the place of x, so that gradients need no memory of their own. If x is the
    /// output of an in-place layer, that is `before`, and what takes the place of x is the gradient by *its* input.
    virtual void backward_over(MatrixView<Scalar> /*x*/, const ConstMatrixView<Scalar>& /*y*/,
                               const ConstMatrixView<Scalar>& /*grad_y*/, Layer* /*before*/) {
        throw UsageError(description(), "expected a layer that writes over its input, got one that does not");
    }

    /// In a fixed order, named within the layer ("weight", "bias").
    virtual std::vector<Parameter<Scalar>*> parameters() { return {}; }

    /// Draws the first values of the parameters.
    virtual void initialize(Rng&) {}
};

namespace detail {

/// Throws     ShapeError if the layer cannot take x, or there is no sample in it
template <class Scalar>
void check_features(const Layer<Scalar>& layer, const ConstMatrixView<Scalar>& x) {
    if (x.rows() == 0) { throw ShapeError(layer.description(), "expected one sample or more, got none"); }
    if (x.cols() != layer.in_features()) {
        throw ShapeError(layer.description(),
                         text("expected ", layer.in_features(), " features a sample, got a micro-batch of shape ",
                              x.rows(), " x ", x.cols(), " (samples x features)"));
    }
}

}  // namespace detail
}  // namespace gacc
