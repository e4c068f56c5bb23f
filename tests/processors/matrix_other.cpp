#include <gacc/core/view.hpp>

float sum_of(const gacc::Matrix<float>& matrix) { return matrix.sum(); }
void double_of(gacc::MatrixView<float> view) { view *= 2; }
