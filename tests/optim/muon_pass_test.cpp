#include <gacc/optim/muon_pass.hpp>

#include <gacc/core/buffer.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

namespace muon_pass_test {

using gacc::Buffer;
using gacc::Index;
using gacc::Matrix;
using Panels = gacc::detail::Panels<double>;

TEST_CASE("MuonPass: momentum goes to transposed rows, and directions come back, for matrices of many sizes") {
    gacc::Rng rng(1);
    for (const Index rows : {1, 7, 8, 9, 33}) {
        for (const Index cols : {1, 7, 8, 9, 40}) {
            const Index stride = Panels::count(rows) * Panels::width, size = Panels::size(rows, cols);
            Buffer<double> m(size), grad(size), value(size), transposed(cols * stride);
            const Matrix<double> before = gacc::test::random_matrix<double>(rng, rows, cols),
                                 given = gacc::test::random_matrix<double>(rng, rows, cols);
            Panels::pack(before, m.data());
            Panels::pack(before, value.data());
            Panels::pack(given, grad.data());
            const gacc::detail::MuonPass<double> pass(
                {.scale = 0.5, .momentum = 0.75, .rest = 0.25, .step_size = 0.125, .decay = 0.5}, rows, cols, stride);
            const auto of_rows = [&] {
                const Eigen::Map<const Matrix<double>> all(transposed.data(), cols, stride);
                CHECK((all.rightCols(stride - rows).array() == 0).all());
                return Matrix<double>(all.leftCols(rows).transpose());
            };
            const auto same = [](const Matrix<double>& a, const Matrix<double>& b) {
                return (a - b).cwiseAbs().maxCoeff() < 1e-15;
            };
            pass.update_momentum(m.data(), grad.data(), transposed.data(), false);
            const Matrix<double> next = 0.75 * before + 0.125 * given;
            CHECK(same(Panels::unpack(m.data(), rows, cols), next));
            CHECK(same(of_rows(), next));
            pass.update_values(value.data(), transposed.data());
            CHECK(same(Panels::unpack(value.data(), rows, cols), 0.5 * before - 0.125 * next));
            pass.update_momentum(m.data(), grad.data(), transposed.data(), true);
            const Matrix<double> last = 0.75 * next + 0.125 * given;
            CHECK(same(Panels::unpack(m.data(), rows, cols), last));
            CHECK(same(of_rows(), 0.75 * last + 0.125 * given));
        }
    }
}

}  // namespace muon_pass_test
