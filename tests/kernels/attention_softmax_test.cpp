#include <gacc/kernels/attention_softmax.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace attention_softmax_test {

using gacc::Index;
using gacc::Matrix;
using gacc::test::random_matrix;
using Softmax = gacc::detail::PanelSoftmax<double>;
constexpr Index width = Softmax::width;

TEST_CASE("PanelSoftmax: blocks of keys give the softmax over all keys") {
    gacc::Rng rng(1);
    for (const double spread : {1.0, 100.0}) {
        auto scores = random_matrix<double>(rng, 9, width, -spread, spread);
        const auto values = random_matrix<double>(rng, 9, 1);
        const Matrix<double> before = scores;
        Softmax softmax(0.5);
        Matrix<double> y = Matrix<double>::Constant(1, width, 77);
        for (const auto& [first, keys] : {std::pair<Index, Index>{0, 4}, {4, 3}, {7, 2}}) {
            softmax.add(keys, scores.data() + first * width, first == 0, 1, y.data());
            const Matrix<double> added = values.middleRows(first, keys).transpose() * scores.middleRows(first, keys);
            y = first == 0 ? added : Matrix<double>(y + added);
        }
        const auto lse = softmax.finish(1, y.data());
        for (Index i = 0; i < width; ++i) {
            const double largest = 0.5 * before.col(i).maxCoeff();
            const gacc::Matrix<double> p = (0.5 * before.col(i).array() - largest).exp();
            CHECK(std::abs(lse[static_cast<std::size_t>(i)] - largest - std::log(p.sum())) < 1e-13);
            CHECK(std::abs(y(0, i) - values.col(0).dot(p.col(0)) / p.sum()) < 1e-13);
        }
    }
}

TEST_CASE("PanelSoftmax: queries that see a key late, or no key, have sums of what they see") {
    constexpr double hidden = -std::numeric_limits<double>::infinity();
    Matrix<double> scores = Matrix<double>::Constant(4, width, hidden), y = Matrix<double>::Zero(1, width);
    scores.row(2).tail(width - 1).setConstant(3);  // the first query sees no key, the last also the first key
    scores(0, width - 1) = 3;
    Softmax softmax(0.5, true);
    for (const Index key : {0, 1, 2, 3}) {
        softmax.add(1, scores.data() + key * width, key == 0, 1, y.data());
        y += 5 * scores.row(key);
    }
    CHECK((scores.array() == scores.array().round()).all());  // probabilities of 0 and 1
    const auto lse = softmax.finish(1, y.data());
    CHECK(y(0, 0) == 0);
    CHECK(lse.front() == 0);
    for (Index i = 1; i < width; ++i) {
        CHECK(y(0, i) == 5);
        CHECK(std::abs(lse[static_cast<std::size_t>(i)] - (0.5 * 3 + (i + 1 < width ? 0 : std::log(2)))) < 1e-14);
    }
}

TEST_CASE("PanelSoftmax: keys are hidden from the queries before them") {
    for (const Index offset : {Index{-2}, Index{0}, Index{3}, width}) {
        Matrix<double> scores = Matrix<double>::Ones(6, width);
        Softmax::hide(6, offset, -5, scores.data());
        for (Index key = 0; key < 6; ++key) {
            for (Index query = 0; query < width; ++query) {
                CHECK(scores(key, query) == (query + offset < key ? -5 : 1));
            }
        }
    }
}

TEST_CASE("PanelSoftmax: the gradients of scores, with and without factors of dropout") {
    gacc::Rng rng(2);
    const auto scores = random_matrix<double>(rng, 5, width), g = random_matrix<double>(rng, 5, width),
               lse = random_matrix<double>(rng, 1, width), sums = random_matrix<double>(rng, 1, width);
    const auto factors = random_matrix<double>(rng, 5, width);
    for (const bool drops : {false, true}) {
        Matrix<double> p = scores, grads = g;
        const auto gradient = drops ? Softmax::gradient<true> : Softmax::gradient<false>;
        gradient(5, 0.5, lse.data(), sums.data(), p.data(), grads.data(), factors.data());
        for (Index key = 0; key < 5; ++key) {
            for (Index i = 0; i < width; ++i) {
                const double factor = drops ? factors(key, i) : 1,
                             expected = std::exp(0.5 * scores(key, i) - lse(0, i));
                CHECK(std::abs(p(key, i) - factor * expected) < 1e-14);
                CHECK(std::abs(grads(key, i) - 0.5 * expected * (factor * g(key, i) - sums(0, i))) < 1e-14);
            }
        }
    }
}

TEST_CASE("PanelSoftmax: sums of products, and products, in every lane") {
    gacc::Rng rng(3);
    const auto a = random_matrix<double>(rng, 7, width), b = random_matrix<double>(rng, 7, width);
    std::vector<double> sums(static_cast<std::size_t>(width));
    Softmax::sum_of_products(7, a.data(), b.data(), sums.data());
    for (Index i = 0; i < width; ++i) {
        CHECK(std::abs(sums[static_cast<std::size_t>(i)] - a.col(i).dot(b.col(i))) < 1e-14);
    }
    Matrix<double> product = a;
    Softmax::multiply(7, product.data(), b.data());
    CHECK(product == a.cwiseProduct(b));
}

}  // namespace attention_softmax_test
