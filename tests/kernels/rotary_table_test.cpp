#include <gacc/kernels/rotary_table.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

namespace rotary_table_test {

using gacc::Index;
using gacc::Matrix;
using gacc::detail::Rotary;
using gacc::detail::RotaryTable;

namespace {

Matrix<float> turned(const Rotary<float>& rotary, Index position) {
    Matrix<float> x{{1, 2, 3, 4, 5, 6}};
    rotary.turn(position, x.data(), x.data());
    return x;
}

}  // namespace

TEST_CASE("RotaryTable: it is made once, larger if more positions are needed, and what it gave stays") {
    const RotaryTable<float> table(6);
    const Rotary<float>& small = table.of(3);
    CHECK(&table.of(2) == &small);
    CHECK(&table.of(3) == &small);
    const Rotary<float>& large = table.of(8);
    CHECK(&large != &small);
    CHECK(&table.of(3) == &large);
    const Rotary<float> expected(8, 6);
    CHECK(turned(small, 2) == turned(expected, 2));
    CHECK(turned(large, 7) == turned(expected, 7));
    const RotaryTable<float> copy(table);
    CHECK(&copy.of(3) != &large);
    CHECK(turned(copy.of(3), 2) == turned(expected, 2));
}

TEST_CASE("RotaryTable: several threads may ask at once") {
    const RotaryTable<float> table(6);
    const Rotary<float> expected(40, 6);
    std::vector<std::thread> threads;
    std::vector<int> wrong(4, 0);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
        threads.emplace_back([&, t] {
            for (Index positions = 1; positions <= 40; ++positions) {
                wrong[t] += turned(table.of(positions), positions - 1) != turned(expected, positions - 1) ? 1 : 0;
            }
        });
    }
    for (auto& thread : threads) { thread.join(); }
    CHECK(wrong == std::vector<int>(4, 0));
}

}  // namespace rotary_table_test
