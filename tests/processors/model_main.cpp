#include <gacc/fwd.hpp>
#include <gacc/model/sequential.hpp>
#include <gacc/layers/linear.hpp>

// In the other unit.
std::size_t layers_of(const gacc::Sequential<float>& model);

int main() {
    const gacc::Sequential model(gacc::Linear(2, 3), gacc::Linear(3, 1));
    return layers_of(model) == 2 ? 0 : 1;
}
