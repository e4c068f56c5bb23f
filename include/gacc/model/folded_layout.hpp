#pragma once

#include <gacc/model/model_body.hpp>
#include <gacc/model/segments.hpp>
#include <gacc/parameters/gradient_memory.hpp>
#include <gacc/parameters/model_parameter.hpp>

#include <algorithm>
#include <memory>

namespace gacc::inline GACC_ABI::detail {

/// Frees the gradients of all layers, which are empty. From now on those of one layer lie over those of the others, in one buffer of the
/// size of the largest layer. Gradients of shared values, which two layers add to, have places of their own. Blocks have
/// 128 samples: the gradient of a layer must be complete before that of the next begins. The model must plan its passes
/// anew.
///
/// Throws     MemoryError. Nothing is changed then
template <class Scalar>
std::shared_ptr<FoldedGradients<Scalar>> fold_gradients(ModelBody<Scalar>& body) {
    const auto is_shared = [](const Parameter<Scalar>& of) { return of.sharers() > 0 || !of.shares().empty(); };
    Index largest = 0, of_shared = 0;
    body.for_each_layer([&](Layer<Scalar>& layer) {
        Index size = 0;
        for (auto* parameter : layer.parameters()) {
            if (parameter->is_frozen()) { continue; }
            (is_shared(*parameter) ? of_shared : size) += static_cast<Index>(parameter->grad_storage().size());
        }
        largest = std::max(largest, size);
    });
    auto memory = std::make_shared<FoldedGradients<Scalar>>(largest + of_shared);
    Index shared = largest;
    body.for_each_layer([&](Layer<Scalar>& layer) {
        Index first = 0;
        for (auto* parameter : layer.parameters()) {
            if (parameter->is_frozen()) { continue; }
            Index& at = is_shared(*parameter) ? shared : first;
            const auto size = static_cast<Index>(parameter->grad_storage().size());
            ModelParameter<Scalar>::borrow_grads(*parameter, memory, at);
            at += size;
        }
    });
    body.graph.set_least_block(rows_of_a_block);
    return memory;
}

}  // namespace gacc::detail
