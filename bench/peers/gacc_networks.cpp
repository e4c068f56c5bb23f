// The training step of a convolutional network in gacc: peer_networks NETWORK THREADS
// peer_networks NETWORK --floor BATCH prints the operations of the products of a batch, and the seconds that one core
// takes to write and read its activations once and to move Adam's numbers.

#include <gacc/gacc.hpp>

#include "../peak.hpp"
#include "networks.hpp"
#include "peer.hpp"

namespace {

/// Seconds to write so many numbers and to read them again, the best of several.
double pass_seconds(gacc::Index numbers) {
    using namespace Eigen::internal;
    using Packet = gacc::detail::Simd<float>::Packet;
    constexpr gacc::Index lanes = gacc::detail::Simd<float>::lanes;
    gacc::Buffer<float> values(numbers + 4 * lanes);
    double best = 1e9;
    for (int run = 0; run < 8; ++run) {
        const double start = peer_seconds();
        Packet sum = pset1<Packet>(static_cast<float>(run));
        for (gacc::Index i = 0; i < numbers; i += lanes) { pstore(&values[i], sum); }
        for (gacc::Index i = 0; i < numbers; i += lanes) { sum = padd(sum, pload<Packet>(&values[i])); }
        values[0] = pfirst(sum);
        best = std::min(best, peer_seconds() - start);
    }
    return best;
}

}  // namespace

int main(int, char** argv) {
    Network net = network(argv[1]);
    if (argv[2] == std::string("--floor")) {
        gacc::Index numbers = 0, parameters = 0;
        for (const auto& activation : net.model.activations()) {
            numbers += gacc::detail::value_numbers<float>(activation);
        }
        for (const auto& parameter : net.model.parameters()) { parameters += parameter.size(); }
        const long batch = std::atol(argv[3]);
        std::printf("%.0f %.9f\n", net.flops * static_cast<double>(batch),
                    pass_seconds(numbers * batch) + adam_traffic_seconds(parameters));
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
