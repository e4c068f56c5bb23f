#pragma once

// The settings that the command lines of the trainers share.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <utility>

using gacc::Index;

struct TrainerSettings {
    std::string data;  // a folder or a file
    Index batch_size = 128;
    Index micro_batch = 0;   // 0: 32, or what fits the memory
    Index accumulate = 0;    // micro-batches a batch; 0: follows from micro_batch
    std::size_t memory = 0;  // bytes for training; 0: no limit
    bool recompute = false;
    bool dry_run = false;
    double learning_rate = 1e-3;
    int threads = 0;
    Index lanes = 0;  // 0: 1, or 8 on several ranks
    Index ranks = 1;
    std::uint64_t seed = 1;
    gacc::NonFinite non_finite = gacc::NonFinite::stop;
    std::string save;         // a checkpoint
    std::string resume;       // likewise
    bool other_data = false;  // allow other data than those of the resumed run
    Index save_every = 0;     // steps; 0: only at the end
    std::string export_to;    // the parameters alone
    std::string log;          // lines of numbers
    std::string tensorboard;  // a folder of them
    Index seeds = 1;          // runs
    bool quiet = false;
    bool json = false;
    std::string fingerprint;  // of the training data; empty: not needed
};

/// Those of a training that passes over its data so many times.
struct EpochSettings : TrainerSettings {
    Index epochs = 2;
    std::string schedule = "linear";
};

/// What differs in the descriptions of the options.
struct OptionTexts {
    const char* data;
    const char* learning_rate;
    std::string samples = "Samples";
};

/// From 1 to the largest number of steps, samples and the like.
inline CLI::Range positive() {
    constexpr auto most = std::min<std::int64_t>(std::int64_t{1} << 40, std::numeric_limits<Index>::max());
    return {Index{1}, static_cast<Index>(most)};
}

inline void add_trainer_options(CLI::App& app, TrainerSettings& settings, const OptionTexts& texts) {
    constexpr auto most_bytes =
        std::min<std::uint64_t>(std::uint64_t{1} << 50, std::numeric_limits<std::size_t>::max());
    app.add_option("--data", settings.data, texts.data)->capture_default_str();
    app.add_option("--batch-size", settings.batch_size, texts.samples + " of one optimizer step")
        ->check(positive())
        ->capture_default_str();
    auto* micro = app.add_option("--micro-batch", settings.micro_batch, texts.samples + " of one forward and backward pass")
                      ->check(positive())
                      ->default_str("32, or what fits --memory");
    auto* accumulate =
        app.add_option("--accumulate", settings.accumulate, "Instead of --micro-batch: how many of them make a batch")
            ->check(positive())
            ->excludes(micro);
    app.add_option("--memory", settings.memory,
                   "Budget of training, a whole number as 12MiB or 9500KiB: chooses the micro-batch")
        ->transform(CLI::AsSizeValue(true))
        ->check(CLI::Range(std::size_t{1},
                           static_cast<std::size_t>(most_bytes)))  // -1 would become the largest number
        ->excludes(accumulate);
    app.add_flag("--recompute", settings.recompute, "Drop activations and compute them again: less memory, more time");
    auto* dry_run = app.add_flag("--dry-run", settings.dry_run, "Print what training would take, and stop");
    app.add_option("--learning-rate", settings.learning_rate, texts.learning_rate)
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
    app.add_option("--threads", settings.threads, "0: as many as the machine has, shared by its ranks")
        ->check(CLI::Range(0, 64))
        ->capture_default_str();
    app.add_option("--lanes", settings.lanes,
                   "Parts of a batch that are added up apart from each other, as many as ranks or more. The result "
                   "depends on them, but not on the ranks")
        ->check(CLI::Range(Index{1}, Index{1'000'000}))
        ->default_str("1, or 8 on several ranks of mpirun");
    app.add_option("--seed", settings.seed, "Of the first weights and the order of the samples")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--non-finite", settings.non_finite,
                   "What to do with a micro-batch whose loss or gradient is infinite or not a number: stop, or skip "
                   "it, which takes the memory of the gradients once more, beyond the plan")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, gacc::NonFinite>{{"stop", gacc::NonFinite::stop}, {"skip", gacc::NonFinite::skip}}))
        ->default_str("stop");
    app.add_option("--save", settings.save, "Save a checkpoint here, at the end and when interrupted (Ctrl-C)");
    app.add_option("--save-every", settings.save_every, "Save it every so many steps too")->check(positive());
    auto* resume = app.add_option(
        "--resume", settings.resume,
        "Go on from this checkpoint, with its options (but --data) where none are given, and save to it unless "
        "--save names another");
    app.add_flag("--other-data", settings.other_data, "Go on with other training data than the checkpoint's")
        ->needs(resume);
    app.add_option("--export", settings.export_to, "Write the trained parameters here (safetensors)");
    app.add_option("--log", settings.log,
                   "Append numbers after each step to this file: CSV if it ends with .csv, else JSON Lines, which "
                   "bench/curves draws. It takes the memory of an eighth of the gradients, beyond the plan");
    app.add_option("--tensorboard", settings.tensorboard, "Write the same to this folder, for TensorBoard");
    app.add_option("--seeds", settings.seeds, "Train so many times, with --seed and those after it: prints mean and spread")
        ->check(CLI::Range(Index{1}, Index{10'000}))
        ->capture_default_str();
    app.add_flag("--quiet", settings.quiet, "No progress on standard error");
    app.add_flag("--json", settings.json, "Results as JSON")->excludes(dry_run);
}

inline void add_epoch_options(CLI::App& app, EpochSettings& settings) {
    app.add_option("--epochs", settings.epochs, "Passes over the data")->check(positive())->capture_default_str();
    app.add_option("--schedule", settings.schedule, "Of the learning rate: linear (falls to 0) or constant")
        ->check(CLI::IsMember({"linear", "constant"}))
        ->capture_default_str();
}

/// Sets the lanes, and micro_batch or accumulate, whichever was not given. Sets neither of these if a memory budget
/// decides.
///
/// Throws     CLI::ValidationError if the given options contradict each other
inline void derive(TrainerSettings& settings) {
    const Index batch = settings.batch_size;
    if (settings.lanes == 0) { settings.lanes = settings.ranks > 1 ? 8 : 1; }
    if (!std::isfinite(settings.learning_rate)) {
        throw CLI::ValidationError("--learning-rate",
                                   "expected a finite number, got " + std::to_string(settings.learning_rate));
    }
    if (settings.seeds > 1 && !(settings.save.empty() && settings.resume.empty() && settings.export_to.empty() &&
                                settings.log.empty() && settings.tensorboard.empty() && !settings.dry_run)) {
        throw CLI::ValidationError("--seeds", "expected no --save, --resume, --export, --log, --tensorboard or --dry-run "
                                              "with several seeds, got one of them");
    }
    if (settings.accumulate > batch) {
        throw CLI::ValidationError("--accumulate", "expected at most the " + std::to_string(batch) +
                                                       " samples of a batch, got " +
                                                       std::to_string(settings.accumulate));
    }
    if (settings.accumulate == 0 && settings.micro_batch == 0) {
        if (settings.memory > 0) { return; }  // the plan chooses
        settings.micro_batch = 32;
    }
    if (settings.accumulate > 0) { settings.micro_batch = (batch + settings.accumulate - 1) / settings.accumulate; }
    settings.micro_batch = std::min(settings.micro_batch, batch);
    const Index pieces = (batch + settings.micro_batch - 1) / settings.micro_batch;
    if (settings.accumulate > 0 && pieces != settings.accumulate) {
        throw CLI::ValidationError("--accumulate", "expected a number of micro-batches that " + std::to_string(batch) +
                                                       " samples can be cut into, got " +
                                                       std::to_string(settings.accumulate) + "; try " +
                                                       std::to_string(pieces));
    }
    settings.accumulate = pieces;
}

/// A number with all its bits.
inline std::string exact(double number) {
    std::ostringstream out;
    out << std::setprecision(17) << number;
    return out.str();
}

/// Those of these options on which the result depends, for a checkpoint.
inline gacc::Settings recorded_trainer(const TrainerSettings& settings) {
    return {{"batch-size", std::to_string(settings.batch_size)},
            {"non-finite", settings.non_finite == gacc::NonFinite::skip ? "skip" : "stop"},
            {"lanes", std::to_string(settings.lanes)},
            {"learning-rate", exact(settings.learning_rate)},
            {"seed", std::to_string(settings.seed)}};
}
inline gacc::Settings recorded_epochs(const EpochSettings& settings) {
    gacc::Settings all = recorded_trainer(settings);
    all.emplace("epochs", std::to_string(settings.epochs));
    all.emplace("schedule", settings.schedule);
    return all;
}
