#include <gacc/core/tensor.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

namespace tensor_test {

using gacc::Matrix;
using gacc::Shape;
using gacc::ShapeError;
using gacc::Tensor;

namespace {

/// 0, 1, 2, ... in memory order.
Tensor<float> counted(Shape shape) {
    Tensor<float> tensor(std::move(shape));
    std::iota(tensor.data(), tensor.data() + tensor.size(), 0.0F);
    return tensor;
}

}  // namespace

TEST_CASE("Shape: prints as sizes with an x between them") {
    CHECK(gacc::to_string({60000, 28, 28}) == "60000 x 28 x 28");
    CHECK(gacc::to_string({7}) == "7");
    CHECK(gacc::to_string({}).empty());
}

TEST_CASE("Shape: elements is the product of the sizes, or of those from one on") {
    CHECK(gacc::elements({2, 3, 4}) == 24);
    CHECK(gacc::elements({2, 3, 4}, 1) == 12);
    CHECK(gacc::elements({2, 3, 4}, 3) == 1);
    CHECK(gacc::elements({2, 0, 4}) == 0);
}

TEST_CASE("Tensor: without a shape it has no samples") {
    const Tensor<float> tensor;
    CHECK(tensor.shape() == Shape{0});
    CHECK(tensor.samples() == 0);
    CHECK(tensor.size() == 0);
    CHECK(tensor.matrix().rows() == 0);
}

TEST_CASE("Tensor: samples come first, the other sizes are its features") {
    const Tensor<std::uint8_t> images({5, 2, 3});
    CHECK(images.samples() == 5);
    CHECK(images.features() == 6);
    CHECK(images.size() == 30);
    CHECK(images.shape() == Shape{5, 2, 3});
    CHECK(Tensor<float>({5}).features() == 1);
}

TEST_CASE("Tensor: is zero when made") {
    const Tensor<float> tensor({3, 4});
    CHECK(tensor.matrix() == Matrix<float>::Zero(3, 4));
}

TEST_CASE("Tensor: gives no view of a temporary, but one of what lives") {
    const auto shows = []<class T>(T&& tensor) {
        return requires { std::forward<T>(tensor).matrix().cols(); };
    };
    Tensor<float> tensor({3, 4});
    CHECK(shows(tensor));
    CHECK(!shows(Tensor<float>({3, 4})));
}

TEST_CASE("Tensor: its matrix has a row for each sample, without a copy") {
    Tensor<float> tensor = counted({2, 2, 2});
    CHECK(tensor.matrix() == Matrix<float>{{0, 1, 2, 3}, {4, 5, 6, 7}});
    CHECK(tensor.matrix().data() == tensor.data());
    tensor.matrix()(1, 0) = 40;
    CHECK(tensor.data()[4] == 40);
    CHECK(std::as_const(tensor).matrix()(1, 0) == 40);
}

TEST_CASE("Tensor: rows shows some samples, without a copy") {
    Tensor<float> tensor = counted({4, 2});
    tensor.rows(1, 2)(0, 0) = 20;
    CHECK(std::as_const(tensor).rows(1, 2) == Matrix<float>{{20, 3}, {4, 5}});
    CHECK(tensor.rows(4, 0).rows() == 0);
}

TEST_CASE("Tensor: rows outside of it are refused") {
    Tensor<float> tensor({4, 2});
    const auto& constant = tensor;
    CHECK_THROWS_WITH_AS(tensor.rows(3, 2),
                         "gacc: Tensor::rows: expected samples within the 4 there are, got 2 from 3 on", ShapeError);
    CHECK_THROWS_WITH_AS(constant.rows(5, 0),
                         "gacc: Tensor::rows: expected samples within the 4 there are, got 0 from 5 on", ShapeError);
    CHECK_THROWS_WITH_AS(tensor.rows(-1, 2),
                         "gacc: Tensor::rows: expected samples within the 4 there are, got 2 from -1 on", ShapeError);
    CHECK_THROWS_WITH_AS(constant.rows(2, -1),
                         "gacc: Tensor::rows: expected samples within the 4 there are, got -1 from 2 on", ShapeError);
}

TEST_CASE("Tensor: reshape keeps the numbers where they lie") {
    Tensor<float> tensor = counted({2, 6});
    const float* numbers = tensor.data();
    tensor.reshape({3, 2, 2});
    CHECK(tensor.shape() == Shape{3, 2, 2});
    CHECK(tensor.data() == numbers);
    CHECK(tensor.matrix() == Matrix<float>{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11}});
}

TEST_CASE("Tensor: a reshape to more or fewer numbers is refused and changes nothing") {
    Tensor<float> tensor = counted({2, 3});
    CHECK_THROWS_WITH_AS(tensor.reshape({4, 2}),
                         "gacc: Tensor::reshape: expected a shape of 6 numbers as 2 x 3, got 4 x 2", ShapeError);
    CHECK_THROWS_WITH_AS(tensor.reshape({-2, -3}),
                         "gacc: Tensor: expected sizes of 0 or more that memory can hold, got [-2 x -3]", ShapeError);
    CHECK(tensor.shape() == Shape{2, 3});
    CHECK(tensor.matrix() == Matrix<float>{{0, 1, 2}, {3, 4, 5}});
}

TEST_CASE("Tensor: an empty shape and negative sizes are refused") {
    CHECK_THROWS_WITH_AS(Tensor<float>(Shape{}),
                         "gacc: Tensor: expected sizes of 0 or more that memory can hold, got []", ShapeError);
    CHECK_THROWS_WITH_AS(Tensor<float>(Shape{3, -1}),
                         "gacc: Tensor: expected sizes of 0 or more that memory can hold, got [3 x -1]", ShapeError);
}

TEST_CASE("Tensor: a copy has numbers of its own") {
    const Tensor<float> original = counted({2, 2});
    Tensor<float> copy = original;
    copy.matrix().setZero();
    CHECK(original.matrix() == Matrix<float>{{0, 1}, {2, 3}});
    CHECK(copy.shape() == original.shape());
}

TEST_CASE("Tensor: a shape of more numbers than can be counted is refused") {
    const gacc::Index large = std::numeric_limits<gacc::Index>::max() / 2 + 1;
    const auto refusal =
        gacc::detail::text("gacc: Tensor: expected sizes of 0 or more that memory can hold, got [", large, " x 4]");
    CHECK_THROWS_WITH_AS(Tensor<float>(Shape{large, 4}), refusal.c_str(), ShapeError);
}

TEST_CASE("Tensor: a shape whose bytes cannot be counted is refused") {
    const gacc::Index large = gacc::detail::most_numbers<double> / 2 + 1;
    const auto text =
        gacc::detail::text("gacc: Tensor: expected sizes of 0 or more that memory can hold, got [", large, " x 2]");
    CHECK_THROWS_WITH_AS(Tensor<double>(Shape{large, 2}), text.c_str(), ShapeError);
}

TEST_CASE("Shape: a product that an Index cannot hold is refused") {
    const gacc::Index large = std::numeric_limits<gacc::Index>::max() / 2 + 1;
    const auto text = gacc::detail::text("gacc: elements: expected sizes whose product is less than ",
                                         std::numeric_limits<gacc::Index>::max(), ", got [", large, " x 4]");
    CHECK_THROWS_WITH_AS(gacc::elements({large, 4}), text.c_str(), ShapeError);
    CHECK(gacc::elements({large, 4}, 1) == 4);
}

TEST_CASE("Tensor: reshape gives another number of features") {
    Tensor<float> tensor = counted({2, 6});
    tensor.reshape({3, 2, 2});
    CHECK(tensor.features() == 4);
    CHECK(tensor.matrix().cols() == 4);
}

TEST_CASE("Tensor: one that was moved from says so, and can be assigned to") {
    Tensor<float> first({2, 3});
    const Tensor<float> second = std::move(first);
    CHECK(second.samples() == 2);
    CHECK_THROWS_WITH_AS(first.matrix(), "gacc: Tensor: expected a tensor, got one that was moved from",
                         gacc::UsageError);
    CHECK_THROWS_AS(first.rows(0, 1), gacc::UsageError);
    first = Tensor<float>({4, 1});
    CHECK(first.matrix().rows() == 4);
}

}  // namespace tensor_test
