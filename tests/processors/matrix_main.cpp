#include <gacc/core/view.hpp>

// In the other unit.
float sum_of(const gacc::Matrix<float>& matrix);
void double_of(gacc::MatrixView<float> view);

int main() {
    gacc::Matrix<float> matrix{{1, 2}, {3, 4}};
    double_of({matrix.data(), 2, 2, Eigen::OuterStride<>(2)});
    return sum_of(matrix) == 20 ? 0 : 1;
}
