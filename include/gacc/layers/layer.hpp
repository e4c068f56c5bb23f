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
/// Most layers act on the last size of a shape, its features. The other sizes multiply to its rows.
struct LayerPlan {
    Shape y;                     ///< of a sample of the output
    Index kept = 0;              ///< numbers of a sample that forward keeps for backward, beside x and y
    Index work = 0;              ///< multiply-adds for a sample
    bool reads_x = true;         ///< whether backward reads x
    bool reads_y = true;         ///< whether backward reads y
    bool overwrites_x = false;   ///< whether grad_x may lie over x: x is read before its place is written
    bool puts_tiles = false;     ///< whether backward returns grad_x only by Backward::put()
    /// Whether every element of y, and of grad_x, depends only on the element at its place. Such a layer has no
    /// parameters and keeps nothing. It is called for any rows and columns. y may lie over x if backward does not read
    /// x. grad_x may lie over grad_y, x or y.
    bool elementwise = false;
    /// Whether every row of y, and of grad_x, depends only on the row at its place, and so do the numbers kept, as many
    /// for each row. A row that is left out then needs no finite numbers, though other rows of its sample count. If the
    /// layer reads x, its backward may be called with a part of the rows of one sample. Elementwise layers are by rows.
    bool by_rows = false;
    /// Whether it reads the model's input, which then is a token for each row of x. Such a layer is not by rows.
    bool reads_tokens = false;
};

/// A layer is its parameters, a plan and two functions; it keeps no activations. Derive from it to write your own.
///
/// A model calls it with blocks of samples. If activations are computed again, it calls forward again. Several threads
/// at once call forward, and backward of a layer without parameters, each with other samples. Backward of a layer with
/// parameters is called for one block after the other, in order. Calls of a layer with parameters take a whole block, and
/// may use threads themselves.
///
/// The cut changes no bit if each sample of y and grad_x depends on that sample alone, and gradients of parameters are
/// added sample by sample to the buffers.
///
/// Shapes     x, grad_x  rows of the samples x features;  y, grad_y  rows x features of the plan's shape
template <class Scalar>
class Layer {
public:
    using scalar_type = Scalar;

    virtual ~Layer() = default;

    /// Its name in errors and summaries: "Linear(784 -> 128)".
    virtual std::string description() const = 0;

    /// What it does to samples of shape x.
    ///
    /// Throws     ShapeError if it cannot take them
    virtual LayerPlan plan(const Shape& x) const = 0;

    /// The shape of a sample that the first layer of a model takes; empty if the layer takes any.
    virtual Shape input_shape() const { return {}; }

    /// Writes y and kept. It changes nothing else, so several threads may call it at once.
    virtual void forward(Forward<Scalar> call) const = 0;

    /// **Adds** to the gradients of the parameters that are not frozen, and **writes** grad_x if it is wanted.
    virtual void backward(Backward<Scalar> call) = 0;

    /// Its parameters in a fixed order. Their names are those within the layer ("weight", "bias").
    virtual std::vector<Parameter<Scalar>*> parameters() { return {}; }

    /// Draws the first values of the parameters.
    virtual void initialize(Rng&) {}

    /// Its type and options. save_model() writes them; load_model() makes the layer from them by a LayerRegistry. A
    /// layer without them can be trained, but not saved. A layer that derives from another layer must override this
    /// too.
    virtual LayerConfig config() const { return {}; }
};

}  // namespace gacc
