#include <gacc/accumulation/given_values.hpp>

#include <gacc/model/sequential.hpp>

#include <doctest/doctest.h>

namespace given_values_test {

using gacc::Matrix;

TEST_CASE("GivenValues: the numbers of each sample by its place in the batch, for any inputs") {
    const Matrix<float> values{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}, inputs{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}};
    gacc::Sequential<float> model;
    model.add(gacc::Input(3, 1));
    model.add(gacc::detail::GivenValues<float>(values, {2, 2}));
    CHECK(model.output_shape() == gacc::Shape{2, 2});
    CHECK(model.forward(inputs.topRows(1)) == Matrix<float>{{1, 2}, {3, 4}});
    CHECK(model.forward(inputs.topRows(2)) == Matrix<float>{{5, 6}, {7, 8}, {9, 10}, {11, 12}});
}

}  // namespace given_values_test
