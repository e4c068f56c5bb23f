#include <gacc/accumulation/audit_layer.hpp>
#include <gacc/layers/linear.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace audit_layer_test {

using gacc::Block;
using gacc::Index;
using gacc::Matrix;
using Layer = gacc::detail::AuditLayer<double>;

Block<double> linear() {
    gacc::Linear<double> layer(2, 3);
    layer.parameters()[0]->set_value(Matrix<double>{{1, 2}, {3, 4}, {5, 6}});
    layer.parameters()[1]->set_value(Matrix<double>{{7, 8, 9}});
    return layer;
}

const Matrix<double> x{{1, 0}, {0, 1}, {2, 2}, {3, -1}};
const gacc::detail::Cut uncut{4}, cut{3, 1};

TEST_CASE("AuditLayer: y, grad_x and gradients of one layer, with the same grad_y for every cut") {
    Layer layer(linear(), x, {2}, x, {2}, true);
    const auto whole = layer.pass(uncut), parts = layer.pass(cut);
    CHECK(whole.y == Matrix<double>{{8, 11, 14}, {9, 12, 15}, {13, 22, 31}, {8, 13, 18}});
    CHECK(parts.y == whole.y);
    CHECK(parts.grad_x == whole.grad_x);
    CHECK_FALSE(whole.grad_x.isZero());
    REQUIRE(whole.gradients.size() == 2);  // weight and bias, nothing of a probe
    CHECK(whole.gradients[0].rows() == 3);
    CHECK(parts.gradients == whole.gradients);
    CHECK(layer.pass(uncut).gradients == whole.gradients);  // no sums of passes before
}

TEST_CASE("AuditLayer: grad_x stays zero where the layer makes none") {
    CHECK(Layer(linear(), x, {2}, x, {2}, false).pass(uncut).grad_x.isZero());
}

TEST_CASE("AuditLayer: the gradients of each micro-batch alone add up") {
    Layer layer(linear(), x, {2}, x, {2}, true);
    const auto each = layer.gradients_of_each(cut);
    REQUIRE(each.size() == 2);
    REQUIRE(each[0].size() == 2);
    const Matrix<double> bias = layer.pass(uncut).gradients[1];
    CHECK((each[0][1] + each[1][1] - bias).cwiseAbs().maxCoeff() < 1e-15);
}

/// Adds the place of each sample in the batch to its one gradient.
class Places : public gacc::Layer<double> {
public:
    Places() { place_.set_value(Matrix<double>::Zero(1, 1)); }
    std::string description() const override { return "Places"; }
    gacc::LayerPlan plan(const gacc::Shape& shape) const override { return {.y = shape}; }
    void forward(gacc::Forward<double> call) const override { call.y = call.x; }
    void backward(gacc::Backward<double> call) override {
        for (Index i = 0; i < call.samples; ++i) {
            place_.materialize_grads()[0] += static_cast<double>(call.where.first_row + i);
        }
    }
    std::vector<gacc::Parameter<double>*> parameters() override { return {&place_}; }

private:
    gacc::Parameter<double> place_{"place", {1}};
};

TEST_CASE("AuditLayer: a micro-batch alone is at its place in the batch, as masks are drawn by it") {
    const auto each = Layer(Places(), x, {2}, x, {2}, false).gradients_of_each(cut);
    CHECK(each[0][0](0, 0) == 0 + 1 + 2);
    CHECK(each[1][0](0, 0) == 3);
}

}  // namespace audit_layer_test
