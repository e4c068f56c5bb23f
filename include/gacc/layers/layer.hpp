#pragma once

#include <gacc/core/error.hpp>
#include <gacc/core/random.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/core/view.hpp>
#include <gacc/layers/layer_calls.hpp>
#include <gacc/layers/layer_config.hpp>
#include <gacc/parameters/parameter.hpp>

#include <string>
#include <vector>

namespace gacc::inline GACC_ABI {

/// What a layer does to samples of one shape. The model lays out memory by it.
///
/// The last size of a shape is what most layers act on, its features; the others multiply to its rows.
struct LayerPlan {
    Shape y;                     ///< of a sample of the output
    Index kept = 0;              ///< numbers a sample that forward leaves for backward, beside x and y
    Index work = 0;              ///< multiply-adds a sample
    bool reads_x = true;         ///< whether backward reads x
    bool reads_y = true;         ///< whether backward reads y
    bool overwrites_x = false;   ///< whether grad_x may lie where x does: x is read before its place is written
    bool puts_tiles = false;     ///< whether backward hands grad_x on by Backward::put() alone
    /// Whether every element of y, and of grad_x, depends on the element at its place alone. Such a layer has no
    /// parameters and keeps nothing; it is called for any rows and columns. y may lie where x does if backward does not
    /// read x; grad_x where grad_y, x or y do.
    bool elementwise = false;
};

/// A layer is its parameters, a plan and two functions; it keeps no activations. Derive from it to write your own.
///
/// A model calls it with blocks of samples, in their order, and calls forward again where activations are computed
/// again. A layer without parameters is called by several threads at once, with some samples each; one with parameters
/// is called once for the block, and may use threads itself. The promise that the cut changes no bit holds if each
/// sample of y and grad_x depends on that sample alone, and gradients of parameters add up sample by sample, from what
/// is there.
///
/// Shapes     x, grad_x  rows of the samples x features;  y, grad_y  likewise, of the plan's shape
template <class Scalar>
class Layer {
public:
    using scalar_type = Scalar;

    virtual ~Layer() = default;

    /// How errors and summaries name it: "Linear(784 -> 128)".
    virtual std::string description() const = 0;

    /// What it does to samples of shape x.
    ///
    /// Throws     ShapeError if it cannot take them
    virtual LayerPlan plan(const Shape& x) const = 0;

    /// The shape of a sample that the first layer of a model takes; empty if the layer takes any.
    virtual Shape input_shape() const { return {}; }

    /// Writes y, and what is kept. Changes nothing else, so that several threads may call it at once.
    virtual void forward(Forward<Scalar> call) const = 0;

    /// **Adds** to the gradients of the parameters that are not frozen, and **writes** grad_x, if it is wanted.
    virtual void backward(Backward<Scalar> call) = 0;

    /// In a fixed order, named within the layer ("weight", "bias").
    virtual std::vector<Parameter<Scalar>*> parameters() { return {}; }

    /// Draws the first values of the parameters.
    virtual void initialize(Rng&) {}

    /// Its type and options, with which save_model() describes it; load_model() makes it again by a LayerRegistry.
    /// Without them, models of it train, but are not saved. A layer derived from another one overrides them too.
    virtual LayerConfig config() const { return {}; }
};

}  // namespace gacc
