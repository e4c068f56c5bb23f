// One batch, uncut and in ever smaller micro-batches: time, samples a second, bytes planned and bytes measured, for
// three perceptrons (2048 samples), two convolutional networks (512) and two GPTs (64 sequences).
// bench_accumulation --benchmark_format=json; bench/report makes a page of it.
//
//   bench_accumulation                                  threads: as many as the machine has, or GACC_BENCH_THREADS
//   bench_accumulation --benchmark_filter=perceptron    one of perceptron, wide, deep, mnist, resnet20, gpt/, gpt_larger
//
// Each row runs in a process of its own, whose peak of resident memory beyond the idle process is "rss_bytes".

#include <gacc/gacc.hpp>

#include <benchmark/benchmark.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "../examples/peak_memory.hpp"
#include "peers/networks.hpp"

namespace {

using gacc::Index;

bool is_convolutional(const std::string& model) { return model == "mnist" || model == "resnet20"; }
bool is_gpt(const std::string& model) { return model.starts_with("gpt"); }
Index batch_of(const std::string& model) { return is_gpt(model) ? 64 : is_convolutional(model) ? 512 : 2048; }

struct Row {
    std::string model;
    Index micro_batch;
    bool recompute;
};

/// What a process that trained one row found.
struct Found {
    std::size_t planned = 0, measured = 0, resident = 0;
    Index micro_batches = 0;
    int steps = 0;
    std::array<double, 64> seconds{};  // of each step
};

gacc::Sequential<float> build(const std::string& name) {
    if (is_convolutional(name) || is_gpt(name)) { return network(name).model; }
    std::vector<Index> widths = {784, 512, 256, 128, 10};
    if (name == "wide") { widths = {4096, 4096, 4096, 4096, 4096}; }
    if (name == "deep") { widths = std::vector<Index>(65, 256); }
    gacc::Sequential<float> model;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        model.add(gacc::Linear(widths[i], widths[i + 1]));
        if (i + 2 < widths.size()) { model.add(gacc::ReLU()); }
    }
    return model;
}

/// Random samples of a model that is no GPT.
gacc::TensorDataset<float> samples(const Row& row, gacc::Rng& rng) {
    const Index batch_size = batch_of(row.model);
    const Index features = build(row.model).in_features(), classes = build(row.model).out_features();
    gacc::Tensor<float> inputs({batch_size, features});
    std::generate_n(inputs.data(), inputs.size(), [&] { return static_cast<float>(rng.uniform(-1, 1)); });
    std::vector<gacc::Label> labels(static_cast<std::size_t>(batch_size));
    std::ranges::generate(labels,
                          [&] { return static_cast<gacc::Label>(rng.below(static_cast<std::uint64_t>(classes))); });
    return {std::move(inputs), std::move(labels)};
}

/// Sequences of a random text for a GPT.
gacc::TextDataset<float> sequences(const Row& row, gacc::Rng& rng) {
    const Index tokens = network(row.model).tokens;
    std::string characters;
    for (char c = '0'; c < '0' + gpt_characters; ++c) { characters += c; }
    std::string text(static_cast<std::size_t>(tokens * batch_of(row.model) + 1), ' ');
    std::ranges::generate(text, [&] { return characters[rng.below(gpt_characters)]; });
    return {gacc::Text(text, gacc::Vocabulary(characters)), {.tokens = tokens}};
}

/// Steps until a second is over, but 64 at most, and three at least unless that takes ten.
template <class Dataset>
Found train(const Row& row, const Dataset& data, gacc::Rng& rng) {
    const Index batch_size = batch_of(row.model);
    // Threads and their scratch belong to the idle process.
    gacc::detail::ThreadPool::instance().run(64, gacc::threads(), [](Index) {});
    gacc::detail::ThreadScratch::reserve_mine();
    Found found;
    forget_peak_memory();
    const std::size_t idle = peak_memory(), held = gacc::memory::live().total();
    gacc::memory::forget_peak();
    auto model = build(row.model);
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters());
    const auto plan =
        gacc::plan({.batch_size = batch_size,
                    .micro_batch = row.micro_batch,
                    .recomputation = row.recompute ? gacc::Recomputation::always : gacc::Recomputation::never},
                   model, loss, adam, data);
    const auto begin = std::chrono::steady_clock::now();
    const auto since = [](auto start) {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    while (found.steps == 0 || (found.steps < 3 && since(begin) < 10) || (found.steps < 64 && since(begin) < 1)) {
        for (const auto& batch : gacc::ordered_batches(data, {.batch_size = batch_size})) {
            const auto start = std::chrono::steady_clock::now();
            for (const auto& micro : batch.micro_batches(plan)) {
                loss.forward(model.forward(micro.inputs), micro.labels);
                model.backward(loss.backward());
            }
            adam.step();
            adam.zero_grad();
            found.seconds[static_cast<std::size_t>(found.steps++)] = since(start);
        }
    }
    found.planned = plan.bytes.total();
    found.micro_batches = plan.micro_batches;
    found.measured = gacc::memory::peak_total() - held;
    found.resident = peak_memory() - idle;
    return found;
}

/// train() in a new process: this program again.
Found train_apart(const Row& row) {
    int ends[2];
    if (pipe(ends) != 0) { throw std::runtime_error("expected a pipe, got an error"); }
    const std::string micro = std::to_string(row.micro_batch);
    const pid_t child = fork();
    if (child < 0) { throw std::runtime_error("expected a new process, got an error"); }
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "bench_accumulation", "--row", row.model.c_str(), micro.c_str(),
              row.recompute ? "1" : "0", nullptr);
        _exit(127);
    }
    close(ends[1]);
    Found found;
    std::size_t got = 0;
    for (ssize_t count = 1; count > 0; got += static_cast<std::size_t>(std::max<ssize_t>(count, 0))) {
        count = read(ends[0], reinterpret_cast<char*>(&found) + got, sizeof(Found) - got);
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (got != sizeof(Found) || status != 0) { throw std::runtime_error("expected a row, got a process that failed"); }
    return found;
}

/// Hands what the process measured to Google Benchmark, which asks for it after the row.
class Memory : public benchmark::MemoryManager {
public:
    void Start() override {}
    void Stop(Result* result) override { Stop(*result); }
    void Stop(Result& result) override {
        measured_row.clear();  // a repetition is measured anew
        result.num_allocs = 0;
        result.max_bytes_used = static_cast<std::int64_t>(measured);
    }
    std::size_t measured = 0;
    std::string measured_row;  // its name
};
Memory memory_manager;

/// A line of the table. Google Benchmark asks for it twice, for the time and for the memory; both are of one run.
void step(benchmark::State& state, const Row& row) {
    static Found found;
    const std::string name = row.model + std::to_string(row.micro_batch) + (row.recompute ? "r" : "");
    if (name != memory_manager.measured_row) {
        found = train_apart(row);
        memory_manager.measured_row = name;
    }
    memory_manager.measured = found.measured;
    std::sort(found.seconds.begin(), found.seconds.begin() + found.steps);
    const double median = found.seconds[static_cast<std::size_t>(found.steps / 2)];
    for (auto _ : state) { state.SetIterationTime(median); }
    state.counters["batch"] = static_cast<double>(batch_of(row.model));
    state.counters["micro_batch"] = static_cast<double>(row.micro_batch);
    state.counters["micro_batches"] = static_cast<double>(found.micro_batches);
    state.counters["threads"] = gacc::threads();
    state.counters["samples/s"] = static_cast<double>(batch_of(row.model)) / median;
    state.counters["predicted_bytes"] = static_cast<double>(found.planned);
    state.counters["measured_bytes"] = static_cast<double>(found.measured);
    state.counters["rss_bytes"] = static_cast<double>(found.resident);
    if (row.recompute) { state.counters["recomputed"] = 1; }
}

}  // namespace

int main(int argc, char** argv) {
    if (const char* threads = std::getenv("GACC_BENCH_THREADS")) { gacc::set_threads(std::atoi(threads)); }
    if (argc == 5 && std::strcmp(argv[1], "--row") == 0) {
        const Row row{argv[2], std::atol(argv[3]), argv[4][0] == '1'};
        gacc::Rng rng(1);
        const Found found = is_gpt(row.model) ? train(row, sequences(row, rng), rng) : train(row, samples(row, rng), rng);
        return std::fwrite(&found, sizeof found, 1, stdout) == 1 ? 0 : 1;
    }
    const auto add = [](const Row& row) {
        const std::string name = "step/" + row.model + (row.recompute ? "/recomputed" : "") +
                                 "/micro_batch:" + std::to_string(row.micro_batch);
        benchmark::RegisterBenchmark(name.c_str(), [row](benchmark::State& state) { step(state, row); })
            ->UseManualTime()
            ->Iterations(1)
            ->Unit(benchmark::kMillisecond);
    };
    for (const char* model : {"perceptron", "wide", "deep", "mnist", "resnet20", "gpt", "gpt_larger"}) {
        for (Index micro = batch_of(model); micro >= 1; micro /= 2) { add({model, micro, false}); }
    }
    for (const Index micro : {Index{2048}, Index{128}, Index{32}}) { add({"deep", micro, true}); }
    benchmark::RegisterMemoryManager(&memory_manager);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
