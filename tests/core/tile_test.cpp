#include <gacc/core/tile.hpp>

#include <doctest/doctest.h>

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>

#include <algorithm>
#include <cmath>

using gacc::Index;
using gacc::detail::Simd;

TEST_CASE_TEMPLATE("column_of_tiles: each element is one chain of multiply-adds that starts from C0", Scalar, float,
                   double) {
    const Index depth = 19, tiles = 3, width = Simd<Scalar>::width;
    gacc::Rng rng(1);
    for (Index rows = 1; rows <= Simd<Scalar>::height; ++rows) {
        const Index count = rows * tiles;
        gacc::Buffer<Scalar> a(count * depth), b(depth * width), c0(count * width), c(count * width);
        for (auto* buffer : {&a, &b, &c0}) {
            std::ranges::generate(buffer->span(), [&] { return static_cast<Scalar>(rng.uniform(-1, 1)); });
        }
        gacc::detail::column_of_tiles<Scalar>(rows, tiles, depth, {a.data(), depth, 1}, b.data(), {c0.data(), width},
                                              {c.data(), width});
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
    const Index rows = 4, depth = 3, width = Simd<float>::width;
    const float along_rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};     // 4 x 3
    const float along_columns[] = {1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12};  // the same, column by column
    gacc::Buffer<float> b(depth * width), zero(width), c(rows * width), d(rows * width);
    std::ranges::fill(b.span(), 1.0F);
    gacc::detail::column_of_tiles<float>(2, 2, depth, {along_rows, depth, 1}, b.data(), {zero.data(), 0},
                                         {c.data(), width});
    gacc::detail::column_of_tiles<float>(2, 2, depth, {along_columns, 1, rows}, b.data(), {zero.data(), 0},
                                         {d.data(), width});
    for (Index r = 0; r < rows; ++r) {
        CHECK(c[r * width] == static_cast<float>(9 * r + 6));
        CHECK(d[r * width] == c[r * width]);
    }
}
