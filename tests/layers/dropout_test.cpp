#include <gacc/layers/dropout.hpp>

#include <gacc/layers/relu.hpp>

#include "support/layer_check.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

namespace dropout_test {

using namespace gacc::test;
using gacc::Dropout;
using gacc::Index;
using gacc::Matrix;
using gacc::Where;

namespace {

/// The mask of some rows: 1 where x is kept.
Matrix<float> mask(double p, Index rows, Index columns, const Where& where) {
    const auto kept = forward<float>(Dropout(p), Matrix<float>::Ones(rows, columns), {}, where);
    return kept.unaryExpr([](float y) { return y == 0 ? 0.0F : 1.0F; });
}

}  // namespace

TEST_CASE("Dropout: y is 0 or x / (1 - p), in training; in predict it is x") {
    const Matrix<float> x{{1, 2, 3, 4, 5, 6, 7, 8}};
    const auto y = forward<float>(Dropout(0.5), x, {}, {.seed = 1, .training = true});
    for (Index i = 0; i < 8; ++i) { CHECK((y(0, i) == 0 || y(0, i) == 2 * x(0, i))); }
    CHECK(y != 2 * x);
    CHECK(forward<float>(Dropout(0.5), x) == x);
    CHECK(forward<float>(Dropout(0), x, {}, {.seed = 1, .training = true}) == x);
}

TEST_CASE("Dropout: a part's mask is that part of the whole mask, also of columns") {
    const Where where{.seed = 3, .step = 2, .layer = 1, .training = true};
    const auto whole = mask(0.3, 20, 37, where);
    for (const Index row : {0, 1, 7}) {
        for (const Index column : {0, 1, 2, 3, 4, 5, 30}) {
            CHECK(mask(0.3, 4, 7, where.at(row, column)) == whole.block(row, column, 4, 7));
        }
    }
}

TEST_CASE("Dropout: masks of other seeds, steps, layers, rows and columns are others") {
    const Where where{.seed = 3, .step = 2, .layer = 1, .training = true};
    const auto one = mask(0.5, 10, 64, where);
    Where other = where;
    other.seed = 4;
    CHECK(mask(0.5, 10, 64, other) != one);
    other = where;
    other.step = 3;
    CHECK(mask(0.5, 10, 64, other) != one);
    other = where;
    other.layer = 2;
    CHECK(mask(0.5, 10, 64, other) != one);
    CHECK(mask(0.5, 10, 64, where.at(1, 0)) != one);
    CHECK(mask(0.5, 10, 64, where.at(0, 64)) != one);
}

TEST_CASE("Dropout: of 1e7 draws the share is p, and neighbours are independent") {
    const double p = 0.3;
    const Index rows = 2000, columns = 5000;
    const auto kept = mask(p, rows, columns, {.seed = 11, .training = true});
    const auto next_step = mask(p, rows, columns, {.seed = 11, .step = 1, .training = true});
    const auto share = [](const auto& numbers) { return numbers.template cast<double>().mean(); };
    const double deviation = std::sqrt(p * (1 - p) / 1e7), both = (1 - p) * (1 - p);
    CHECK(std::abs(share(kept) - (1 - p)) < 5 * deviation);
    // Kept together as often as independent ones: units side by side, samples below each other, one step after another.
    CHECK(std::abs(share(kept.leftCols(columns - 1).cwiseProduct(kept.rightCols(columns - 1))) - both) < 5 * deviation);
    CHECK(std::abs(share(kept.topRows(rows - 1).cwiseProduct(kept.bottomRows(rows - 1))) - both) < 5 * deviation);
    CHECK(std::abs(share(kept.cwiseProduct(next_step)) - both) < 5 * deviation);
}

TEST_CASE("Dropout: gradients for any shape, the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        check_layer([]<class S>() { return Dropout<S>(0.4); }, random_shape(rng, 1 + trial % 2), rng);
    }
}

TEST_CASE("Dropout: a Linear behind a ReLU and a Dropout puts its gradients through them") {
    const auto bytes = [](Index micro_batch, int threads) {
        gacc::set_threads(threads);
        gacc::Sequential<float> model(gacc::Linear(9, 40), gacc::ReLU(), Dropout(0.5), gacc::Linear(40, 33),
                                      Dropout(0.2), gacc::Linear(33, 3));
        gacc::Rng rng(1);
        model.initialize(rng);
        const auto x = random_matrix<float>(rng, 300, 9), grad_y = random_matrix<float>(rng, 300, 3);
        const std::vector<float> ones(300, 1);
        for (int step = 0; step < 3; ++step) {
            model.parameters().zero_grad();
            for (Index first = 0; first < 300; first += micro_batch) {
                const Index count = std::min<Index>(micro_batch, 300 - first);
                model.forward(x.middleRows(first, count));
                model.backward({grad_y.middleRows(first, count), std::span(ones).first(static_cast<std::size_t>(count))});
            }
        }
        gacc::set_threads(0);
        return state_of(model.parameters());
    };
    auto whole = bytes(300, 1);
    whole.resize(whole.size() - sizeof(Index));  // but for the number of micro-batches
    for (const Index micro_batch : {1, 7, 128, 300}) {
        for (const int threads : {1, 3}) {
            auto cut = bytes(micro_batch, threads);
            cut.resize(cut.size() - sizeof(Index));
            CHECK(cut == whole);
        }
    }
}

TEST_CASE("Dropout: a probability beyond its range is an error") {
    CHECK_THROWS_WITH_AS(Dropout(1), "gacc: Dropout: expected a probability from 0 up to, not including, 1, got 1",
                         gacc::UsageError);
    CHECK_THROWS_AS(Dropout(-0.1), gacc::UsageError);
    CHECK(Dropout(0.5).description() == "Dropout(0.5)");
}

}  // namespace dropout_test
