// The training step of a network in gacc: peer_networks NETWORK THREADS
// peer_networks NETWORK --floor BATCH prints the operations of the products of a batch, and the seconds that one core
// takes to write and read its activations once, to compute one exponential a score of attention, and to move the numbers
// of Adam.

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

/// Seconds of so many exponentials in the first cache, the best of several.
double exponential_seconds(double numbers) {
    using Packet = gacc::detail::Simd<float>::Packet;
    constexpr gacc::Index lanes = gacc::detail::Simd<float>::lanes, some = 4096;
    gacc::Buffer<float> values(some);
    double best = 1e9;
    for (int run = 0; run < 200; ++run) {
        for (gacc::Index i = 0; i < some; ++i) { values[i] = -static_cast<float>(i) / some; }
        const double start = peer_seconds();
        for (gacc::Index i = 0; i < some; i += 2 * lanes) {
            const Packet a = gacc::detail::exponential(gacc::detail::load_packet(&values[i]));
            const Packet b = gacc::detail::exponential(gacc::detail::load_packet(&values[i + lanes]));
            gacc::detail::store_packet(&values[i], a);
            gacc::detail::store_packet(&values[i + lanes], b);
        }
        best = std::min(best, peer_seconds() - start);
    }
    return best * numbers / some;
}

/// The optimizer of the network's field: both move the same numbers.
std::unique_ptr<gacc::Optimizer<float>> optimizer(const Network& net, const gacc::Parameters<float>& parameters) {
    if (net.tokens == 0) { return std::make_unique<gacc::Adam<float>>(parameters); }
    auto adamw = std::make_unique<gacc::AdamW<float>>(parameters, gacc::AdamWOptions{.beta2 = 0.99, .weight_decay = 0.1});
    adamw->group(gacc::vectors, {.weight_decay = 0});
    return adamw;
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
                    pass_seconds(numbers * batch) + exponential_seconds(net.scores * static_cast<double>(batch)) +
                        adam_traffic_seconds(parameters));
        return 0;
    }
    gacc::set_threads(std::atoi(argv[2]));
    gacc::Rng rng(1);
    net.model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    const auto adam = optimizer(net, net.model.parameters());

    const gacc::Index most = net.tokens > 0 ? 48 : 128, labels_each = net.tokens > 0 ? net.tokens : 1;
    const std::uint64_t classes = net.tokens > 0 ? gpt_characters : 10;
    gacc::Tensor<float> inputs({most, gacc::elements(net.input)});
    std::generate_n(inputs.data(), inputs.size(), [&] {
        return net.tokens > 0 ? static_cast<float>(rng.below(classes)) : static_cast<float>(rng.uniform(-1, 1));
    });
    std::vector<gacc::Label> labels(static_cast<std::size_t>(most * labels_each));
    std::ranges::generate(labels, [&] { return static_cast<gacc::Label>(rng.below(classes)); });

    return serve([&](long batch, long micro_batch) {
        for (long first = 0; first < batch; first += micro_batch) {
            loss.forward(net.model.forward(std::as_const(inputs).rows(first, micro_batch)),
                         std::span(labels).subspan(static_cast<std::size_t>(first * labels_each),
                                                   static_cast<std::size_t>(micro_batch * labels_each)));
            net.model.backward(loss.backward());
        }
        adam->step();
        adam->zero_grad();
    });
}
