#include <gacc/parameters/parameter_layout.hpp>

#include <gacc/parameters/parameter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace parameter_layout_test {

using gacc::Index;
using gacc::Matrix;
using gacc::Parameter;
using gacc::Shape;
using gacc::ShapeError;

namespace {

const Matrix<float> one_to_six{{1, 2, 3}, {4, 5, 6}};

}  // namespace

TEST_CASE("ParameterLayout: rows and columns of a vector, a matrix and kernels") {
    const auto sizes = [](Shape shape) {
        const gacc::detail::ParameterLayout<float> layout(std::move(shape), "layer");
        return std::array{layout.rows(), layout.cols(), layout.size()};
    };
    CHECK(sizes({3}) == std::array<Index, 3>{1, 3, 3});
    CHECK(sizes({2, 3}) == std::array<Index, 3>{2, 3, 6});
    CHECK(sizes({2, 3, 4, 5}) == std::array<Index, 3>{2, 60, 120});
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

TEST_CASE("Parameter: kernels are in PyTorch's order outside, and have their channels last inside") {
    Parameter<float> weight("weight", {2, 3, 1, 2});
    CHECK(weight.shape() == Shape{2, 3, 1, 2});
    CHECK(weight.rows() == 2);
    CHECK(weight.cols() == 6);
    CHECK(weight.size() == 12);
    const Matrix<float> value{{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}};  // channel after channel
    weight.set_value(value);
    weight.set_grad(2 * value);
    CHECK(weight.value() == value);
    CHECK(weight.grad() == 2 * value);
    const auto values = weight.values();
    CHECK(std::ranges::equal(values.span(), std::array<float, 12>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    const Index width = gacc::detail::Panels<float>::width;
    const float inside[] = {1, 3, 5, 2, 4, 6};  // pixel after pixel
    for (Index k = 0; k < 6; ++k) {
        CHECK(weight.stored_values()[static_cast<std::size_t>(k * width)] == inside[k]);
        CHECK(weight.stored_values()[static_cast<std::size_t>(k * width + 1)] == inside[k] + 6);
    }
    float next = 0;
    weight.generate([&] { return ++next; });
    CHECK(weight.value() == value);
}

TEST_CASE("Parameter: sizes below 1 are refused") {
    CHECK_THROWS_WITH_AS(Parameter<float>("w", {5, 0}),
                         "gacc: Parameter: expected one size or several, of 1 or more, got [5 x 0]", ShapeError);
    CHECK_THROWS_WITH_AS(Parameter<float>("w", {}), "gacc: Parameter: expected one size or several, of 1 or more, got []",
                         ShapeError);
}

}  // namespace parameter_layout_test
