#include <gacc/accumulation/loss_inputs.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/linear_cross_entropy.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <vector>

namespace loss_inputs_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Matrix;
using gacc::Sequential;

TEST_CASE("loss inputs: outputs or features as the loss wants them, some of their rows, and the whole gradient") {
    constexpr Index classes = 600, rows = 300;  // three blocks
    Sequential<float> model(gacc::Linear<float>(3, 4), gacc::ReLU<float>(), gacc::Linear<float>(4, classes));
    gacc::Rng rng(1);
    model.initialize(rng);
    const auto x = random_matrix<float>(rng, rows, 3);
    std::vector<gacc::Label> labels(rows);
    for (auto& label : labels) { label = static_cast<gacc::Label>(rng.below(classes)); }

    gacc::SoftmaxCrossEntropy<float> whole;
    const auto outputs = gacc::detail::forward_for(whole, model, x);
    CHECK(gacc::detail::some_loss_rows(outputs, 200, 3).isApprox(outputs.middleRows(200, 3), 0));
    whole.forward(outputs, labels);
    const Matrix<float> expected = gacc::detail::whole_gradient(whole.backward());

    gacc::LinearCrossEntropy<float> loss;
    const auto features = gacc::detail::forward_for(loss, model, x);
    const auto some = gacc::detail::some_loss_rows(features, 200, 3);
    CHECK(some.rows() == 3);
    CHECK(some.outputs() == classes);
    CHECK(some.values().isApprox(features.values().middleRows(200, 3), 0));
    loss.forward(features, labels);
    CHECK(bytes_of(gacc::detail::whole_gradient(loss.backward())) == bytes_of(expected));

    CHECK(gacc::detail::activations_for<gacc::SoftmaxCrossEntropy<float>>(model).size() == 2);
    CHECK(gacc::detail::activations_for<gacc::LinearCrossEntropy<float>>(model).size() == 1);
}

}  // namespace loss_inputs_test
