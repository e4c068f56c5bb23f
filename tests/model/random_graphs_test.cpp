#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include "support/long_tests.hpp"
#include "support/gradient_check.hpp"
#include "support/random_models.hpp"
#include "support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace random_graphs_test {

using namespace gacc::test;
using gacc::Index;
using gacc::Sequential;
using gacc::memory::Kind;

namespace {

/// A model, its optimizer, and where its training is: an epoch is one batch of all samples.
template <class S>
struct Run {
    Run(Sequential<S> of, std::uint64_t seed)
        : model(std::move(of)), optimizer(random_optimizer<S>(seed, model.parameters())) {}

    Sequential<S> model;
    std::unique_ptr<gacc::Optimizer<S>> optimizer;
    gacc::DataPosition position;
    double sum = 0;  // of the losses of this batch
};

/// Is called after every micro-batch, and may put another run in the place of this one.
template <class S>
using Interruption = std::function<void(std::unique_ptr<Run<S>>&)>;

/// Three batches of all samples, cut; losses and values as bytes.
template <class S>
std::vector<std::byte> trained(std::uint64_t seed, const Sequential<S>& model, const RandomTraining<S>& training,
                               Index micro_batch, const gacc::PlanOptions* options = nullptr, const Interruption<S>& interrupt = {}) {
    return with_loss(training, [&](auto loss, const auto& forward) {
        auto run = std::make_unique<Run<S>>(model, seed);
        const Index samples = training.inputs.rows();
        run->position.enter(samples, samples);
        std::vector<std::byte> bytes;
        const auto before = gacc::memory::live();
        gacc::memory::forget_peak();
        gacc::Plan plan;
        if (options != nullptr) { plan = gacc::plan(*options, run->model, loss, *run->optimizer); }
        for (; run->position.epoch < 3; run->position.end_epoch()) {
            while (run->position.sample < samples) {
                const Index first = run->position.sample, count = std::min(micro_batch, samples - first);
                const auto value = forward(loss, run->model, first, count);
                for (const S number : value.losses) { run->sum += static_cast<double>(number); }
                run->model.backward(loss.backward());
                run->position.end_micro_batch(count);
                if (interrupt) { interrupt(run); }
            }
            append_bytes(bytes, &run->sum, 1);
            run->sum = 0;
            run->optimizer->step();
            run->optimizer->zero_grad();
        }
        if (options != nullptr) {
            for (const Kind kind : {Kind::activations, Kind::scratch}) {
                CHECK(gacc::memory::peak()[kind] - before[kind] == plan.bytes[kind]);
            }
        }
        const auto values = values_of(run->model.parameters());
        bytes.insert(bytes.end(), values.begin(), values.end());
        return bytes;
    });
}

/// To another run all that a Checkpoint keeps of one.
template <class S>
void hand_over(Run<S>& from, Run<S>& to) {
    const auto old = from.model.parameters(), now = to.model.parameters();
    for (std::size_t i = 0; i < old.size(); ++i) { now[i].set_value(old[i].value()); }
    auto own_gradient = now.with_gradients().begin();
    for (auto& parameter : old.with_gradients()) {  // those of shared values apart
        if (!parameter.grad_is_zero()) {
            std::ranges::copy(parameter.grad_storage(), own_gradient->materialize_grads().begin());
        }
        ++own_gradient;
    }
    gacc::GradientTally tally;
    tally.set_state(old.tally().state());
    now.set_tally(tally);
    to.optimizer->set_state(from.optimizer->state());
    const auto moments = from.optimizer->moments(), own = to.optimizer->moments();
    for (std::size_t i = 0; i < moments.size(); ++i) {
        std::ranges::copy(moments[i].stored, own[i].stored.begin());
        std::ranges::copy(moments[i].rounded, own[i].rounded.begin());
    }
    to.position.set_state(from.position.state());
}

/// After `micro_batches` micro-batches a new model goes on, without first values or with others; through a file, or by
/// what one would hold.
template <class S>
Interruption<S> interruption(std::uint64_t seed, Index micro_batches, const TemporaryFolder* folder) {
    return [=](std::unique_ptr<Run<S>>& run) mutable {
        if (--micro_batches != 0) { return; }
        gacc::Rng rng(seed), other(seed + 1);
        auto next = std::make_unique<Run<S>>(random_layers<S>(rng), seed);
        if (seed % 2 == 0) { next->model.initialize(other); }
        if (folder != nullptr) {
            gacc::Checkpoint<S>(*run->optimizer, rng, run->position).save(folder->path() / "run");
            gacc::Checkpoint<S>(*next->optimizer, other, next->position).load(folder->path() / "run");
        } else {
            hand_over(*run, *next);
        }
        next->sum = run->sum;
        run = std::move(next);
    };
}

template <class S>
void check_random_models(std::uint64_t first, std::uint64_t count) {
    const TemporaryFolder folder;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        CAPTURE(seed);
        gacc::Rng rng(seed);
        const auto model = random_model<S>(seed);
        const Index samples = seed % 10 == 0 ? 200 : 1 + static_cast<Index>(rng.below(20));
        auto training = random_training(model, samples, rng);
        const auto whole = trained(seed, model, training, samples);
        gacc::set_threads(1 + static_cast<int>(seed % 4));
        const Index micro_batch = 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(samples)));
        CHECK(trained(seed, model, training, micro_batch) == whole);
        const Index in_all = 3 * ((samples - 1) / micro_batch + 1);
        const Index done = 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(in_all)));
        const bool through_file = seed % 25 == 0;
        CHECK(trained<S>(seed, model, training, micro_batch, nullptr,
                         interruption<S>(seed, done, through_file ? &folder : nullptr)) == whole);
        for (const auto recomputation : {gacc::Recomputation::never, gacc::Recomputation::always}) {
            const gacc::PlanOptions options{
                .batch_size = samples, .micro_batch = micro_batch, .recomputation = recomputation};
            auto planned = model;
            gacc::Adam<S> adam(planned.parameters());
            const Index cut = gacc::plan(options, planned, gacc::SoftmaxCrossEntropy<S>(), adam).micro_batch;
            CHECK(trained(seed, model, training, cut, &options) == whole);
            if (training.has_labels()) {
                training.from_features = true;
                CHECK(trained(seed, model, training, cut, &options) == whole);
                training.from_features = false;
            }
        }
        gacc::set_threads(0);
    }
}

}  // namespace

TEST_CASE(
    "Sequential: random models give the same bytes for every cut, threads, interrupted, kept and computed again") {
    check_random_models<float>(0, long_tests() ? 1000 : 100);
}

TEST_CASE("Sequential: random models do so in double") {
    check_random_models<double>(5000, long_tests() ? 200 : 20);
}

}  // namespace random_graphs_test
