#include <gacc/layers/global_average_pool.hpp>

#include "support/layer_check.hpp"
#include "support/random_windows.hpp"

#include <doctest/doctest.h>

namespace global_average_pool_test {

using namespace gacc::test;
using gacc::GlobalAveragePool;
using gacc::Matrix;
using gacc::Shape;

TEST_CASE("GlobalAveragePool: an example by hand") {
    GlobalAveragePool layer;
    const Matrix<float> x{{1, 10}, {2, 20}, {3, 30}, {6, 60}, {-1, 1}, {-1, 1}, {-1, 1}, {-1, 5}};  // two samples
    const Shape shape{2, 2, 2};
    CHECK(layer.plan(shape).y == Shape{2});
    CHECK(forward<float>(layer, x, shape) == Matrix<float>{{3, 30}, {-1, 2}});
    CHECK(backward<float>(layer, x, Matrix<float>{{4, 8}, {12, 16}}, shape) ==
          Matrix<float>{{1, 2}, {1, 2}, {1, 2}, {1, 2}, {3, 4}, {3, 4}, {3, 4}, {3, 4}});
}

TEST_CASE("GlobalAveragePool: gradients for any image, the same bytes for every cut, threads, and computed again") {
    gacc::Rng rng(1);
    for (int trial = 0; trial < 100; ++trial) {
        check_layer([]<class S>() { return GlobalAveragePool<S>(); }, random_image(rng), rng);
    }
}

TEST_CASE("GlobalAveragePool: samples that are no images are an error") {
    CHECK_THROWS_WITH_AS(
        GlobalAveragePool().plan({6, 3}),
        "gacc: GlobalAveragePool: expected samples of {height, width, channels}, got samples of shape 6 x 3",
        gacc::ShapeError);
}

}  // namespace global_average_pool_test
