#include <gacc/kernels/tile.hpp>

#include <doctest/doctest.h>

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>

#include <algorithm>
#include <cmath>

namespace tile_test {

using gacc::Index;
using gacc::detail::Runs;
using gacc::detail::Simd;
using gacc::detail::Strided;

TEST_CASE_TEMPLATE("column_of_tiles: each element is one chain of multiply-adds that starts from C0", Scalar, float,
                   double) {
    const Index depth = 19, tiles = 3, width = Simd<Scalar>::panel_width;
    gacc::Rng rng(1);
    for (Index rows = 1; rows <= Simd<Scalar>::tile_height; ++rows) {
        const Index count = rows * tiles;
        gacc::Buffer<Scalar> a(count * depth), b(depth * width), c0(count * width), c(count * width);
        for (auto* buffer : {&a, &b, &c0}) {
            std::ranges::generate(buffer->span(), [&] { return static_cast<Scalar>(rng.uniform(-1, 1)); });
        }
        gacc::detail::tiles_of_rows<2, Scalar>(rows, tiles, depth, Strided<Scalar>{a.data(), depth, 1}, b.data(),
                                               {c0.data(), width}, {c.data(), width});
        for (Index r = 0; r < count; ++r) {
            for (Index j = 0; j < width; ++j) {
                Scalar fused = c0[r * width + j];
                for (Index k = 0; k < depth; ++k) { fused = std::fma(a[r * depth + k], b[k * width + j], fused); }
#ifdef __FMA__
                REQUIRE(c[r * width + j] == fused);
#else  // two roundings a term instead of one: at most 2 * 19 halves of the last bit of numbers below 20
                REQUIRE(std::abs(c[r * width + j] - fused) <= 400 * std::numeric_limits<Scalar>::epsilon());
#endif
            }
        }
    }
}

TEST_CASE("column_of_tiles: reads its first factor along rows or along columns") {
    const Index rows = 4, depth = 3, width = Simd<float>::panel_width;
    const float along_rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};     // 4 x 3
    const float along_columns[] = {1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12};  // the same, column by column
    gacc::Buffer<float> b(depth * width), zero(width), c(rows * width), d(rows * width);
    std::ranges::fill(b.span(), 1.0F);
    gacc::detail::tiles_of_rows<2, float>(2, 2, depth, Strided<float>{along_rows, depth, 1}, b.data(), {zero.data(), 0},
                                          {c.data(), width});
    gacc::detail::tiles_of_rows<2, float>(2, 2, depth, Strided<float>{along_columns, 1, rows}, b.data(),
                                          {zero.data(), 0}, {d.data(), width});
    for (Index r = 0; r < rows; ++r) {
        CHECK(c[r * width] == static_cast<float>(9 * r + 6));
        CHECK(d[r * width] == c[r * width]);
    }
}

TEST_CASE_TEMPLATE("multiply_panel: a factor whose rows go from panel to panel is the same as one in plain rows",
                   Scalar, float, double) {
    constexpr Index width = Simd<Scalar>::panel_width, rows = 3 * Simd<Scalar>::tile_height + 1;
    gacc::Rng rng(2);
    for (const Index depth : {Index{1}, width - 1, width, width + 1, 3 * width + 2}) {
        CAPTURE(depth);
        const Index panels = (depth + width - 1) / width;
        gacc::Buffer<Scalar> plain(rows * depth), in_panels(panels * rows * width), b((depth + width) * width),
            c0(rows * width), c(rows * width), expected(rows * width);
        for (auto* buffer : {&plain, &in_panels, &b, &c0}) {  // also what nobody may read
            std::ranges::generate(buffer->span(), [&] { return static_cast<Scalar>(rng.uniform(-1, 1)); });
        }
        for (Index r = 0; r < rows; ++r) {
            for (Index k = 0; k < depth; ++k) {
                in_panels[k / width * rows * width + r * width + k % width] = plain[r * depth + k];
            }
        }
        const Strided<Scalar> a{plain.data(), depth, 1};
        const Runs<Scalar> in_runs{in_panels.data(), width, rows * width};
        for (Index k = 0; k < depth; ++k) { CHECK(*in_runs.rows(2).at(k) == *a.rows(2).at(k)); }
        const gacc::detail::PanelRows<const Scalar> start{c0.data(), width};
        gacc::detail::multiply_panel<2, Scalar>(rows, depth, a, b.data(), start, {expected.data(), width});
        gacc::detail::multiply_panel<2, Scalar>(rows, depth, in_runs, b.data(), start, {c.data(), width});
        CHECK(std::ranges::equal(c.span(), expected.span()));
    }
}

TEST_CASE_TEMPLATE("multiply_panel: one packet is the left half of two, and leaves the right half alone", Scalar, float,
                   double) {
    constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes, rows = Simd<Scalar>::tile_height + 1,
                    depth = 7;
    gacc::Rng rng(3);
    gacc::Buffer<Scalar> a(rows * depth), b(depth * width), c0(rows * width), whole(rows * width);
    for (auto* buffer : {&a, &b, &c0}) {
        std::ranges::generate(buffer->span(), [&] { return static_cast<Scalar>(rng.uniform(-1, 1)); });
    }
    gacc::Buffer<Scalar> left(c0);
    const Strided<Scalar> factor{a.data(), depth, 1};
    gacc::detail::multiply_panel<2, Scalar>(rows, depth, factor, b.data(), {c0.data(), width}, {whole.data(), width});
    gacc::detail::multiply_panel<1, Scalar>(rows, depth, factor, b.data(), {c0.data(), width}, {left.data(), width});
    for (Index r = 0; r < rows; ++r) {
        for (Index j = 0; j < width; ++j) { CHECK(left[r * width + j] == (j < lanes ? whole : c0)[r * width + j]); }
    }
}

}  // namespace tile_test
