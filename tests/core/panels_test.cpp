#include <gacc/core/panels.hpp>

#include <doctest/doctest.h>

#include <gacc/core/buffer.hpp>

#include <algorithm>
#include <numeric>

using gacc::Index;
using gacc::Matrix;
using Panels = gacc::detail::Panels<float>;

namespace {

Matrix<float> numbered(Index rows, Index cols) {
    Matrix<float> matrix(rows, cols);
    std::iota(matrix.data(), matrix.data() + matrix.size(), 1.0F);
    return matrix;
}

}  // namespace

TEST_CASE("Panels: pack and unpack give the matrix back, and what is not of it is zero") {
    for (const Index rows : {1, 7, 16, 17, 40}) {
        for (const Index cols : {1, 3, 16}) {
            const auto matrix = numbered(rows, cols);
            gacc::Buffer<float> panels(Panels::size(rows, cols));
            Panels::pack(matrix, panels.data());
            CHECK(Panels::unpack(panels.data(), rows, cols) == matrix);
            CHECK(std::ranges::count(panels.span(), 0.0F) == Panels::size(rows, cols) - rows * cols);
        }
    }
}

TEST_CASE("Panels: the rows of a panel lie side by side, column after column") {
    const auto matrix = numbered(Panels::width + 1, 2);
    gacc::Buffer<float> panels(Panels::size(Panels::width + 1, 2));
    Panels::pack(matrix, panels.data());
    CHECK(panels[0] == matrix(0, 0));
    CHECK(panels[1] == matrix(1, 0));
    CHECK(panels[Panels::width] == matrix(0, 1));
    CHECK(panels[2 * Panels::width] == matrix(Panels::width, 0));
}

TEST_CASE("Panels: transpose gives the panels of the transposed matrix") {
    for (const Index rows : {1, 10, 33}) {
        for (const Index cols : {1, 16, 50}) {
            const auto matrix = numbered(rows, cols);
            gacc::Buffer<float> panels(Panels::size(rows, cols)), transposed(Panels::size(cols, rows));
            Panels::pack(matrix, panels.data());
            Panels::transpose(panels.data(), rows, cols, transposed.data());
            CHECK(Panels::unpack(transposed.data(), cols, rows) == matrix.transpose());
            CHECK(std::ranges::count(transposed.span(), 0.0F) == Panels::size(cols, rows) - rows * cols);
        }
    }
}

TEST_CASE("Panels: there are no more of them than the rows need") {
    constexpr Index width = Panels::width;
    CHECK(Panels::count(1) == 1);
    CHECK(Panels::count(width) == 1);
    CHECK(Panels::count(width + 1) == 2);
    CHECK(Panels::size(2 * width, 3) == 2 * width * 3);
}
