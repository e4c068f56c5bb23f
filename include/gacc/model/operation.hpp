#pragma once

#include <gacc/core/shape.hpp>
#include <gacc/layers/layer.hpp>

#include <cstddef>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// A value that a model computes for each sample. Value 0 is the inputs.
struct Value {
    Shape shape;                         // of a sample
    std::size_t producer = 0;            // the operation that writes it; not for the inputs
    std::vector<std::size_t> readers{};  // the operations that read it, in order
    std::size_t slot = 0;                // the activation in which it lies; not for the inputs
    bool wants_grad = false;             // whether a parameter that is trained lies below it
    bool by_rows = false;                // whether each row reaches no row of the outputs but that at its place

    Index rows() const { return rows_of(shape); }
    Index features() const { return shape.back(); }
};

enum class OperationKind {
    layer,
    sum,     // the first input plus the second
    concat,  // the features of the inputs side by side
};

/// Makes one value of a graph from earlier ones.
template <class Scalar>
struct Operation {
    OperationKind kind;
    Layer<Scalar>* layer = nullptr;  // null for other kinds
    std::size_t number = 0;          // of the layer in the model, counted from 0
    LayerPlan plan{};                // of the layer
    std::vector<std::size_t> inputs{};
    std::size_t output = 0;
    bool by_samples = true;  // whether threads may share out its samples: it has no parameters
    /// Parameters whose gradients are complete, for a block, after the backward pass of this operation.
    std::vector<Parameter<Scalar>*> completes{};

    /// Whether its output shares an activation with its input. `values` are those of the graph.
    bool in_place(const std::vector<Value>& values) const {
        return inputs[0] != 0 && values[output].slot == values[inputs[0]].slot;
    }

    /// Whether it is an elementwise layer whose backward takes the tiles of grad_x that the reader of its output puts.
    bool takes_tiles_of(const LayerPlan& reader, const std::vector<Value>& values) const {
        return reader.puts_tiles && reader.overwrites_x && kind == OperationKind::layer && plan.elementwise &&
               !plan.reads_x && in_place(values);
    }
};

}  // namespace gacc::detail
