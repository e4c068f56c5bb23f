#include <gacc/parameters/parameter.hpp>

#include <gacc/parameters/model_parameter.hpp>

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

namespace parameter_test {

using gacc::Index;
using gacc::Matrix;
using gacc::Parameter;
using gacc::Shape;
using gacc::ShapeError;

namespace {

const Matrix<float> one_to_six{{1, 2, 3}, {4, 5, 6}};

}  // namespace

TEST_CASE("Parameter: knows its name, shape and size") {
    Parameter<float> weight("weight", {2, 3});
    CHECK(weight.name() == "weight");
    CHECK(weight.shape() == Shape{2, 3});
    CHECK(weight.rows() == 2);
    CHECK(weight.cols() == 3);
    CHECK(weight.size() == 6);
    gacc::detail::ModelParameter<float>::rename(weight, "0.weight");
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
    CHECK(std::ranges::all_of(weight.materialize_grads(), [](float grad) { return grad == 0; }));
    CHECK_FALSE(weight.grad_is_zero());
    weight.materialize_grads()[0] = 7;
    CHECK(weight.materialize_grads()[0] == 7);
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

TEST_CASE("Parameter: stored values and gradients belong together one by one, however they lie") {
    Parameter<float> weight("weight", {2, 3});
    weight.set_value(one_to_six);
    weight.set_grad(2 * one_to_six);
    REQUIRE(weight.stored_values().size() == weight.materialize_grads().size());
    for (std::size_t i = 0; i < weight.stored_values().size(); ++i) {
        CHECK(weight.materialize_grads()[i] == 2 * weight.stored_values()[i]);
    }
}

TEST_CASE("Parameter: what is written to the stored numbers is seen from outside") {
    Parameter<float> weight("weight", {2, 3});
    std::ranges::fill(weight.stored_values(), 3.0F);
    std::ranges::fill(weight.materialize_grads(), 4.0F);
    CHECK(weight.value() == Matrix<float>::Constant(2, 3, 3));
    CHECK(weight.grad() == Matrix<float>::Constant(2, 3, 4));
    CHECK(std::as_const(weight).stored_values().data() == weight.stored_values().data());
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
    read.materialize_grads();
    CHECK_FALSE(read.is_set());
}

}  // namespace parameter_test
