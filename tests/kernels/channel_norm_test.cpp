#include <gacc/kernels/channel_norm.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

namespace channel_norm_test {

using gacc::Index;
using gacc::Matrix;
using gacc::MatrixView;
using Norm = gacc::detail::ChannelNorm<double>;
using Numbers = std::vector<double>;

namespace {

/// Two rows of two channels. With these means and scales, xhat is -4, 4 in channel 0 and 0, 6 in channel 1.
const Matrix<double> x{{1, 10}, {3, 12}}, grad_y{{5, 7}, {11, 13}};
const Numbers means{2, 10}, scales{4, 3}, gain{1, 2};
const Norm norm(2, means.data(), scales.data());

MatrixView<double> view(Matrix<double>& of) { return {of.data(), of.rows(), of.cols(), Eigen::OuterStride<>(of.cols())}; }

}  // namespace

TEST_CASE("ChannelNorm: sums by hand") {
    Numbers sums(2);
    Norm::sums(x, sums.data());
    CHECK(sums == Numbers{4, 22});
    Norm::sums_of_squares(x, means.data(), sums.data());
    CHECK(sums == Numbers{2, 4});
    Numbers along(2);
    norm.sums_of_gradients(x, grad_y, sums.data(), along.data());
    CHECK(sums == Numbers{16, 20});
    CHECK(along == Numbers{4 * (11 - 5), 6 * 13});
}

TEST_CASE("ChannelNorm: y by hand") {
    const Numbers shift{100, 200};
    Matrix<double> y(2, 2);
    norm.write_y(x, gain.data(), shift.data(), view(y));
    CHECK(y == Matrix<double>{{96, 200}, {104, 212}});
}

TEST_CASE("ChannelNorm: grad_x by hand, over x") {
    const Numbers down{-1, -2}, along{10, 20};
    Matrix<double> grad_x = x;
    norm.write_grad_x(grad_x, grad_y, gain.data(), down.data(), along.data(), view(grad_x));
    CHECK(grad_x == Matrix<double>{{4 * (5 - 1 - 40), 3 * (14 - 2)}, {4 * (11 - 1 + 40), 3 * (26 - 2 + 120)}});
}

TEST_CASE("ChannelNorm: any number of channels and rows") {
    for (Index channels = 1; channels < 20; ++channels) {
        for (Index rows = 1; rows < 11; ++rows) {
            const Matrix<double> ones = Matrix<double>::Ones(rows, channels);
            Numbers sums(static_cast<std::size_t>(channels) + 1, -1);
            Norm::sums(ones, sums.data());
            CHECK(sums[static_cast<std::size_t>(channels) - 1] == static_cast<double>(rows));
            CHECK(sums.back() == -1);
        }
    }
}

}  // namespace channel_norm_test
