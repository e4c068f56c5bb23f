#include <gacc/layers/layer.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

namespace layer_test {

namespace {

/// y = 2 x, with no more than a layer must have.
class Twice : public gacc::Layer<double> {
public:
    std::string description() const override { return "Twice"; }
    gacc::LayerPlan plan(const gacc::Shape& x) const override { return {.y = x}; }
    void forward(gacc::Forward<double> call) const override { call.y = 2 * call.x; }
    void backward(gacc::Backward<double> call) override { call.grad_x = 2 * call.grad_y; }
};

}  // namespace

TEST_CASE("Layer: one with no more than it must have takes any width, has no parameters, and shares no memory") {
    Twice layer;
    CHECK(layer.input_shape().empty());
    CHECK(layer.parameters().empty());
    const gacc::LayerPlan plan = layer.plan({7});
    CHECK(plan.y == gacc::Shape{7});
    CHECK(plan.kept == 0);
    CHECK(plan.reads_x);
    CHECK(plan.reads_y);
    CHECK_FALSE(plan.elementwise);
    CHECK_FALSE(plan.overwrites_x);
}

TEST_CASE("Layer: one without parameters draws no random numbers") {
    Twice layer;
    gacc::Rng rng(1);
    layer.initialize(rng);
    CHECK(rng.drawn() == 0);
}

TEST_CASE("Layer: central differences find a right gradient right and a wrong one wrong") {
    class WrongTwice : public Twice {
        void backward(gacc::Backward<double> call) override { call.grad_x = 2.001 * call.grad_y; }
    };
    Twice right;
    WrongTwice wrong;
    gacc::Rng rng(2);
    const auto x = gacc::test::random_matrix<double>(rng, 4, 3);
    CHECK(gacc::test::worst_gradient_error(right, x, rng) < 1e-8);
    CHECK(gacc::test::worst_gradient_error(wrong, x, rng) > 1e-4);
}

}  // namespace layer_test
