// The perceptron's training step in gacc: peer_gacc THREADS

#include <gacc/gacc.hpp>

#include "peer.hpp"
#include "perceptron.hpp"

int main(int, char** argv) {
    gacc::set_threads(std::atoi(argv[1]));
    gacc::Rng rng(1);
    gacc::Sequential model(gacc::Linear(widths[0], widths[1]), gacc::ReLU(), gacc::Linear(widths[1], widths[2]),
                           gacc::ReLU(), gacc::Linear(widths[2], widths[3]), gacc::ReLU(),
                           gacc::Linear(widths[3], widths[4]));
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());

    gacc::Tensor<float> inputs({2048, widths[0]});
    std::generate_n(inputs.data(), inputs.size(), [&] { return static_cast<float>(rng.uniform(-1, 1)); });
    std::vector<gacc::Label> labels(2048);
    std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(10)); });

    return serve([&](long batch, long micro_batch) {
        for (long first = 0; first < batch; first += micro_batch) {
            const auto count = static_cast<std::size_t>(micro_batch);
            loss.forward(model.forward(std::as_const(inputs).rows(first, micro_batch)),
                         std::span(labels).subspan(static_cast<std::size_t>(first), count));
            model.backward(loss.backward());
        }
        adam.step();
        adam.zero_grad();
    });
}
