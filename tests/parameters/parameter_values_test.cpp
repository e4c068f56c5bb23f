#include <gacc/parameters/parameter_values.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/parameters/parameter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace parameter_values_test {

using gacc::Index;
using gacc::Matrix;
using gacc::Parameter;
using gacc::ParameterValues;
using gacc::Shape;

namespace {

/// 1, 2, 3, ... row by row.
template <class Scalar>
Matrix<Scalar> counted(Index rows, Index cols, Scalar sign = 1) {
    Matrix<Scalar> matrix(rows, cols);
    for (Index i = 0; i < matrix.size(); ++i) { matrix.data()[i] = sign * static_cast<Scalar>(i + 1); }
    return matrix;
}

template <class Scalar>
bool are(const ParameterValues<Scalar>& values, const Matrix<Scalar>& matrix) {
    return std::ranges::equal(values.span(), std::span(matrix.data(), static_cast<std::size_t>(matrix.size())));
}

template <class Scalar>
void check(const Shape& shape, bool in_place) {
    CAPTURE(gacc::to_string(shape));
    Parameter<Scalar> parameter("parameter", shape);
    const auto value = counted<Scalar>(parameter.rows(), parameter.cols());
    const auto grad = counted<Scalar>(parameter.rows(), parameter.cols(), -1);
    parameter.set_value(value);
    parameter.set_grad(grad);
    const auto values = parameter.values(), grads = parameter.grads();
    CHECK(are(values, value));
    CHECK(are(grads, grad));
    CHECK(values.size() == parameter.size());
    CHECK(values[parameter.size() - 1] == static_cast<Scalar>(parameter.size()));
    CHECK(values.is_copy() != in_place);
    CHECK(grads.is_copy() != in_place);
    CHECK((values.span().data() == std::as_const(parameter).stored_values().data()) == in_place);
    CHECK((grads.span().data() == parameter.materialize_grads().data()) == in_place);

    parameter.zero_grad();
    const auto zeros = parameter.grads();
    CHECK(zeros.size() == parameter.size());
    CHECK(std::ranges::all_of(zeros.span(), [](Scalar number) { return number == 0; }));
    CHECK(zeros.is_copy());

    parameter.set_value(2 * value);
    CHECK(are(values, in_place ? Matrix<Scalar>(2 * value) : value));
}

template <class Values>
concept GivesSpan = requires(Values&& values) {
    std::forward<Values>(values).span();
};
template <class P>
concept GivesValues = requires(P&& parameter) {
    std::forward<P>(parameter).values();
};

}  // namespace

TEST_CASE_TEMPLATE("Parameter: values and grads lie row by row, without a copy where they are stored so", Scalar, float,
                   double) {
    const Index width = gacc::detail::Panels<Scalar>::width;
    for (const Index size : {Index{1}, Index{3}, width - 1, width, width + 1, 3 * width + 2}) {
        check<Scalar>({size}, true);          // vectors, padded or not
        check<Scalar>({size, 1}, true);       // one column
        check<Scalar>({1, size}, size == 1);  // one row is a column of a panel
        check<Scalar>({size, 2}, false);      // panels, padded or not
        check<Scalar>({size, width}, false);
    }
}

TEST_CASE("ParameterValues: turn into a span that C++ code takes, as long as they live") {
    Parameter<float> weight("weight", {2, 3});
    weight.set_value(Matrix<float>{{1, 2, 3}, {4, 5, 6}});
    const auto values = weight.values();
    const std::span<const float> span = values;
    CHECK(std::ranges::equal(span, std::vector<float>{1, 2, 3, 4, 5, 6}));
    const auto sum = [](std::span<const float> numbers) {
        return std::accumulate(numbers.begin(), numbers.end(), 0.0F);
    };
    CHECK(sum(values) == 21);

    ParameterValues<float> copy = values, moved = std::move(copy);
    CHECK(std::ranges::equal(moved.span(), span));
    CHECK(moved.span().data() != span.data());
    Parameter<float> bias("bias", {3});
    moved = bias.values();
    CHECK_FALSE(moved.is_copy());
    CHECK(moved.span().data() == std::as_const(bias).stored_values().data());
    moved = weight.values();
    CHECK(std::ranges::equal(moved.span(), span));
}

TEST_CASE("ParameterValues: of what is gone at once there is no span") {
    CHECK(GivesSpan<const ParameterValues<float>&>);
    CHECK_FALSE(GivesSpan<ParameterValues<float>>);
    CHECK(std::is_convertible_v<const ParameterValues<float>&, std::span<const float>>);
    CHECK_FALSE(std::is_convertible_v<ParameterValues<float>, std::span<const float>>);
    CHECK(GivesValues<const Parameter<float>&>);
    CHECK_FALSE(GivesValues<Parameter<float>>);
}

TEST_CASE_TEMPLATE("ParameterValues: those of a model are written back by set_value", Scalar, float, double) {
    gacc::Sequential<Scalar> model(gacc::Linear<Scalar>(5, 7), gacc::Linear<Scalar>(7, 1));
    gacc::Rng rng(1);
    model.initialize(rng);
    for (auto& parameter : model.parameters()) {
        const auto values = parameter.values();
        CHECK(are(values, parameter.value()));
        Matrix<Scalar> matrix(parameter.rows(), parameter.cols());
        std::ranges::transform(values.span(), matrix.data(), [](Scalar number) { return number + 1; });
        parameter.set_value(matrix);
        CHECK(are(parameter.values(), matrix));
    }
}

}  // namespace parameter_values_test
