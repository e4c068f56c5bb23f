#include <gacc/layers/layer.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

namespace {

using gacc::Index;

/// y = 2 x, with no more than a layer must have.
class Twice : public gacc::Layer<double> {
public:
    std::string description() const override { return "Twice"; }
    Index out_features(Index in_features) const override { return in_features; }
    void forward(const gacc::ConstMatrixView<double>& x, gacc::MatrixView<double> y) const override { y = 2 * x; }
    void backward(const gacc::ConstMatrixView<double>&, const gacc::ConstMatrixView<double>&,
                  const gacc::ConstMatrixView<double>& grad_y, gacc::MatrixView<double> grad_x) override {
        grad_x = 2 * grad_y;
    }
};

}  // namespace

TEST_CASE("Layer: one with no more than it must have takes any width, has no parameters, and shares no memory") {
    Twice layer;
    CHECK(layer.in_features() == 0);
    CHECK(layer.out_features(7) == 7);
    CHECK(layer.parameters().empty());
    CHECK_FALSE(layer.in_place());
    CHECK(layer.reads_output());
}

TEST_CASE("Layer: one without parameters draws no random numbers") {
    Twice layer;
    gacc::Rng rng(1);
    layer.initialize(rng);
    CHECK(rng.drawn() == 0);
}

TEST_CASE("Layer: central differences find a right gradient right and a wrong one wrong") {
    class WrongTwice : public Twice {
        void backward(const gacc::ConstMatrixView<double>&, const gacc::ConstMatrixView<double>&,
                      const gacc::ConstMatrixView<double>& grad_y, gacc::MatrixView<double> grad_x) override {
            grad_x = 2.001 * grad_y;
        }
    };
    Twice right;
    WrongTwice wrong;
    gacc::Rng rng(2);
    const auto x = gacc::test::random_matrix<double>(rng, 4, 3);
    CHECK(gacc::test::worst_gradient_error(right, x, rng) < 1e-8);
    CHECK(gacc::test::worst_gradient_error(wrong, x, rng) > 1e-4);
}
