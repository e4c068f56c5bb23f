// Trains on the ranks that mpirun has started, or fails in the way that it is told: ranks [NAME=VALUE...]. See
// ranks_test.sh.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/io/safetensors.hpp>
#include <gacc/mpi/data_parallel.hpp>

#include <cstdio>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <span>
#include <stdexcept>
#include <string>

#include <unistd.h>

#include "toy_digits.hpp"

namespace {

using gacc::Index;

struct Arguments {
    std::map<std::string, std::string> given;

    std::string text(const std::string& name) const { return given.contains(name) ? given.at(name) : ""; }
    Index number(const std::string& name, Index otherwise) const {
        return given.contains(name) ? static_cast<Index>(std::stol(given.at(name))) : otherwise;
    }
};

/// AdamW, which keeps a slice or, as other optimizers, does not.
class MaybeSliced final : public gacc::detail::AdamFamily<float, gacc::AdamWOptions, true> {
public:
    MaybeSliced(bool whole, const gacc::Parameters<float>& parameters, const gacc::AdamWOptions& options)
        : AdamFamily("AdamW", parameters, options), whole_(whole) {}

    bool keep_slice(Index first, Index count) override { return !whole_ && AdamFamily::keep_slice(first, count); }

private:
    bool whole_;
};

constexpr std::size_t panel = gacc::detail::Simd<float>::panel_width;  // slices begin at multiples of it

/// Exchanges are as many as batches, and bytes as few as they can be.
void check_traffic(const gacc::mpi::Session& session, const gacc::mpi::Traffic& traffic, Index lanes, Index steps,
                   double bytes) {
    const auto ranks = static_cast<double>(session.ranks());
    const gacc::mpi::detail::LaneJoins joins(lanes, session.ranks());
    const auto own = static_cast<double>(joins.sums(session.rank()));
    const auto others = static_cast<double>(joins.sums()) - own;
    const double share = (ranks - 1) / ranks;
    // The gradients of shared values, 33 rows of 33 numbers in panels, are in the slice that has these values.
    constexpr std::size_t shared = 33 * ((33 + panel - 1) / panel) * panel;
    const double unit = (panel * ranks + shared) * sizeof(float) * (own + others + 1);
    const double exchanges = ranks > 1 ? static_cast<double>(steps) : 0;
    const auto expect = [&](const char* what, double got, double most) {
        if (got > most || got < 0.9 * most - exchanges * 2 * unit) {
            throw std::runtime_error("expected " + std::string(what) + " " + std::to_string(most) + ", got " +
                                     std::to_string(got));
        }
    };
    expect("exchanges", static_cast<double>(traffic.exchanges), exchanges);
    expect("bytes sent", static_cast<double>(traffic.sent), exchanges * ((own + 1) * share * bytes + unit));
    expect("bytes received", static_cast<double>(traffic.received),
           exchanges * ((others / ranks + share) * bytes + unit));
}

void train(gacc::mpi::Session& session, const Arguments& arguments) {
    const std::string fault = arguments.text("fault");
    const bool here = session.rank() == arguments.number("rank", 1);
    const auto has = [&](const char* name) { return here && fault == name; };

    gacc::set_threads(static_cast<int>(arguments.number("threads", 1)));
    gacc::Rng rng(has("seed") ? 2 : 1);
    const auto digits = toy_digits(601, rng);
    gacc::Sequential model(gacc::Linear(784, 33), gacc::ReLU(), gacc::LayerNorm(33), gacc::Linear(33, 33),
                           gacc::Dropout(0.25), gacc::GELU(), gacc::Linear(33, 33, {.shares = "3.weight"}),
                           gacc::Linear(33, has("model") ? 11 : 10));
    model.initialize(rng);
    if (arguments.text("frozen") == "yes") {
        model.freeze([](const auto& parameter) { return parameter.name() == "0.weight"; });
    }
    gacc::SoftmaxCrossEntropy loss;
    const bool clips = arguments.text("clip") == "yes";
    const bool whole = arguments.text("whole") == "yes";
    MaybeSliced adam(whole, model.parameters(),
                     {.learning_rate = has("rate") ? 2e-3 : 1e-3,
                      .clip_norm = clips ? 0.5 : std::numeric_limits<double>::infinity()});
    adam.group(gacc::vectors, {.weight_decay = 0});
    const auto of_norm = clips ? adam.norm()->bytes() : 0, moments = adam.state_bytes() - of_norm;
    gacc::DataPosition position;
    gacc::Checkpoint checkpoint(adam, rng, position);
    const std::filesystem::path save = arguments.text("save");
    if (!save.empty() && std::filesystem::exists(save)) { checkpoint.load(save); }

    const Index lanes = has("lanes") ? 7 : arguments.number("lanes", 8);
    gacc::mpi::DataParallel group(session, model, adam, {.lanes = lanes});
    const auto slice = moments / static_cast<std::size_t>(session.ranks()) + 2 * panel * sizeof(float);
    if (session.ranks() > 1 && !whole && adam.state_bytes() - of_norm > slice) {
        throw std::runtime_error("expected a slice of the moments, got " + std::to_string(adam.state_bytes()) + " bytes");
    }
    group.expect_same("training data", gacc::fingerprint(digits) + (has("fingerprint") ? 1 : 0));
    const auto plan = gacc::plan({.batch_size = 100, .micro_batch = arguments.number("micro", 16)}, model, loss, adam,
                                 digits, group);
    const auto planned = gacc::memory::live()[gacc::memory::Kind::gradients];
    if (planned != plan.bytes[gacc::memory::Kind::gradients]) { throw std::runtime_error("other bytes than planned"); }

    const bool measures = !arguments.text("noise").empty();
    gacc::NoiseScale<float> noise(adam.parameters(), {.one_in = has("one_in") ? 4 : 8});
    gacc::GradientNorm<float> norm(model.parameters());
    gacc::State measured;  // after each step
    const auto measure = [&] {
        if (!measures) { return; }
        const bool estimated = group.end_batch(noise);
        const gacc::State state = noise.state();
        measured.insert(measured.end(), state.begin(), state.end());
        measured.push_back(estimated ? 1 : 0);
        measured.push_back(gacc::detail::word(group.norm(norm)));
    };
    if (has("measure")) { group.norm(norm); }

    Index steps = 0;
    const bool overlaps = arguments.text("overlap") == "yes";
    const Index stop = arguments.number("stop", 1'000'000);
    for (; position.epoch < arguments.number("epochs", 2); position.end_epoch()) {
        for (const auto& batch : gacc::shuffled_batches(digits, {.batch_size = 100}, rng, position)) {
            if (steps == stop) { break; }
            if (steps == 3 && has("throw")) { throw std::runtime_error("thrown in the middle"); }
            if (steps == 3 && has("exit")) { std::exit(5); }
            if (steps == 3 && has("early")) { return; }
            if (steps == 3 && has("order")) { rng.uniform(); }
            const auto of_rank = steps == 3 && has("batch") ? batch.from(1) : batch;
            Index count = 0;
            for (const auto& micro : group.share(of_rank).micro_batches(plan)) {
                if (steps == 3 && has("break") && count++ == 1) { break; }
                if (steps == 3 && has("wait")) { sleep(60); }
                if (steps == 3 && has("twice")) {
                    loss.forward(model.forward(micro.inputs), micro.labels);
                    model.backward(loss.backward(), group.ready());
                }
                loss.forward(model.forward(micro.inputs), micro.labels);
                if (measures) {
                    noise.backward(model, loss.backward());
                } else {
                    model.backward(loss.backward(), overlaps ? group.ready() : gacc::GradientReady<float>());
                }
            }
            if (steps == 3 && has("skip")) { model.parameters().zero_grad(); }
            if (steps != 3 || !has("skip")) { group.step(measure); }
            ++steps;
            position.end_batch();
            if (!save.empty()) { group.save(checkpoint, save); }
            if (steps == 3 && has("save")) { checkpoint.save("never"); }
        }
        if (steps == stop) { break; }
    }
    if (session.rank() == 0 && !arguments.text("file").empty()) {
        gacc::save_safetensors(arguments.text("file"), model.parameters());
    }
    if (measures) {
        gacc::Crc64 sum;
        const auto bytes = std::as_bytes(std::span(measured));
        sum.add({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
        group.expect_same("what was measured", sum.value());
        if (session.rank() == 0) {
            std::ofstream(arguments.text("noise"), std::ios::binary)
                .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
            std::printf("noise scale %g after %d estimates\n", noise.value().value_or(0),
                        static_cast<int>(noise.estimates()));
        }
        return;  // measuring sends more
    }
    const auto bytes = static_cast<double>(model.parameters().stored_gradients()) * sizeof(float);
    check_traffic(session, group.traffic(), lanes, steps, bytes);
    const double sum = group.sum(static_cast<double>(session.rank() + 1));
    if (sum != static_cast<double>(session.ranks() * (session.ranks() + 1) / 2)) {
        throw std::runtime_error("expected the sum of all ranks, got " + std::to_string(sum));
    }
}

}  // namespace

int main(int argc, char** argv) {
    gacc::mpi::Session session(argc, argv);
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        arguments.given[argument.substr(0, argument.find('='))] = argument.substr(argument.find('=') + 1);
    }
    if (arguments.text("pids") == "yes") {
        std::fprintf(stderr, "rank %d is %d\n", static_cast<int>(session.rank()), static_cast<int>(getpid()));
    }
    if (arguments.text("caught") != "yes") {
        train(session, arguments);
        return 0;
    }
    try {
        train(session, arguments);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "caught on rank %d: %s\n", static_cast<int>(session.rank()), error.what());
        return 3;
    }
    return 0;
}
