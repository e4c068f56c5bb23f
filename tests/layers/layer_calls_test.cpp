#include <gacc/layers/layer.hpp>
#include <gacc/layers/layer_calls.hpp>

#include <doctest/doctest.h>

namespace layer_calls_test {

using gacc::Backward;
using gacc::ConstMatrixView;
using gacc::Matrix;
using gacc::MatrixView;
using gacc::Where;

TEST_CASE("Where: a part's place is counted from that of the whole") {
    const Where whole{.seed = 1, .step = 2, .layer = 3, .first_row = 4, .first_column = 5, .training = true};
    const Where part = whole.at(10, 20);
    CHECK(part.seed == 1);
    CHECK(part.step == 2);
    CHECK(part.layer == 3);
    CHECK(part.first_row == 14);
    CHECK(part.first_column == 25);
    CHECK(part.training);
}

TEST_CASE("Backward: a tile is written to its place, or added to what is there") {
    const Matrix<float> tile{{1, 2}, {3, 4}};
    const ConstMatrixView<float> none(nullptr, 0, 0);
    for (const bool adds : {false, true}) {
        Matrix<float> grad_x = Matrix<float>::Constant(3, 4, 10);
        Backward<float> call{none, none, 3, none, none,
                             MatrixView<float>(grad_x.data(), 3, 4, Eigen::OuterStride<>(4)), {}};
        call.adds = adds;
        call.put(1, 2, tile);
        const float there = adds ? 10 : 0;
        CHECK(grad_x ==
              Matrix<float>{{10, 10, 10, 10}, {10, 10, there + 1, there + 2}, {10, 10, there + 3, there + 4}});
    }
}

}  // namespace layer_calls_test
