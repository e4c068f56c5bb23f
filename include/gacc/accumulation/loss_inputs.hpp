#pragma once

#include <gacc/core/view.hpp>
#include <gacc/losses/features.hpp>
#include <gacc/losses/loss.hpp>
#include <gacc/model/activation.hpp>
#include <gacc/model/sequential.hpp>

#include <type_traits>
#include <vector>

namespace gacc::inline GACC_ABI::detail {

/// A training forward pass, for a loss: its result is what loss.forward() takes.
template <class Loss, class Scalar>
auto forward_for(const Loss&, Sequential<Scalar>& model,
                 const std::type_identity_t<ConstMatrixView<Scalar>>& inputs) {
    if constexpr (TakesFeatures<Loss>) {
        return model.forward_features(inputs);
    } else {
        return model.forward(inputs);
    }
}

/// Some rows of what it returns.
template <class Scalar>
ConstMatrixView<Scalar> some_loss_rows(const ConstMatrixView<Scalar>& outputs, Index first, Index count) {
    return outputs.middleRows(first, count);
}
template <class Scalar>
Features<Scalar> some_loss_rows(const Features<Scalar>& features, Index first, Index count) {
    return features.some_rows(first, count);
}

/// A loss's gradient by the outputs, in one matrix.
template <class Scalar>
Matrix<Scalar> whole_gradient(const LossGradient<Scalar>& gradient) {
    if (!gradient.block) { return gradient.grad; }
    Matrix<Scalar> all(gradient.grad.rows(), gradient.grad.cols());
    for (Index row = 0; row < all.rows();) {
        const ConstMatrixView<Scalar> block = gradient.block(row);
        all.middleRows(row, block.rows()) = block;
        row += block.rows();
    }
    return all;
}

/// The activations of that pass.
template <class Loss, class Scalar>
std::vector<Activation> activations_for(const Sequential<Scalar>& model) {
    if constexpr (TakesFeatures<Loss>) {
        return model.feature_activations();
    } else {
        return model.output_activations();
    }
}

}  // namespace gacc::detail
