#include <gacc/layers/normalization.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace normalization_test {

using Normalization = gacc::detail::Normalization<double>;
using Numbers = std::vector<double>;

// Of three numbers with mean 2 and deviation 1/4: xhat is -4, 0, 4.
const Numbers x{1, 2, 3}, gain{1, 2, 3}, shift{10, 20, 30}, grad_y{5, 7, 11};
const Normalization norm(2, 4);

TEST_CASE("Normalization: sums by hand") {
    CHECK(Normalization::sum(3, x.data()) == 6);
    CHECK(Normalization::sum_of_squares(3, x.data(), 5) == 16 + 9 + 4);
    CHECK(Normalization::sum_of_g(3, grad_y.data(), gain.data()) == 5 + 14 + 33);
    CHECK(norm.sum_of_g_xhat(3, x.data(), grad_y.data(), gain.data()) == -4 * 5 + 4 * 33);
}

TEST_CASE("Normalization: y by hand, with a shift and without") {
    Numbers y(3);
    norm.write_y(3, y.data(), x.data(), gain.data(), shift.data());
    CHECK(y == Numbers{10 - 4, 20, 30 + 12});
    norm.write_y(3, y.data(), x.data(), gain.data(), nullptr);
    CHECK(y == Numbers{-4, 0, 12});
}

TEST_CASE("Normalization: grad_x by hand, over x") {
    Numbers grad_x = x;
    norm.write_grad_x(3, grad_x.data(), grad_x.data(), grad_y.data(), gain.data(), 100, 10);
    // g is 5, 14, 33
    CHECK(grad_x == Numbers{4 * (5 - 100 + 4 * 10), 4 * (14 - 100), 4 * (33 - 100 - 4 * 10)});
}

TEST_CASE("Normalization: gradients of gain and shift are added") {
    Numbers grad_gain{1, 1, 1}, grad_shift{2, 2, 2};
    norm.add_grad_gain(3, grad_gain.data(), x.data(), grad_y.data());
    norm.add_grad_shift(3, grad_shift.data(), grad_y.data());
    CHECK(grad_gain == Numbers{1 - 20, 1, 1 + 44});
    CHECK(grad_shift == Numbers{7, 9, 13});
}

TEST_CASE("Normalization: only `count` numbers are written, however few a register holds") {
    Numbers y(20, -1);
    const Numbers many(20, 3), ones(20, 1);
    for (gacc::Index count = 1; count < 20; ++count) {
        norm.write_y(count, y.data(), many.data(), ones.data(), nullptr);
        CHECK(y[static_cast<std::size_t>(count) - 1] == 4);
        CHECK(y[static_cast<std::size_t>(count)] == -1);
    }
}

}  // namespace normalization_test
