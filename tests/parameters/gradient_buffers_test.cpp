#include <gacc/parameters/gradient_buffers.hpp>

#include <gacc/layers/dropout.hpp>
#include <gacc/layers/linear.hpp>
#include <gacc/losses/mean_squared_error.hpp>
#include <gacc/model/sequential.hpp>

#include <doctest/doctest.h>

#include <string>

namespace gradient_buffers_test {

using gacc::GradientBuffers;
using gacc::Index;
using gacc::Matrix;

namespace {

struct Training {
    Training() {
        gacc::Rng rng(1);
        model.initialize(rng);
        for (Index i = 0; i < inputs.size(); ++i) { inputs.data()[i] = static_cast<float>(rng.normal()); }
        for (Index i = 0; i < targets.size(); ++i) { targets.data()[i] = static_cast<float>(rng.normal()); }
    }
    void add(Index first, Index count) {
        loss.forward(model.forward(inputs.middleRows(first, count)), targets.middleRows(first, count));
        model.backward(loss.backward());
    }

    gacc::Sequential<float> model{gacc::Linear(4, 3), gacc::Dropout(0.5), gacc::Linear(3, 2)};
    gacc::MeanSquaredError<float> loss;
    Matrix<float> inputs{6, 4}, targets{6, 2};
};

}  // namespace

TEST_CASE("GradientBuffers: two parts of a batch are added up apart from each other, and nothing is copied") {
    Training one, other;
    const auto parameters = one.model.parameters();
    GradientBuffers<float> buffers(parameters);
    const float* lies_at = parameters[0].grad_storage().data();
    one.add(0, 2);
    const Matrix<float> first = parameters[0].grad();
    buffers.swap(parameters);
    CHECK(parameters[0].grad_storage().data() != lies_at);
    CHECK(parameters[0].grad().isZero(0));
    CHECK(parameters.tally().samples() == 0);
    CHECK(parameters.tally().seen() == 2);
    CHECK(buffers.tally().samples() == 2);
    one.add(2, 4);
    CHECK(parameters.tally().samples() == 4);
    const Matrix<float> second = parameters[0].grad();
    buffers.swap(parameters);
    CHECK(parameters[0].grad_storage().data() == lies_at);
    CHECK(parameters[0].grad() == first);
    CHECK(parameters.tally().samples() == 2);
    CHECK(parameters.tally().seen() == 6);
    CHECK(buffers.tally().samples() == 4);

    // The masks of dropout are those of a model that has seen the same samples without a swap.
    other.add(0, 2);
    other.model.parameters().zero_grad();
    Training third;
    third.add(0, 6);
    const Matrix<float> sum = first + second;
    CHECK((sum - third.model.parameters()[0].grad()).cwiseAbs().maxCoeff() <= 1e-6F);
    CHECK(second.cwiseAbs().maxCoeff() > 1e-2F);
}

TEST_CASE("GradientBuffers: what was put aside is added to the gradients of the model") {
    Training training;
    const auto parameters = training.model.parameters();
    GradientBuffers<float> buffers(parameters);
    training.add(0, 2);
    const Matrix<float> first = parameters[0].grad();
    buffers.swap(parameters);
    training.add(2, 4);
    const Matrix<float> second = parameters[0].grad();
    buffers.add_to(parameters);
    CHECK(parameters[0].grad() == Matrix<float>(first + second));
    CHECK(parameters.tally().samples() == 6);
    CHECK(parameters.tally().weight() == 6);
    CHECK(parameters.tally().micro_batches() == 2);
    CHECK(parameters.tally().seen() == 6);
    CHECK(buffers.tally().empty());
    buffers.swap(parameters);  // nothing is left in them
    CHECK(parameters[0].grad().isZero(0));

    // Nothing and something: the sum is something, in both directions.
    buffers.add_to(parameters);
    CHECK(parameters[0].grad() == Matrix<float>(first + second));
    buffers.add_to(parameters);
    CHECK(parameters[0].grad() == Matrix<float>(first + second));
    CHECK(parameters.tally().samples() == 6);
    parameters.zero_grad();
    buffers.add_to(parameters);
    CHECK(parameters[0].grad_is_zero());
    training.add(0, 2);
    buffers.swap(parameters);
    buffers.clear();
    CHECK(buffers.tally().empty());
    buffers.add_to(parameters);
    CHECK(parameters[0].grad_is_zero());
    for (const float number : buffers.grads(0)) { CHECK(number == 0); }
}

TEST_CASE("GradientBuffers: takes as many bytes as the gradients") {
    Training training;
    const auto before = gacc::memory::live();
    const GradientBuffers<float> buffers(training.model.parameters());
    const auto taken = gacc::memory::live()[gacc::memory::Kind::gradients] - before[gacc::memory::Kind::gradients];
    CHECK(buffers.bytes() == taken);
    CHECK(taken == static_cast<std::size_t>(training.model.parameters().stored_gradients()) * sizeof(float));
}

TEST_CASE("GradientBuffers: other parameters than it was made for are refused") {
    Training training;
    gacc::Sequential<float> other(gacc::Linear(4, 3));
    GradientBuffers<float> buffers(other.parameters());
    CHECK_THROWS_WITH_AS(buffers.swap(training.model.parameters()),
                         "gacc: GradientBuffers::swap: expected the parameters that it was made for, got others; make it "
                         "after freeze()",
                         gacc::UsageError);

    gacc::Sequential<float> squares(gacc::Linear(3, 3), gacc::Linear(3, 3));
    squares.freeze([](const auto& parameter) { return parameter.name().starts_with("0."); });
    GradientBuffers<float> of_last(squares.parameters());
    squares.unfreeze([](const auto&) { return true; });
    squares.freeze([](const auto& parameter) { return parameter.name().starts_with("1."); });
    CHECK_THROWS_AS(of_last.swap(squares.parameters()), gacc::UsageError);  // of the same size
    CHECK_THROWS_AS(of_last.add_to(squares.parameters()), gacc::UsageError);
}

}  // namespace gradient_buffers_test
