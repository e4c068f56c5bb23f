// Two checks of a model and a loss: does a cut change bits, and are the gradients right?
#include <gacc/gacc.hpp>

#include <iostream>

int main() {
    gacc::Rng rng(42);
    gacc::Sequential<double> model(gacc::Linear<double>(8, 16), gacc::Tanh<double>(), gacc::Linear<double>(16, 3));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy<double> loss;

    gacc::Matrix<double> inputs(20, 8);  // samples x features
    for (auto& input : inputs.reshaped()) { input = rng.normal(); }
    std::vector<gacc::Label> labels;
    for (int i = 0; i < 20; ++i) { labels.push_back(i % 3); }

    const auto audit = gacc::audit(model, loss, inputs, labels, 7);
    std::cout << audit.description() << '\n';

    const auto check = gacc::check_gradients(model, loss, inputs, labels);
    std::cout << check.description();
    return audit.same() && check.agree() ? 0 : 1;
}
