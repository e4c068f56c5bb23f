#include <gacc/gacc.hpp>

// One step of a user's model; 0 if its loss fell.
int main() {
    gacc::Rng rng(1);
    gacc::Sequential model(gacc::Linear(2, 8), gacc::ReLU(), gacc::Linear(8, 2));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = 1e-2F});

    gacc::Matrix<float> inputs(2, 2);
    inputs << 1, 0, 0, 1;
    const std::vector<gacc::Label> labels = {0, 1};
    const double before = loss.forward(model.forward(inputs), labels).mean();
    model.backward(loss.backward());
    adam.step();
    return loss.forward(model.forward(inputs), labels).mean() < before ? 0 : 1;
}
