#include <gacc/core/parameter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

using gacc::GradientTally;
using gacc::Index;
using gacc::Matrix;
using gacc::Parameter;
using gacc::Parameters;
using gacc::Shape;
using gacc::ShapeError;

namespace {

const Matrix<float> one_to_six{{1, 2, 3}, {4, 5, 6}};

/// What a model would hold: a weight and a bias, and gradients of one micro-batch of two samples.
struct Layer {
    Layer() {
        weight.set_grad(one_to_six);
        bias.set_grad(Matrix<float>{{7, 8}});
        tally.add(gacc::Reduction::mean_over_samples, std::span<const float>(std::array{1.0F, 1.0F}));
    }
    Parameters<float> parameters() { return {{&weight, &bias}, tally}; }

    Parameter<float> weight{"weight", {2, 3}};
    Parameter<float> bias{"bias", {2}};
    GradientTally tally;
};

}  // namespace

TEST_CASE("Parameter: knows its name, shape and size") {
    Parameter<float> weight("weight", {2, 3});
    CHECK(weight.name() == "weight");
    CHECK(weight.shape() == Shape{2, 3});
    CHECK(weight.rows() == 2);
    CHECK(weight.cols() == 3);
    CHECK(weight.size() == 6);
    weight.rename("0.weight");
    CHECK(weight.name() == "0.weight");
}

TEST_CASE("Parameter: values and gradients are zero at first") {
    const Parameter<float> weight("weight", {2, 3});
    CHECK(weight.value() == Matrix<float>::Zero(2, 3));
    CHECK(weight.grad() == Matrix<float>::Zero(2, 3));
}

TEST_CASE("Parameter: a vector is one row") {
    Parameter<float> bias("bias", {3});
    CHECK(bias.rows() == 1);
    CHECK(bias.cols() == 3);
    bias.set_value(Matrix<float>{{1, 2, 3}});
    CHECK(bias.value() == Matrix<float>{{1, 2, 3}});
}

TEST_CASE("Parameter: a value that was set is the value, and leaves the gradient alone") {
    Parameter<float> weight("weight", {2, 3});
    weight.set_value(one_to_six);
    CHECK(weight.value() == one_to_six);
    CHECK(weight.grad() == Matrix<float>::Zero(2, 3));
}

TEST_CASE("Parameter: a gradient that was set is the gradient until it is zeroed, and leaves the value alone") {
    Parameter<float> weight("weight", {2, 3});
    weight.set_value(Matrix<float>::Ones(2, 3));
    weight.set_grad(one_to_six);
    CHECK(weight.grad() == one_to_six);
    weight.zero_grad();
    CHECK(weight.grad() == Matrix<float>::Zero(2, 3));
    CHECK(weight.value() == Matrix<float>::Ones(2, 3));
}

TEST_CASE("Parameter: stored gradients are zeros after zero_grad, and what is written to them stays") {
    Parameter<float> weight("weight", {2, 3});
    weight.set_grad(one_to_six);
    weight.zero_grad();
    CHECK(std::ranges::all_of(weight.stored_grads(), [](float grad) { return grad == 0; }));
    CHECK_FALSE(weight.grad_is_zero());
    weight.stored_grads()[0] = 7;
    CHECK(weight.stored_grads()[0] == 7);
    CHECK(weight.grad()(0, 0) == 7);
}

template <class M>
concept CanBeSet = requires(M&& matrix) { std::forward<M>(matrix).setOnes(); };

TEST_CASE("Parameter: value and grad are copies that nobody can change by mistake") {
    CHECK(CanBeSet<Matrix<float>>);
    CHECK_FALSE(CanBeSet<decltype(std::declval<Parameter<float>&>().value())>);
    CHECK_FALSE(CanBeSet<decltype(std::declval<Parameter<float>&>().grad())>);
    Parameter<float> weight("weight", {2, 3});
    Matrix<float> value = weight.value();
    value.setOnes();
    CHECK(weight.value() == Matrix<float>::Zero(2, 3));
    weight.set_value(value);
    CHECK(weight.value() == Matrix<float>::Ones(2, 3));
}

TEST_CASE("Parameter: one that no memory can hold is refused with its bytes") {
    constexpr Index most = std::numeric_limits<Index>::max();
    const std::size_t before = gacc::memory::live().total();
    CHECK_THROWS_AS(Parameter<float>("weight", {most, 5}), gacc::MemoryError);
    CHECK_THROWS_AS(Parameter<float>("weight", {5, most}), gacc::MemoryError);
    CHECK_THROWS_AS(Parameter<float>("bias", {most}), gacc::MemoryError);
    CHECK_THROWS_AS(Parameter<double>("weight", {most / 2 + 1, 2}), gacc::MemoryError);
    CHECK_THROWS_WITH_AS(
        Parameter<float>("weight", {most / 8, 32}, "Linear(large)"),
        ("gacc: Linear(large): expected memory for more than " +
         gacc::detail::grouped(static_cast<std::uint64_t>(most)) + " bytes of weight, got none; use smaller sizes")
            .c_str(),
        gacc::MemoryError);
    CHECK(gacc::memory::live().total() == before);
}

TEST_CASE("Parameters: the handle keeps its owner alive") {
    auto layer = std::make_shared<Layer>();
    const std::weak_ptr<Layer> watch = layer;
    {
        const Parameters<float> handle({&layer->weight}, layer->tally, layer);
        layer.reset();
        REQUIRE_FALSE(watch.expired());
        CHECK(handle[0].name() == "weight");
        CHECK(handle.tally().samples() == 2);
    }
    CHECK(watch.expired());
}

TEST_CASE("Parameter: stored values and gradients belong together one by one, however they lie") {
    Parameter<float> weight("weight", {2, 3});
    weight.set_value(one_to_six);
    weight.set_grad(2 * one_to_six);
    REQUIRE(weight.stored_values().size() == weight.stored_grads().size());
    for (std::size_t i = 0; i < weight.stored_values().size(); ++i) {
        CHECK(weight.stored_grads()[i] == 2 * weight.stored_values()[i]);
    }
}

TEST_CASE("Parameter: what is written to the stored numbers is seen from outside") {
    Parameter<float> weight("weight", {2, 3});
    std::ranges::fill(weight.stored_values(), 3.0F);
    std::ranges::fill(weight.stored_grads(), 4.0F);
    CHECK(weight.value() == Matrix<float>::Constant(2, 3, 3));
    CHECK(weight.grad() == Matrix<float>::Constant(2, 3, 4));
    CHECK(std::as_const(weight).stored_values().data() == weight.stored_values().data());
}

TEST_CASE("Parameter: a matrix of another shape is refused and changes nothing") {
    Parameter<float> weight("0.weight", {2, 3});
    weight.set_value(one_to_six);
    weight.set_grad(one_to_six);
    CHECK_THROWS_WITH_AS(weight.set_value(Matrix<float>::Zero(3, 2)),
                         "gacc: 0.weight: expected a matrix of 2 x 3, got 3 x 2", ShapeError);
    CHECK_THROWS_WITH_AS(weight.set_grad(Matrix<float>::Zero(2, 4)),
                         "gacc: 0.weight: expected a matrix of 2 x 3, got 2 x 4", ShapeError);
    CHECK(weight.value() == one_to_six);
    CHECK(weight.grad() == one_to_six);
}

TEST_CASE("Parameters: gives the parameters in order, to change as well") {
    Layer layer;
    const Parameters<float> parameters = layer.parameters();
    CHECK(parameters.size() == 2);
    CHECK(&parameters[0] == &layer.weight);
    CHECK(&parameters[1] == &layer.bias);

    std::vector<std::string> names;
    for (auto& parameter : parameters) {
        names.push_back(parameter.name());
        parameter.rename("0." + parameter.name());
    }
    CHECK(names == std::vector<std::string>{"weight", "bias"});
    CHECK(layer.bias.name() == "0.bias");
}

TEST_CASE("Parameters: is a range for the standard library") {
    CHECK(std::forward_iterator<Parameters<float>::Iterator>);
    Layer layer;
    const Parameters<float> parameters = layer.parameters();
    const auto found = std::ranges::find(parameters, "bias", [](const auto& parameter) { return parameter.name(); });
    REQUIRE(found != parameters.end());
    CHECK(found->size() == 2);
}

TEST_CASE("Parameters: counts the numbers trained") {
    Layer layer;
    CHECK(layer.parameters().count() == 2 * 3 + 2);
    CHECK(Parameters<float>({}, layer.tally).count() == 0);
}

TEST_CASE("Parameters: shows what the gradients hold") {
    Layer layer;
    CHECK(&layer.parameters().tally() == &layer.tally);
    CHECK(layer.parameters().tally().samples() == 2);
}

TEST_CASE("Parameters: zero_grad empties every gradient and their tally, not the values") {
    Layer layer;
    layer.weight.set_value(one_to_six);
    layer.parameters().zero_grad();
    CHECK(layer.weight.grad() == Matrix<float>::Zero(2, 3));
    CHECK(layer.bias.grad() == Matrix<float>::Zero(1, 2));
    CHECK(layer.tally.empty());
    CHECK(layer.tally.weight() == 0);
    CHECK(layer.weight.value() == one_to_six);
}

TEST_CASE("Parameter: sizes below 1 are refused") {
    CHECK_THROWS_WITH_AS(Parameter<float>("w", {5, 0}),
                         "gacc: Parameter: expected one or two sizes of 1 or more, got [5 x 0]", ShapeError);
    CHECK_THROWS_WITH_AS(Parameter<float>("w", {}), "gacc: Parameter: expected one or two sizes of 1 or more, got []",
                         ShapeError);
}

TEST_CASE("Parameter: is set once somebody has written its values, or may have") {
    const Matrix<float> ones = Matrix<float>::Ones(2, 3);
    Parameter<float> set("w", {2, 3}), generated("w", {2, 3}), written("w", {2, 3}), meant("w", {2, 3}),
        read("w", {2, 3});
    CHECK_FALSE(set.is_set());
    CHECK_THROWS_AS(set.set_value(Matrix<float>::Ones(3, 2)), gacc::ShapeError);
    CHECK_FALSE(set.is_set());
    set.set_value(ones);
    CHECK(set.is_set());
    generated.generate([] { return 1.0F; });
    CHECK(generated.is_set());
    written.stored_values();
    CHECK(written.is_set());
    meant.mark_set();
    CHECK(meant.is_set());
    std::as_const(read).stored_values();
    read.value();
    read.value_storage();
    read.set_grad(ones);
    read.stored_grads();
    CHECK_FALSE(read.is_set());
}
