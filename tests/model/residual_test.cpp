#include <gacc/model/residual.hpp>

#include <gacc/layers/linear.hpp>
#include <gacc/layers/relu.hpp>
#include <gacc/losses/softmax_cross_entropy.hpp>
#include <gacc/model/recomputation.hpp>
#include <gacc/model/sequential.hpp>

#include "support/gradient_check.hpp"
#include "support/long_tests.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace residual_test {

using namespace gacc::test;
using gacc::Chain;
using gacc::Concat;
using gacc::Index;
using gacc::Label;
using gacc::Linear;
using gacc::Matrix;
using gacc::ReLU;
using gacc::Residual;
using gacc::Sequential;
using gacc::Shortcut;

namespace {

template <class Scalar>
std::vector<std::string> names(Sequential<Scalar>& model) {
    std::vector<std::string> all;
    for (const auto& parameter : model.parameters()) { all.push_back(parameter.name()); }
    return all;
}

/// The largest absolute error of a model's gradients by its parameters, for the sum of (grad_y * outputs).
double worst_error(Sequential<double>& model, const Matrix<double>& x, gacc::Rng& rng) {
    const auto parameters = model.parameters();
    const Matrix<double> y = model.forward(x);
    const auto grad_y = random_matrix<double>(rng, y.rows(), y.cols());
    parameters.zero_grad();
    const std::vector<double> ones(static_cast<std::size_t>(y.rows()), 1.0);
    model.forward(x);
    model.backward({grad_y, ones});
    double worst = 0;
    for (auto& parameter : parameters) {
        const Matrix<double> value = parameter.value();
        const auto expected = central_differences(value, [&](const Matrix<double>& at) {
            parameter.set_value(at);
            return grad_y.cwiseProduct(model.predict(x)).sum();
        });
        parameter.set_value(value);
        worst = std::max(worst, (parameter.grad() - expected).cwiseAbs().maxCoeff());
    }
    return worst;
}

/// A random block for samples whose last size is `in`, with limited depth. It sets the last size of its output.
template <class Scalar>
gacc::Block<Scalar> random_block(gacc::Rng& rng, Index in, int depth, Index& out) {
    const auto size = [&] { return 1 + static_cast<Index>(rng.below(20)); };
    switch (depth > 0 ? rng.below(6) : rng.below(2)) {
        case 0:
            out = in;
            return ReLU<Scalar>();
        case 1:
            out = size();
            return Linear<Scalar>(in, out);
        case 2: {
            Index inside = 0, same = 0;
            auto first = random_block<Scalar>(rng, in, depth - 1, inside);
            auto second = random_block<Scalar>(rng, inside, depth - 1, same);
            out = in;
            return Residual(first, second, Linear<Scalar>(same, in));
        }
        case 3: {
            Index inside = 0;
            auto first = random_block<Scalar>(rng, in, depth - 1, inside);
            out = inside;
            return Residual(Shortcut(Linear<Scalar>(in, inside)), first);
        }
        case 4: {
            Index inside = 0, a = 0, b = 0;
            auto first = random_block<Scalar>(rng, in, depth - 1, inside);
            auto left = random_block<Scalar>(rng, inside, depth - 1, a), right = random_block<Scalar>(rng, in, depth - 1, b);
            out = a + b + in;
            return Concat(Chain(first, left), right, ReLU<Scalar>());
        }
        default: {
            Index inside = 0;
            auto first = random_block<Scalar>(rng, in, depth - 1, inside);
            auto second = random_block<Scalar>(rng, inside, depth - 1, out);
            return Chain(first, second);
        }
    }
}

template <class Scalar>
Sequential<Scalar> random_model(std::uint64_t seed, Index rows) {
    gacc::Rng rng(seed);
    Sequential<Scalar> model;
    Index in = 1 + static_cast<Index>(rng.below(20)), out = in;
    if (rows > 1) { model.add(gacc::Input(rows, in)); }
    model.add(Linear<Scalar>(in, out));
    for (std::uint64_t i = rng.below(4); i > 0; --i) {
        model.add(random_block<Scalar>(rng, in, 3, out));
        in = out;
    }
    model.add(Linear<Scalar>(in, 5));
    model.initialize(rng);
    return model;
}

/// The gradients of all samples, cut into micro-batches, as bytes.
template <class Scalar>
std::vector<std::byte> gradients(Sequential<Scalar>& model, const Matrix<Scalar>& x, const std::vector<Label>& labels,
                                 Index micro_batch) {
    const Index rows = gacc::rows_of(model.output_shape());
    gacc::SoftmaxCrossEntropy<Scalar> loss;
    model.parameters().zero_grad();
    for (Index first = 0; first < x.rows(); first += micro_batch) {
        const Index count = std::min(micro_batch, x.rows() - first);
        const auto own = std::span(labels).subspan(static_cast<std::size_t>(first * rows), static_cast<std::size_t>(count * rows));
        loss.forward(model.forward(x.middleRows(first, count)), own);
        model.backward(loss.backward());
    }
    return state_of(model.parameters());
}

}  // namespace

TEST_CASE("Residual: y is x plus the branch, and the gradient goes both ways") {
    Sequential model(Linear<double>(2, 2), Residual(Linear<double>(2, 2)));
    const auto parameters = model.parameters();
    parameters[0].set_value(Matrix<double>{{1, 0}, {0, 1}});
    parameters[2].set_value(Matrix<double>{{1, 2}, {3, 4}});
    parameters[3].set_value(Matrix<double>{{10, 20}});
    const Matrix<double> x{{1, 1}};
    CHECK(model.forward(x) == Matrix<double>{{14, 28}});
    const Matrix<double> grad_y{{1, 10}};
    model.backward({grad_y, std::vector<double>{1}});
    CHECK(parameters[3].grad() == grad_y);
    CHECK(parameters[2].grad() == Matrix<double>{{1, 1}, {10, 10}});
    CHECK(parameters[1].grad() == Matrix<double>{{1 + 1 + 30, 10 + 2 + 40}});
}

TEST_CASE("Residual: names are PyTorch's, also in residuals within residuals") {
    Sequential model(Linear(4, 4), ReLU(), Residual(Residual(Linear(4, 4)), ReLU(), Linear(4, 4)),
                     Residual(Shortcut(Linear(4, 2)), Linear(4, 3), Linear(3, 2)),
                     Concat(Linear(2, 1), Chain(Linear(2, 2), ReLU())));
    CHECK(names(model) == std::vector<std::string>{"0.weight", "0.bias", "2.branch.0.branch.0.weight",
                                                   "2.branch.0.branch.0.bias", "2.branch.2.weight", "2.branch.2.bias",
                                                   "3.branch.0.weight", "3.branch.0.bias", "3.branch.1.weight",
                                                   "3.branch.1.bias", "3.shortcut.weight", "3.shortcut.bias",
                                                   "4.0.weight", "4.0.bias", "4.1.0.weight", "4.1.0.bias"});
    CHECK(model[2].description() == "Residual(branch Residual(branch Linear(4 -> 4)), ReLU, Linear(4 -> 4))");
}

TEST_CASE("Residual: of a Residual is two sums, and not a copy") {
    const auto once = Residual(Linear(2, 2));
    Sequential model(Residual(once));
    model.parameters()[0].set_value(Matrix<float>{{1, 0}, {0, 1}});
    const Matrix<float> x{{1, 2}};
    CHECK(model.predict(x) == Matrix<float>{{3, 6}});  // x + (x + x)
}

TEST_CASE("Residual: shapes that differ are refused when it is added, and nothing is") {
    Sequential model(Linear(4, 4));
    CHECK_THROWS_WITH_AS(model.add(Residual(Linear(4, 3))),
                         "gacc: Residual: expected a branch and a shortcut of one shape, got samples of 3 and 4",
                         gacc::ShapeError);
    CHECK(model.size() == 1);
    model.add(Linear(4, 2));
    CHECK(model.out_features() == 2);
}

TEST_CASE("Residual: random graphs have the gradients of central differences") {
    gacc::Rng rng(1);
    const int models = gacc::test::long_tests() ? 60 : 18;
    int exact = 0;
    for (std::uint64_t seed = 0; seed < static_cast<std::uint64_t>(models); ++seed) {
        CAPTURE(seed);
        const Index rows = seed % 3 == 0 ? 3 : 1;
        auto model = random_model<double>(seed, rows);
        for (auto& parameter : model.parameters()) {  // biases too: a ReLU of 0 has no derivative
            parameter.set_value(random_matrix<double>(rng, parameter.rows(), parameter.cols()));
        }
        // With small sizes nearly every ReLU's input is farther from 0 than the step of the differences.
        const auto x = random_matrix<double>(rng, 3, model.in_features());
        const double worst = worst_error(model, x, rng);
        CHECK(worst < 1e-2);
        exact += worst < 1e-7;
    }
    CHECK(exact > models * 5 / 6);
}

TEST_CASE("Residual: random graphs have the same gradients by bytes, cut, by threads, and computed again") {
    gacc::Rng rng(2);
    for (std::uint64_t seed = 100; seed < 300; ++seed) {
        CAPTURE(seed);
        const Index rows = seed % 4 == 0 ? 5 : 1;
        const Index samples = seed % 5 == 0 ? 300 : 1 + static_cast<Index>(rng.below(40));
        auto model = random_model<float>(seed, rows);
        const auto x = random_matrix<float>(rng, samples, model.in_features());
        std::vector<Label> labels(static_cast<std::size_t>(samples * rows));
        for (auto& label : labels) { label = static_cast<Label>(rng.below(5)); }
        const auto tally_left_out = [](std::vector<std::byte> state) {
            state.resize(state.size() - sizeof(Index));  // micro-batches
            return state;
        };
        const auto whole = tally_left_out(gradients(model, x, labels, samples));
        for (const int threads : {1, 3}) {
            gacc::set_threads(threads);
            const Index micro_batch = 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(samples)));
            CHECK(tally_left_out(gradients(model, x, labels, micro_batch)) == whole);
            auto again = random_model<float>(seed, rows);
            again.lay_out(samples, gacc::least_memory<float>(again.activations(), micro_batch));
            CHECK(tally_left_out(gradients(again, x, labels, micro_batch)) == whole);
            CHECK(tally_left_out(gradients(again, x, labels, samples)) == whole);
            auto dropped = random_model<float>(seed, rows);  // all that can be dropped
            auto activations = dropped.activations();
            for (std::size_t i = 0; i + 1 < activations.size(); ++i) {
                activations[i].kept = activations[i].boundary && rng.below(2) == 0;
            }
            dropped.lay_out(samples, activations);
            CHECK(tally_left_out(gradients(dropped, x, labels, micro_batch)) == whole);
            const Sequential<float> copy = model;
            CHECK(copy.predict(x) == model.predict(x));
        }
        gacc::set_threads(0);
    }
}

TEST_CASE("Residual: costs its activations, and one gradient beside them for what is read twice") {
    const auto bytes = [](auto&& model) { return model.workspace_bytes(10, model.activations()); };
    using gacc::memory::Kind;
    const auto chain = bytes(Sequential(Linear(16, 16), Linear(16, 32), ReLU(), Linear(32, 16), Linear(16, 4)));
    const auto residual = bytes(
        Sequential(Linear(16, 16), Residual(Linear(16, 32), ReLU(), Linear(32, 16)), Linear(16, 4)));
    CHECK(residual[Kind::activations] == chain[Kind::activations]);
    CHECK(chain[Kind::scratch] == 0);
    CHECK(residual[Kind::scratch] == 0);  // it lies over the sum, and serves x too
}

}  // namespace residual_test
