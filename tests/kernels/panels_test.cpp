#include <gacc/kernels/panels.hpp>

#include <doctest/doctest.h>

#include <gacc/core/buffer.hpp>

#include <algorithm>
#include <numeric>

namespace panels_test {

using gacc::Index;
using gacc::Matrix;
using gacc::detail::Runs;
using gacc::detail::Strided;
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

TEST_CASE("Panels: transpose makes rows the columns of a panel, and zeros of rows that are not there") {
    constexpr Index width = Panels::width;
    for (const Index rows : {Index{1}, width / 2, width - 1, width}) {
        for (const Index cols : {Index{1}, width / 2, width + 3}) {
            CAPTURE(rows);
            CAPTURE(cols);
            const auto matrix = numbered(rows, cols);
            gacc::Buffer<float> panel(cols * width), other(cols * width), panels(Panels::size(cols, rows));
            std::ranges::fill(panel.span(), -1.0F);
            Panels::transpose(rows, cols, Strided<float>{matrix.data(), cols, 1}, panel.data());
            for (Index c = 0; c < cols; ++c) {
                for (Index r = 0; r < width; ++r) { CHECK(panel[c * width + r] == (r < rows ? matrix(r, c) : 0)); }
            }
            Panels::pack(matrix.transpose(), panels.data());
            Panels::transpose(rows, cols, Runs<float>{panels.data(), width, rows * width}, other.data());
            CHECK(std::ranges::equal(other.span(), panel.span()));

            if (rows > width / 2) { continue; }
            std::ranges::fill(other.span(), -1.0F);
            Panels::transpose<1>(rows, cols, Strided<float>{matrix.data(), cols, 1}, other.data());
            for (Index c = 0; c < cols; ++c) {
                for (Index r = 0; r < width; ++r) {
                    CHECK(other[c * width + r] == (r < width / 2 ? panel[c * width + r] : -1));
                }
            }
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

TEST_CASE("Panels: a size that cannot be counted is the largest one") {
    constexpr Index largest = gacc::detail::largest_size;
    CHECK(Panels::size(largest, 1) == largest);
    CHECK(Panels::size(largest / 2 + 1, 4) == largest);
    CHECK(Panels::size(5, largest / 2 + 1) == largest);  // of numbers, with the zeros
}

}  // namespace panels_test
