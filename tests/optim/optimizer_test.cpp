#include <gacc/optim/optimizer.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/sequential.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace optimizer_test {

using namespace gacc::test;
using gacc::Label;
using gacc::Linear;
using gacc::Matrix;

namespace {

/// value -= rate * grad / weight, an optimizer as a user writes it.
class Descent : public gacc::Optimizer<double> {
public:
    Descent(gacc::Parameters<double> parameters, double rate)
        : Optimizer("Descent", std::move(parameters)), rate_(rate) {
        check_option("rate", rate, rate > 0, "above 0");
    }

private:
    void update(double weight) override {
        for (auto& parameter : parameters()) {
            parameter.set_value(parameter.value() - rate_ * parameter.grad() / weight);
        }
    }
    double rate_;
};

/// Linear(2 -> 2) at W = 1, b = 0.
gacc::Sequential<double> ones_model() {
    gacc::Sequential model(Linear<double>(2, 2));
    model.parameters()[0].set_value(Matrix<double>::Ones(2, 2));
    return model;
}

}  // namespace

TEST_CASE("Optimizer: step divides by the weight that backward added") {
    auto model = ones_model();
    Descent descent(model.parameters(), 0.5);
    const Matrix<double> x{{1, 0}, {0, 1}}, grad_y{{8, 0}, {0, 4}};
    model.forward(x);
    model.backward({grad_y, std::vector<double>{3, 1}});
    descent.step();
    CHECK(model.parameters()[0].value() == Matrix<double>{{0, 1}, {1, 0.5}});
    CHECK(model.parameters()[1].value() == Matrix<double>{{-1, -0.5}});
}

TEST_CASE("Optimizer: step leaves the gradients and their weight, zero_grad empties them") {
    auto model = ones_model();
    Descent descent(model.parameters(), 0.5);
    const Matrix<double> x{{1, 2}}, grad_y{{3, 4}};
    model.forward(x);
    model.backward({grad_y, std::vector<double>{1}});
    descent.step();
    CHECK(model.parameters()[0].grad() == Matrix<double>{{3, 6}, {4, 8}});
    CHECK(descent.parameters().tally().weight() == 1);
    descent.zero_grad();
    CHECK(model.parameters()[0].grad() == Matrix<double>::Zero(2, 2));
    CHECK(model.parameters()[1].grad() == Matrix<double>::Zero(1, 2));
    CHECK(descent.parameters().tally().empty());
}

TEST_CASE("Optimizer: counts its steps") {
    auto model = ones_model();
    Descent descent(model.parameters(), 0.5);
    const Matrix<double> x{{1, 2}}, grad_y{{3, 4}};
    for (int step = 0; step < 3; ++step) {
        CHECK(descent.steps() == step);
        model.forward(x);
        model.backward({grad_y, std::vector<double>{1}});
        descent.step();
        descent.zero_grad();
    }
    CHECK(descent.steps() == 3);
}

TEST_CASE("Optimizer: a batch of ignored samples changes nothing and is no step") {
    auto model = ones_model();
    Descent descent(model.parameters(), 0.5);
    gacc::SoftmaxCrossEntropy<double> loss;
    const Matrix<double> x{{1, 2}, {3, 4}};
    loss.forward(model.forward(x), std::vector<Label>{-100, -100});
    model.backward(loss.backward());
    const auto before = state_of(model.parameters());
    descent.step();
    CHECK(descent.steps() == 0);
    CHECK(state_of(model.parameters()) == before);
}

TEST_CASE("Optimizer: step without a backward is an error, and changes nothing") {
    auto model = ones_model();
    Descent descent(model.parameters(), 0.5);
    const auto text =
        "gacc: Descent::step: expected the gradients of one micro-batch or more, got none; call the "
        "model's backward first";
    const auto before = state_of(model.parameters());
    CHECK_THROWS_WITH_AS(descent.step(), text, gacc::UsageError);
    CHECK(state_of(model.parameters()) == before);
    CHECK(descent.steps() == 0);

    const Matrix<double> x{{1, 2}}, grad_y{{3, 4}};
    model.forward(x);
    model.backward({grad_y, std::vector<double>{1}});
    descent.step();
    descent.zero_grad();
    CHECK_THROWS_WITH_AS(descent.step(), text, gacc::UsageError);
    CHECK(descent.steps() == 1);
}

TEST_CASE("Optimizer: a second step with the same gradients is an error, and changes nothing") {
    auto model = ones_model();
    Descent descent(model.parameters(), 0.5);
    const Matrix<double> x{{1, 2}}, grad_y{{3, 4}};
    model.forward(x);
    model.backward({grad_y, std::vector<double>{1}});
    descent.step();
    CHECK(model.parameters().tally().stepped());
    const auto before = state_of(model.parameters());
    CHECK_THROWS_WITH_AS(descent.step(),
                         "gacc: Descent::step: expected zero_grad() after step(), got the gradients of the batch "
                         "before; call zero_grad() after step()",
                         gacc::UsageError);
    CHECK(state_of(model.parameters()) == before);
    CHECK(descent.steps() == 1);
}

TEST_CASE("Optimizer: after a batch that weighs nothing the next may follow without zero_grad") {
    auto model = ones_model(), same = ones_model();
    Descent descent(model.parameters(), 0.5), other(same.parameters(), 0.5);
    const Matrix<double> x{{1, 2}}, grad_y{{3, 4}}, zero{{0, 0}};
    model.forward(x);
    model.backward({zero, std::vector<double>{0}});
    descent.step();
    CHECK_FALSE(model.parameters().tally().stepped());
    model.forward(x);
    model.backward({grad_y, std::vector<double>{1}});
    descent.step();
    same.forward(x);
    same.backward({grad_y, std::vector<double>{1}});
    other.step();
    CHECK(values_of(model.parameters()) == values_of(same.parameters()));
    CHECK(descent.steps() == 1);
}

TEST_CASE("Optimizer: without parameters there is nothing to train") {
    gacc::Sequential<double> model;
    CHECK_THROWS_WITH_AS(Descent(model.parameters(), 0.5), "gacc: Descent: expected parameters to train, got none",
                         gacc::UsageError);
}

TEST_CASE("Optimizer: an option out of its range is named") {
    auto model = ones_model();
    CHECK_THROWS_WITH_AS(Descent(model.parameters(), -2), "gacc: Descent: expected rate above 0, got -2",
                         gacc::UsageError);
}

TEST_CASE("Optimizer: a step that threw does not count") {
    struct Refusing : gacc::Optimizer<double> {
        explicit Refusing(gacc::Parameters<double> parameters) : Optimizer("Refusing", std::move(parameters)) {}
        void update(double) override { throw gacc::Error("Refusing::step", "expected another batch, got this"); }
    };
    auto model = ones_model();
    Refusing refusing(model.parameters());
    const Matrix<double> x{{1, 2}}, grad_y{{3, 4}};
    model.forward(x);
    model.backward({grad_y, std::vector<double>{1}});
    CHECK_THROWS_AS(refusing.step(), gacc::Error);
    CHECK(refusing.steps() == 0);
}

TEST_CASE("Optimizer: a batch whose weight has no inverse in the Scalar type is refused, and nothing changes") {
    gacc::Sequential model(Linear<float>(2, 2));
    model.parameters()[0].set_value(Matrix<float>::Ones(2, 2));
    struct Float : gacc::Optimizer<float> {
        explicit Float(gacc::Parameters<float> parameters) : Optimizer("Float", std::move(parameters)) {}
        void update(double weight) override {
            for (auto& parameter : parameters()) {
                parameter.set_value(parameter.value() - parameter.grad() * static_cast<float>(1 / weight));
            }
        }
    };
    Float optimizer(model.parameters());
    const Matrix<float> x{{1, 2}}, grad_y{{3, 4}};
    const auto refusal = [&](float weight) {
        model.parameters().zero_grad();
        model.forward(x);
        model.backward({grad_y, std::vector<float>{weight}});
        const auto before = state_of(model.parameters());
        std::string text;
        try {
            optimizer.step();
        } catch (const gacc::NonFiniteError& error) { text = error.what(); }
        CHECK(state_of(model.parameters()) == before);
        CHECK(optimizer.steps() == 0);
        return text;
    };
    const std::string start =
        "gacc: Float::step: expected weights whose sum has an inverse in the range of float, got ";
    const std::string end = "; nothing has changed, and zero_grad() leaves this batch out";
    CHECK(refusal(1e-40F) == start + "a sum of 9.99995e-41" + end);
    CHECK(refusal(3e38F) == start + "a sum of 3e+38" + end);
    CHECK(refusal(-2) == start + "a sum of -2" + end);
    CHECK(refusal(std::numeric_limits<float>::quiet_NaN()) == start + "a sum of nan" + end);

    optimizer.zero_grad();
    model.forward(x);
    model.backward({grad_y, std::vector<float>{2}});
    CHECK_NOTHROW(optimizer.step());
    CHECK(optimizer.steps() == 1);
}

}  // namespace optimizer_test
