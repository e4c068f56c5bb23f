#include <gacc/layers/upsample.hpp>

#include "support/layer_check.hpp"
#include "support/random_windows.hpp"

#include <doctest/doctest.h>

namespace upsample_test {

using namespace gacc::test;
using gacc::Matrix;
using gacc::Shape;
using gacc::ShapeError;
using gacc::Size2d;
using gacc::Upsample;

TEST_CASE("Upsample: an example by hand") {
    Upsample layer({2, 3});
    const Matrix<float> x{{1, 10}, {2, 20}};
    const Shape shape{1, 2, 2};
    CHECK(layer.plan(shape).y == Shape{2, 6, 2});
    CHECK(forward<float>(layer, x, shape) == Matrix<float>{{1, 10},
                                                           {1, 10},
                                                           {1, 10},
                                                           {2, 20},
                                                           {2, 20},
                                                           {2, 20},
                                                           {1, 10},
                                                           {1, 10},
                                                           {1, 10},
                                                           {2, 20},
                                                           {2, 20},
                                                           {2, 20}});
    const Matrix<float> grad_y{{1, 0}, {2, 0}, {3, 0}, {4, 1}, {5, 1}, {6, 1},
                               {7, 0}, {8, 0}, {9, 1}, {1, 1}, {1, 1}, {1, 1}};
    CHECK(backward<float>(layer, x, grad_y, shape) == Matrix<float>{{30, 1}, {18, 6}});
}

TEST_CASE("Upsample: gradients for any image, the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        const Size2d scale(up_to(rng, 3), up_to(rng, 3));
        check_layer([&]<class S>() { return Upsample<S>(scale); }, random_image(rng), rng);
    }
}

TEST_CASE("Upsample: a scale out of its range, and samples that are no images, are errors") {
    CHECK_THROWS_WITH_AS(Upsample(0), "gacc: Upsample: expected a scale from 1 to 4096, got 0", ShapeError);
    CHECK_THROWS_WITH_AS(Upsample({2, 4097}), "gacc: Upsample: expected a scale from 1 to 4096, got 2 x 4097",
                         ShapeError);
    CHECK_THROWS_WITH_AS(
        Upsample({2, 1}).plan({6, 3}),
        "gacc: Upsample(2 x 1): expected samples of {height, width, channels}, got samples of shape 6 x 3", ShapeError);
    CHECK(Upsample(2).plan({gacc::detail::largest_size, 1, 1}).y[0] == gacc::detail::largest_size);
}

}  // namespace upsample_test
