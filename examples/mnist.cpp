// gacc-mnist: trains a perceptron on MNIST, with gradients accumulated over micro-batches or without.
//
//   mnist_settings.hpp   what the command line says
//   mnist_resume.hpp     what is asked of a checkpoint that it resumes
//   one run              train(), which can be interrupted and resumed
//   mnist_results.hpp    what it found, as text or as JSON, on standard output
//   main                 run, compare or audit, and the exit code

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#ifdef GACC_MNIST_WITH_ZLIB
#include <gacc/data/gzip.hpp>
constexpr gacc::IdxReader reader = gacc::read_idx_gz;
#else
constexpr gacc::IdxReader reader = gacc::read_idx;
#endif

#include <CLI/CLI.hpp>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <limits>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "interruption.hpp"
#include "mnist_results.hpp"
#include "mnist_resume.hpp"
#include "mnist_settings.hpp"
#include "peak_memory.hpp"
#include "terminal.hpp"

namespace {

enum ExitCode {
    done = 0,
    usage = 2,
    bad_data = 3,
    bad_checkpoint = 4,
    diverged = 5,
    over_budget = 6,
    output_failed = 7,
    cut_changes_bits = 8,  // found by audit
    interrupted = 128,  // and the number of the signal: 130 for Ctrl-C
};

void complain(const std::exception& error) { std::cerr << gacc::escaped(error.what()) << '\n'; }

// --- one run -------------------------------------------------------------------------------------------------------

struct Arm {
    std::string name;  // empty: as planned, "4 x 32"
    Index batch_size;
    Index micro_batch;  // 0: the plan chooses
};

/// Where a run was when a signal ended it.
struct Interrupted {
    int signal;
    std::string position;
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

std::vector<gacc::Matrix<float>> values(gacc::Sequential<float>& model) {
    std::vector<gacc::Matrix<float>> all;
    for (const auto& parameter : model.parameters()) { all.push_back(parameter.value()); }
    return all;
}

gacc::Plan plan(const Arm& arm, const Settings& settings, const gacc::ImageDataset<float>& data,
                gacc::Sequential<float>& model, const gacc::SoftmaxCrossEntropy<float>& loss,
                const gacc::Adam<float>& adam) {
    return gacc::plan({.batch_size = arm.batch_size,
                       .micro_batch = arm.micro_batch,
                       .memory = settings.memory,
                       .recomputation = settings.recompute ? gacc::Recomputation::always
                                                           : gacc::Recomputation::if_needed},
                      model, loss, adam, data);
}

Result train(const Arm& arm, const Settings& settings, const gacc::ImageDataset<float>& data,
             const gacc::ImageDataset<float>& test) {
    forget_peak_memory();
    gacc::Rng rng(settings.seed);
    auto model = perceptron(data.features(), settings.hidden);
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    gacc::Adam adam(model.parameters(), {.learning_rate = settings.learning_rate});
    gacc::NonFiniteGuard guard(adam, settings.non_finite);
    gacc::MeanLoss mean;  // of this epoch
    gacc::DataPosition position;
    gacc::Checkpoint checkpoint(adam, rng, position);
    checkpoint.keep("mean_loss", mean);
    if (!settings.resume.empty()) {
        for (const auto& option : checkpoint.load(settings.resume)) {
            if (option.name == "learning_rate") { continue; }  // which --learning-rate and --schedule decide
            std::cerr << gacc::escaped("gacc: " + resuming(settings.resume) + ": Adam's " + option.name)
                      << " is the checkpoint's " << option.in_checkpoint << ", not the program's " << option.in_program
                      << '\n';
        }
        check_position(settings, position, data.size(), arm.batch_size);
        if (settings.schedule == "constant") { adam.set_learning_rate(settings.learning_rate); }
    }
    const auto save = [&] {
        if (!settings.save.empty()) { checkpoint.save(settings.save, noted(settings)); }
    };
    const bool live = stderr_is_terminal() && !settings.quiet;
    bool told = false;
    const auto save_on_the_way = [&] {
        try {
            save();
        } catch (const gacc::OutputError& error) {
            if (!std::exchange(told, true)) {
                if (live) { std::cerr << '\n'; }
                complain(error);
                std::cerr << "gacc: goes on training, and tries again to save\n";
            }
        }
    };

    const auto planned = plan(arm, settings, data, model, loss, adam);
    if (!settings.quiet) {
        const std::string text = planned.description();
        std::cerr << text.substr(0, text.find('\n')) << ", " << grouped(planned.bytes.total()) << " bytes\n";
    }
    if (data.size() > 0 && settings.epochs > std::numeric_limits<Index>::max() / data.size()) {
        throw gacc::UsageError("gacc-mnist", "expected fewer epochs of " + std::to_string(data.size()) +
                                                 " samples, got " + std::to_string(settings.epochs));
    }
    const Index batches = data.size() / arm.batch_size + (data.size() % arm.batch_size != 0 ? 1 : 0);
    const gacc::LinearDecay decay(settings.learning_rate, settings.epochs * batches);

    std::ostream silent(nullptr);
    gacc::Progress progress(settings.quiet ? silent : std::cerr,
                            {.epochs = settings.epochs,
                             .samples_per_epoch = data.size(),
                             .samples_done = position.epoch * data.size() + position.batch * arm.batch_size + position.sample,
                             .live = live,
                             .color = std::getenv("NO_COLOR") == nullptr});
    Result result;
    result.plan = planned;
    result.name = arm.name;
    if (arm.name.empty()) {
        result.name = std::to_string(planned.micro_batches) + " x " + std::to_string(planned.micro_batch);
    }
    double seconds = 0;
    Index trained = 0;  // samples
    std::optional<Interruption> interruption;
    if (!settings.save.empty()) { interruption.emplace(); }
    for (; position.epoch < settings.epochs; position.end_epoch()) {
        const auto start = std::chrono::steady_clock::now();
        if (!position.drawn) { mean = gacc::MeanLoss(); }
        for (const auto& batch : gacc::shuffled_batches(data, {.batch_size = arm.batch_size}, rng, position)) {
            for (const auto& micro : batch.from(position.sample).micro_batches(planned)) {
                const auto value = loss.forward(model.forward(micro.inputs), micro.labels);
                if (guard.accepts(value)) {
                    model.backward(loss.backward());
                    if (settings.non_finite == gacc::NonFinite::stop || guard.accepts_gradients()) { mean.add(value); }
                }
                position.end_micro_batch(micro.size());
                trained += micro.size();
                progress.add(micro.size(), mean.mean());
                if (interruption && interruption->signal() != 0) {
                    save();
                    std::ostringstream at;
                    at << "epoch " << position.epoch + 1 << ", batch " << position.batch + 1 << ", after "
                       << position.sample << " of " << batch.size() << " samples";
                    throw Interrupted{interruption->signal(), at.str()};
                }
            }
            if (!adam.parameters().tally().empty()) {
                if (settings.non_finite == gacc::NonFinite::stop) { guard.accepts_gradients(); }
                if (settings.schedule == "linear") { adam.set_learning_rate(decay(adam.steps())); }
                adam.step();
                adam.zero_grad();
            }
            position.end_batch();
            if (settings.save_every > 0 && adam.steps() % settings.save_every == 0) { save_on_the_way(); }
        }
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        progress.end_epoch(mean.mean());
    }
    if (guard.skipped() > 0) {
        std::cerr << "gacc: skipped " << guard.skipped() << " micro-batch(es) that were not finite\n";
    }

    result.updates = adam.steps();
    result.final_loss = mean.mean();
    result.samples_per_second = static_cast<double>(trained) / std::max(seconds, 1e-9);
    result.seconds_per_epoch = trained == 0 ? 0 : static_cast<double>(data.size()) / result.samples_per_second;
    result.peak_memory = peak_memory();
    result.test_accuracy = accuracy(model, test);
    result.parameters = values(model);
    for (const auto& parameter : model.parameters()) {
        if (!parameter.value().allFinite()) {
            throw gacc::NonFiniteError("gacc-mnist", "expected finite parameters, got others in " + parameter.name() +
                                                         "; try a smaller --learning-rate");
        }
    }
    const auto write = [&](const auto& file) {  // the results are shown even if it fails
        try {
            file();
        } catch (const gacc::Error& error) {
            complain(error);
            const bool not_finite = dynamic_cast<const gacc::NonFiniteError*>(&error) != nullptr;
            result.not_written = not_finite ? diverged : output_failed;
        }
    };
    write(save);
    if (!settings.export_to.empty()) {
        write([&] { gacc::save_safetensors(settings.export_to, model.parameters()); });
    }
    return result;
}

// --- main ----------------------------------------------------------------------------------------------------------

int run(const Settings& settings, const gacc::ImageDataset<float>& data, const gacc::ImageDataset<float>& test) {
    const Arm arm{"", settings.batch_size, settings.micro_batch};
    if (settings.dry_run) {
        auto model = perceptron(data.features(), settings.hidden);
        const gacc::Adam adam(model.parameters());
        std::cout << plan(arm, settings, data, model, gacc::SoftmaxCrossEntropy(), adam).description();
        return done;
    }
    const Result result = train(arm, settings, data, test);
    if (settings.json) {
        std::cout << json(result) << '\n';
    } else {
        print_table({result});
    }
    return result.not_written;
}

/// Three runs on the same data and seed. The first two differ in two ways, in the number of updates and in
/// accumulation; the last two in accumulation alone.
int compare(const Settings& settings, const gacc::ImageDataset<float>& data, const gacc::ImageDataset<float>& test) {
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
        return done;
    }
    print_table(results);
    std::cout << "\nParameters after the second and the third run: ";
    if (largest) {
        std::cout << "they differ by " << *largest << " at most.\n";
    } else {
        std::cout << "the same bytes.\n";
    }
    return done;
}

/// One batch uncut and cut, with the first weights of a training.
int audit(const Settings& settings, const gacc::ImageDataset<float>& data, const gacc::ImageDataset<float>&) {
    gacc::Rng rng(settings.seed);
    auto model = perceptron(data.features(), settings.hidden);
    model.initialize(rng);
    gacc::SoftmaxCrossEntropy loss;
    const auto batches = gacc::shuffled_batches(data, {.batch_size = settings.batch_size}, rng);
    const auto audit = gacc::audit(model, loss, batches[0], settings.micro_batch);
    std::cout << audit.description();
    return audit.same() ? done : cut_changes_bits;
}

/// What the command line asks for.
using Command = int (*)(const Settings&, const gacc::ImageDataset<float>& data, const gacc::ImageDataset<float>& test);

/// Refuses --save and --export where they would replace the data.
void check_data_files(const Settings& settings) {
    const auto previous = settings.save.empty() ? std::filesystem::path() : gacc::previous_file(settings.save);
    const std::pair<const char*, std::filesystem::path> outputs[] = {
        {"--save", settings.save}, {"--save", previous}, {"--export", settings.export_to}};
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(settings.data, none)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with("train-") && !name.starts_with("t10k-")) { continue; }
        for (const auto& [option, path] : outputs) {
            if (!path.empty() && gacc::same_file(entry.path(), path)) {
                throw CLI::ValidationError(option, "expected another file than the data, got " + gacc::escaped(name));
            }
        }
    }
}

/// Refuses an --export that would replace a checkpoint, or the one before it that saving keeps as .prev.
void check_files(const Settings& settings) {
    check_data_files(settings);
    if (settings.export_to.empty()) { return; }
    for (const std::filesystem::path path : {settings.save, settings.resume}) {
        if (!path.empty() && gacc::same_file(path, settings.export_to)) {
            throw CLI::ValidationError("--export", "expected another file than the checkpoint's, got the same");
        }
    }
    if (!settings.save.empty() && gacc::same_file(gacc::previous_file(settings.save), settings.export_to)) {
        throw CLI::ValidationError(
            "--export",
            "expected another file than .prev of the checkpoint, which holds the one before it, got the same");
    }
}

/// The options, and with --resume those of the checkpoint. The exit code where that is all, as for --help.
std::optional<int> parse(Settings& settings, std::optional<Resumed>& resumed, Command& command, int argc, char** argv) {
    for (;;) {
        settings = Settings();
        CLI::App app("Trains a perceptron on MNIST, with gradients accumulated over micro-batches.", "gacc-mnist");
        add_options(app, settings);
        const auto* comparison = app.add_subcommand(
            "compare", "Three runs side by side: a step every micro-batch, accumulated, and the batch uncut");
        const auto* audited = app.add_subcommand(
            "audit", "One batch uncut and cut: whether each gradient has the same bits, and else the likely cause");
        for (auto* subcommand : app.get_subcommands(nullptr)) { subcommand->fallthrough(); }
        app.require_subcommand(0, 1);
        try {
            if (resumed) {
                std::ranges::reverse(resumed->arguments);  // as parse() takes them
                app.parse(resumed->arguments);
            } else {
                app.parse(argc, argv);
            }
            command = comparison->parsed() ? compare : audited->parsed() ? audit : run;
            for (const char* option : {"--save", "--resume", "--export", "--memory", "--dry-run", "--json"}) {
                if (app[option]->count() == 0) { continue; }
                if (command == audit) { throw CLI::ValidationError(option, "expected a training, got an audit"); }
                if (command == compare && option != std::string("--json")) {
                    throw CLI::ValidationError(option, "expected one run, got the three of compare");
                }
            }
            if (!resumed && !settings.resume.empty()) {
                resumed = resume(app, settings, argc, argv);
                continue;
            }
            if (settings.save.empty()) {
                settings.save = settings.resume;  // and not to the one before it
                if (settings.save.ends_with(".prev")) { settings.save.resize(settings.save.size() - 5); }
            }
            check_files(settings);
            if (settings.save_every > 0 && settings.save.empty()) {
                throw CLI::ValidationError("--save-every", "expected --save too, got none");
            }
            derive(settings);
            return std::nullopt;
        } catch (const CLI::ParseError& error) {
            std::ostringstream out, wrong;
            const int code = app.exit(error, out, wrong);
            std::cout << gacc::escaped(out.str(), "\n");
            std::cerr << gacc::escaped(wrong.str(), "\n");
            return code == 0 ? done : usage;
        }
    }
}

/// So that no training is lost for a file that cannot be written.
void check_output(const std::string& file, const char* option, gacc::AtomicFile::Previous previous) {
    if (file.empty()) { return; }
    const auto folder = std::filesystem::absolute(file).parent_path();
    std::error_code unreadable;
    if (!std::filesystem::is_directory(folder, unreadable)) {
        std::ostringstream what;
        what << "expected the folder " << folder << ", got none";
        throw gacc::OutputError(option, what.str());
    }
    gacc::check_writable(file, std::string(option) + " \"" + file + '"', previous);
}

}  // namespace

int main(int argc, char** argv) {
    Settings settings;
    try {
        survive_full_files();
        Command command = run;
        std::optional<Resumed> resumed;
        if (const auto code = parse(settings, resumed, command, argc, argv)) { return *code; }
        check_output(settings.save, "--save", gacc::AtomicFile::Previous::keep);
        check_output(settings.export_to, "--export", gacc::AtomicFile::Previous::replace);
        gacc::set_threads(settings.threads);
        const auto data = gacc::load_mnist(settings.data, gacc::Split::train, reader);
        const auto test = gacc::load_mnist(settings.data, gacc::Split::test, reader);
        if (test.features() != data.features()) {
            throw gacc::DataError("gacc-mnist", "expected test images of " + std::to_string(data.features()) +
                                                    " pixels as for training, got " + std::to_string(test.features()));
        }
        if (!settings.save.empty()) {
            std::ostringstream digits;
            digits << std::hex << std::setw(16) << std::setfill('0') << gacc::fingerprint(data);
            settings.fingerprint = digits.str();
        }
        if (resumed) {
            check_network(settings, data.features());
            resumed->notes.push_back(check_data(settings, resumed->fingerprint));
            for (const std::string& note : resumed->notes) {
                if (!note.empty()) { std::cerr << gacc::escaped(note) << '\n'; }
            }
        }
        if (!settings.quiet) { std::cerr << gacc::threads() << " thread(s)\n"; }
        const int code = command(settings, data, test);
        std::cout.flush();
        if (!std::cout) { throw gacc::OutputError("gacc-mnist", "expected to write the results, got an error"); }
        return code;
    } catch (const Interrupted& at) {
        if (!nobody_reads(at.signal)) {
            std::cerr << "\ngacc: stopped in " << at.position << ", and saved. To go on:\n"
                      << resuming_command(settings, argc, argv) << '\n';
        }
        return interrupted + at.signal;
    } catch (const gacc::CheckpointError& error) {
        complain(error);
        return bad_checkpoint;
    } catch (const gacc::MemoryError& error) {
        complain(error);
        return over_budget;
    } catch (const std::bad_alloc&) {
        std::cerr << "gacc: gacc-mnist: expected memory for this model, got none; try smaller --hidden layers\n";
        return over_budget;
    } catch (const gacc::DataError& error) {
        complain(error);
        return bad_data;
    } catch (const gacc::NonFiniteError& error) {
        complain(error);
        return diverged;
    } catch (const gacc::OutputError& error) {
        complain(error);
        return output_failed;
    } catch (const std::exception& error) {
        complain(error);
        return usage;
    }
}
