// The training step of a convolutional network in gacc: peer_networks NETWORK THREADS
// peer_networks NETWORK --floor prints the operations of a sample's products and the bytes of values that a sample keeps
// from forward to backward, and the number of parameters.

#include <gacc/gacc.hpp>

#include "networks.hpp"
#include "peer.hpp"

int main(int, char** argv) {
    Network net = network(argv[1]);
    if (argv[2] == std::string("--floor")) {
        gacc::Index numbers = 0, parameters = 0;
        for (const auto& activation : net.model.activations()) {
            numbers += gacc::detail::value_numbers<float>(activation);
        }
        for (const auto& parameter : net.model.parameters()) { parameters += parameter.size(); }
        std::printf("%.0f %ld %ld\n", net.flops, static_cast<long>(numbers * 4), static_cast<long>(parameters));
        return 0;
    }
    gacc::set_threads(std::atoi(argv[2]));
    gacc::Rng rng(1);
    net.model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(net.model.parameters());

    constexpr gacc::Index most = 128;
    gacc::Tensor<float> inputs({most, gacc::elements(net.input)});
    std::generate_n(inputs.data(), inputs.size(), [&] { return static_cast<float>(rng.uniform(-1, 1)); });
    std::vector<gacc::Label> labels(most);
    std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(10)); });

    return serve([&](long batch, long micro_batch) {
        for (long first = 0; first < batch; first += micro_batch) {
            const auto count = static_cast<std::size_t>(micro_batch);
            loss.forward(net.model.forward(std::as_const(inputs).rows(first, micro_batch)),
                         std::span(labels).subspan(static_cast<std::size_t>(first), count));
            net.model.backward(loss.backward());
        }
        adam.step();
        adam.zero_grad();
    });
}
