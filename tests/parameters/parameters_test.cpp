#include <gacc/parameters/parameters.hpp>

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

namespace parameters_test {

using gacc::GradientTally;
using gacc::Index;
using gacc::Matrix;
using gacc::Parameter;
using gacc::Parameters;

namespace {

const Matrix<float> one_to_six{{1, 2, 3}, {4, 5, 6}};

/// The parameters of a model: a weight and a bias, with gradients of one micro-batch of two samples.
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

TEST_CASE("Parameters: gives the parameters in order, to change as well") {
    Layer layer;
    const Parameters<float> parameters = layer.parameters();
    CHECK(parameters.size() == 2);
    CHECK(&parameters[0] == &layer.weight);
    CHECK(&parameters[1] == &layer.bias);

    std::vector<std::string> names;
    for (auto& parameter : parameters) {
        names.push_back(parameter.name());
        gacc::detail::ModelParameter<float>::rename(parameter, "0." + parameter.name());
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

}  // namespace parameters_test
