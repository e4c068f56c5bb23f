// gacc-mnist: trains a perceptron on MNIST, with gradients accumulated over micro-batches or without.
//
//   settings    what the command line says
//   one run     train() and what it found
//   results     as text or as JSON, on standard output
//   main        run or compare, and the exit code

#include <gacc/gacc.hpp>

#ifdef GACC_MNIST_WITH_ZLIB
#include <gacc/data/gzip.hpp>
constexpr gacc::IdxReader reader = gacc::read_idx_gz;
#else
constexpr gacc::IdxReader reader = gacc::read_idx;
#endif

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "peak_memory.hpp"

namespace {

using gacc::Index;

enum ExitCode { done = 0, usage = 2, bad_data = 3, diverged = 5, over_budget = 6, output_failed = 7 };

// --- settings ------------------------------------------------------------------------------------------------------

struct Settings {
    std::string data = "data/mnist";
    Index epochs = 2;
    Index batch_size = 128;
    Index micro_batch = 0;   // 0: 32, or what fits the memory
    Index accumulate = 0;    // micro-batches a batch; 0: follows from micro_batch
    std::size_t memory = 0;  // bytes for training; 0: no limit
    bool recompute = false;
    bool dry_run = false;
    double learning_rate = 1e-3;
    std::string schedule = "linear";
    std::vector<Index> hidden = {512, 256, 128};
    int threads = 0;
    std::uint64_t seed = 1;
    std::string save;
    bool quiet = false;
    bool json = false;
};

void add_options(CLI::App& app, Settings& settings) {
    const auto positive = CLI::Range(Index{1}, Index{1} << 40);
    if (const char* folder = std::getenv("GACC_DATA")) { settings.data = folder; }
    app.add_option("--data", settings.data, "Folder of the four MNIST files (also: GACC_DATA)")->capture_default_str();
    app.add_option("--epochs", settings.epochs, "Passes over the data")->check(positive)->capture_default_str();
    app.add_option("--batch-size", settings.batch_size, "Samples of one optimizer step")
        ->check(positive)
        ->capture_default_str();
    auto* micro = app.add_option("--micro-batch", settings.micro_batch, "Samples of one forward and backward pass")
                      ->check(positive)
                      ->default_str("32, or what fits --memory");
    auto* accumulate =
        app.add_option("--accumulate", settings.accumulate, "Instead of --micro-batch: how many of them make a batch")
            ->check(positive)
            ->excludes(micro);
    app.add_option("--memory", settings.memory,
                   "Budget of training, a whole number as 12MiB or 9500KiB: chooses the micro-batch")
        ->transform(CLI::AsSizeValue(true))
        ->check(
            CLI::Validator([](const std::string& bytes) { return bytes == "0" ? "expected 1 byte or more" : ""; }, ""))
        ->excludes(accumulate);
    app.add_flag("--recompute", settings.recompute, "Drop activations and compute them again: less memory, more time");
    auto* dry_run = app.add_flag("--dry-run", settings.dry_run, "Print what training would take, and stop");
    app.add_option("--learning-rate", settings.learning_rate, "Of Adam")
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
    app.add_option("--schedule", settings.schedule, "Of the learning rate: linear (falls to 0) or constant")
        ->check(CLI::IsMember({"linear", "constant"}))
        ->capture_default_str();
    app.add_option("--hidden", settings.hidden, "Widths of the hidden layers")
        ->delimiter(',')
        ->check(positive)
        ->default_str("512,256,128");
    app.add_option("--threads", settings.threads, "0: as many as the machine has")
        ->check(CLI::Range(0, 64))
        ->capture_default_str();
    app.add_option("--seed", settings.seed, "Of the first weights and the order of the samples")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--save", settings.save, "Write the trained parameters here (safetensors)");
    app.add_flag("--quiet", settings.quiet, "No progress on standard error");
    app.add_flag("--json", settings.json, "Results as JSON")->excludes(dry_run);
}

/// Fills in the one of micro_batch and accumulate that was not given; neither, if memory decides.
void derive(Settings& settings) {
    const Index batch = settings.batch_size;
    if (settings.accumulate > batch) {
        throw CLI::ValidationError(
            "--accumulate",
            gacc::detail::text("expected at most the ", batch, " samples of a batch, got ", settings.accumulate));
    }
    if (settings.accumulate == 0 && settings.micro_batch == 0) {
        if (settings.memory > 0) { return; }  // the plan chooses
        settings.micro_batch = 32;
    }
    if (settings.accumulate > 0) { settings.micro_batch = (batch + settings.accumulate - 1) / settings.accumulate; }
    settings.micro_batch = std::min(settings.micro_batch, batch);
    const Index pieces = (batch + settings.micro_batch - 1) / settings.micro_batch;
    if (settings.accumulate > 0 && pieces != settings.accumulate) {
        throw CLI::ValidationError("--accumulate", gacc::detail::text("expected a number of micro-batches that ", batch,
                                                                      " samples can be cut into, got ",
                                                                      settings.accumulate, "; try ", pieces));
    }
    settings.accumulate = pieces;
}

// --- one run -------------------------------------------------------------------------------------------------------

struct Arm {
    std::string name;  // empty: as planned, "4 x 32"
    Index batch_size;
    Index micro_batch;  // 0: the plan chooses
};

struct Result {
    std::string name;
    gacc::Plan plan;
    Index updates = 0;
    double final_loss = 0;  // mean over the last epoch
    double test_accuracy = 0;
    double seconds_per_epoch = 0;  // the median epoch
    double samples_per_second = 0;
    std::size_t peak_memory = 0;  // of the process, bytes
    std::vector<gacc::Matrix<float>> parameters;
};

struct Diverged {
    Index epoch;
    Index step;
};

gacc::Sequential<float> perceptron(Index inputs, const std::vector<Index>& hidden) {
    gacc::Sequential model;
    for (const Index width : hidden) {
        model.add(gacc::Linear(inputs, width));
        model.add(gacc::ReLU());
        inputs = width;
    }
    model.add(gacc::Linear(inputs, 10));
    return model;
}

double accuracy(const gacc::Sequential<float>& model, const gacc::ImageDataset<float>& test) {
    Index correct = 0;
    for (const auto& batch : gacc::ordered_batches(test, {.batch_size = 128})) {
        correct += gacc::count_correct(model.predict(batch.inputs), batch.labels);
    }
    return static_cast<double>(correct) / static_cast<double>(test.size());
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

std::vector<gacc::Matrix<float>> values(gacc::Sequential<float>& model) {
    std::vector<gacc::Matrix<float>> all;
    for (const auto& parameter : model.parameters()) { all.push_back(parameter.value()); }
    return all;
}

gacc::Plan plan(const Arm& arm, const Settings& settings, const gacc::ImageDataset<float>& data,
                gacc::Sequential<float>& model, const gacc::Adam<float>& adam) {
    return gacc::plan(
        model, adam,
        {.batch_size = arm.batch_size,
         .micro_batch = arm.micro_batch,
         .memory = settings.memory,
         .recomputation = settings.recompute ? gacc::Recomputation::always : gacc::Recomputation::if_needed,
         .dataset_size = data.size()});
}

Result train(const Arm& arm, const Settings& settings, const gacc::ImageDataset<float>& data,
             const gacc::ImageDataset<float>& test) {
    forget_peak_memory();
    gacc::Rng rng(settings.seed);
    auto model = perceptron(data.features(), settings.hidden);
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = settings.learning_rate});
    const auto planned = plan(arm, settings, data, model, adam);
    if (!settings.quiet) {
        const std::string text = planned.description();
        std::cerr << text.substr(0, text.find('\n')) << ", " << gacc::detail::grouped(planned.bytes.total())
                  << " bytes\n";
    }
    const Index batches = (data.size() + arm.batch_size - 1) / arm.batch_size;
    const gacc::LinearDecay decay(settings.learning_rate, settings.epochs * batches);

    const bool terminal = isatty(STDERR_FILENO) == 1;
    std::ostream silent(nullptr);
    gacc::Progress progress(settings.quiet ? silent : std::cerr, {.epochs = settings.epochs,
                                                                  .samples_per_epoch = data.size(),
                                                                  .live = terminal && !settings.quiet,
                                                                  .color = std::getenv("NO_COLOR") == nullptr});
    Result result;
    result.plan = planned;
    result.name = arm.name.empty() ? gacc::detail::text(planned.micro_batches, " x ", planned.micro_batch) : arm.name;
    std::vector<double> seconds;
    for (Index epoch = 1; epoch <= settings.epochs; ++epoch) {
        const auto start = std::chrono::steady_clock::now();
        gacc::MeanLoss mean;
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = arm.batch_size}, rng)) {
            for (const auto& micro : batch.micro_batches(planned)) {
                mean.add(loss.forward(model.forward(micro.inputs), micro.labels));
                if (!std::isfinite(mean.mean())) { throw Diverged{epoch, adam.steps()}; }
                model.backward(loss.backward());
                progress.add(micro.size(), mean.mean());
            }
            if (settings.schedule == "linear") { adam.set_learning_rate(decay(adam.steps())); }
            adam.step();
            adam.zero_grad();
        }
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        progress.end_epoch(mean.mean());
        result.final_loss = mean.mean();
    }

    result.updates = adam.steps();
    result.seconds_per_epoch = median(seconds);
    result.samples_per_second = static_cast<double>(data.size()) / result.seconds_per_epoch;
    result.peak_memory = peak_memory();
    result.test_accuracy = accuracy(model, test);
    result.parameters = values(model);
    for (const auto& parameter : result.parameters) {
        if (!parameter.allFinite()) { throw Diverged{settings.epochs, adam.steps()}; }
    }
    if (!settings.save.empty()) { gacc::save_safetensors(settings.save, model.parameters()); }
    return result;
}

/// The largest difference of two runs' parameters; nothing if they are the same bytes.
std::optional<double> difference(const Result& a, const Result& b) {
    bool same = true;
    double largest = 0;
    for (std::size_t i = 0; i < a.parameters.size(); ++i) {
        const auto& left = a.parameters[i];
        const auto& right = b.parameters[i];
        same =
            same && std::memcmp(left.data(), right.data(), static_cast<std::size_t>(left.size()) * sizeof(float)) == 0;
        largest = std::max(largest, static_cast<double>((left - right).cwiseAbs().maxCoeff()));
    }
    return same ? std::nullopt : std::optional(largest);
}

// --- results -------------------------------------------------------------------------------------------------------

std::string fixed(double value, int digits) {
    std::ostringstream out;
    if (std::abs(value) < 1e9) { out << std::fixed; }
    out << std::setprecision(digits) << value;
    return out.str();
}

std::string grouped(double value) { return gacc::detail::grouped(static_cast<std::uint64_t>(std::llround(value))); }

void print_table(const std::vector<Result>& results) {
    const auto row = [&](const char* title, auto cell) {
        std::cout << std::left << std::setw(22) << title << std::right;
        for (const Result& result : results) { std::cout << "  " << std::setw(18) << cell(result); }
        std::cout << '\n';
    };
    row("", [](const Result& r) { return r.name; });
    row("batch (samples)", [](const Result& r) { return std::to_string(r.plan.batch_size); });
    row("micro-batch (samples)", [](const Result& r) { return std::to_string(r.plan.micro_batch); });
    row("updates", [](const Result& r) { return grouped(static_cast<double>(r.updates)); });
    row("final training loss", [](const Result& r) { return fixed(r.final_loss, 4); });
    row("test accuracy", [](const Result& r) { return fixed(100 * r.test_accuracy, 2) + " %"; });
    row("seconds an epoch", [](const Result& r) { return fixed(r.seconds_per_epoch, 2); });
    row("samples/s", [](const Result& r) { return grouped(r.samples_per_second); });
    row("planned memory (MiB)",
        [](const Result& r) { return fixed(static_cast<double>(r.plan.bytes.total()) / 1048576, 1); });
    row("process peak (MiB)", [](const Result& r) { return fixed(static_cast<double>(r.peak_memory) / 1048576, 1); });
}

std::string json(const Result& result) {
    return gacc::detail::text(
        R"({"name": ")", result.name, R"(", "batch_size": )", result.plan.batch_size,
        ", \"micro_batch\": ", result.plan.micro_batch, ", \"updates\": ", result.updates,
        ", \"final_loss\": ", fixed(result.final_loss, 6), ", \"test_accuracy\": ", fixed(result.test_accuracy, 4),
        ", \"seconds_per_epoch\": ", fixed(result.seconds_per_epoch, 4),
        ", \"samples_per_second\": ", fixed(result.samples_per_second, 0),
        ", \"planned_bytes\": ", result.plan.bytes.total(), ", \"peak_memory_bytes\": ", result.peak_memory, "}");
}

// --- main ----------------------------------------------------------------------------------------------------------

void run(const Settings& settings, const gacc::ImageDataset<float>& data, const gacc::ImageDataset<float>& test) {
    const Arm arm{"", settings.batch_size, settings.micro_batch};
    if (settings.dry_run) {
        auto model = perceptron(data.features(), settings.hidden);
        const gacc::Adam adam(model.parameters());
        std::cout << plan(arm, settings, data, model, adam).description();
        return;
    }
    const Result result = train(arm, settings, data, test);
    if (settings.json) {
        std::cout << json(result) << '\n';
    } else {
        print_table({result});
    }
}

/// Three runs on the same data and seed. The first two differ in two ways, in the number of updates and in
/// accumulation; the last two in accumulation alone.
void compare(const Settings& settings, const gacc::ImageDataset<float>& data, const gacc::ImageDataset<float>& test) {
    const Index batch = settings.batch_size, micro = settings.micro_batch;
    const std::string small = std::to_string(micro), whole = std::to_string(batch);
    // Room for all three from the start, so that none counts in the memory of the runs after it.
    auto model = perceptron(data.features(), settings.hidden);
    std::vector<Result> results(3);
    for (Result& result : results) { result.parameters = values(model); }

    std::size_t i = 0;
    for (const Arm& arm : {Arm{"step every " + small, micro, micro},
                           Arm{small + " accumulated " + std::to_string(settings.accumulate) + "x", batch, micro},
                           Arm{whole + " uncut", batch, batch}}) {
        if (!settings.quiet) { std::cerr << arm.name << '\n'; }
        results[i++] = train(arm, settings, data, test);
    }

    const auto largest = difference(results[1], results[2]);
    if (settings.json) {
        std::cout << "{\"arms\": [" << json(results[0]) << ", " << json(results[1]) << ", " << json(results[2])
                  << "], \"accumulated_equals_uncut\": " << (largest ? "false" : "true")
                  << ", \"largest_difference\": " << largest.value_or(0) << "}\n";
        return;
    }
    print_table(results);
    std::cout << "\nParameters after the second and the third run: ";
    if (largest) {
        std::cout << "they differ by " << *largest << " at most.\n";
    } else {
        std::cout << "the same bytes.\n";
    }
}

}  // namespace

int main(int argc, char** argv) try {
    Settings settings;
    CLI::App app("Trains a perceptron on MNIST, with gradients accumulated over micro-batches.", "gacc-mnist");
    add_options(app, settings);
    auto* comparison = app.add_subcommand(
        "compare", "Three runs side by side: a step every micro-batch, accumulated, and the batch uncut");
    comparison->fallthrough();
    try {
        app.parse(argc, argv);
        derive(settings);
        for (const auto& [option, given] :
             {std::pair("--save", !settings.save.empty()), std::pair("--memory", settings.memory > 0),
              std::pair("--dry-run", settings.dry_run)}) {
            if (*comparison && given) {
                throw CLI::ValidationError(option, "expected one run, got the three of compare");
            }
        }
    } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? done : usage; }

    if (!settings.save.empty()) {
        const auto folder = std::filesystem::absolute(settings.save).parent_path();
        if (!std::filesystem::is_directory(folder)) {
            throw gacc::OutputError("save_safetensors",
                                    gacc::detail::text("expected the folder ", folder, ", got none"));
        }
    }
    gacc::set_threads(settings.threads);
    const auto data = gacc::load_mnist(settings.data, gacc::Split::train, reader);
    const auto test = gacc::load_mnist(settings.data, gacc::Split::test, reader);
    if (test.features() != data.features()) {
        throw gacc::DataError("gacc-mnist", gacc::detail::text("expected test images of ", data.features(),
                                                               " pixels as for training, got ", test.features()));
    }
    if (!settings.quiet) { std::cerr << gacc::threads() << " thread(s)\n"; }
    (*comparison ? compare : run)(settings, data, test);
    std::cout.flush();
    if (!std::cout) { throw gacc::OutputError("gacc-mnist", "expected to write the results, got an error"); }
    return done;
} catch (const gacc::MemoryError& error) {
    std::cerr << error.what() << '\n';
    return over_budget;
} catch (const gacc::DataError& error) {
    std::cerr << error.what() << '\n';
    return bad_data;
} catch (const Diverged& at) {
    std::cerr << "gacc: gacc-mnist: expected a finite loss and finite parameters, got others in epoch " << at.epoch
              << " after " << at.step << " steps; try a smaller --learning-rate\n";
    return diverged;
} catch (const gacc::OutputError& error) {
    std::cerr << error.what() << '\n';
    return output_failed;
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return usage;
}
