#pragma once

// The files of a training, and the exit codes of the trainers.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>
#include <gacc/io/safetensors.hpp>

#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include "group.hpp"
#include "trainer_resume.hpp"
#include "trainer_settings.hpp"

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

/// Tells an error that does not end the program.
inline void complain(const std::exception& error) { std::clog << gacc::escaped(error.what()) << '\n'; }

/// Loads the checkpoint that the settings name, and tells which of the optimizer's options are others than the program's.
inline void load(gacc::Checkpoint<float>& checkpoint, const TrainerSettings& settings, const std::string& optimizer) {
    for (const auto& option : checkpoint.load(settings.resume)) {
        if (option.name.ends_with("learning_rate")) { continue; }  // of all groups: --learning-rate and --schedule decide
        std::clog << gacc::escaped("gacc: " + resuming(settings.resume) + ": " + optimizer + "'s " + option.name)
                  << " is the checkpoint's " << option.in_checkpoint << ", not the program's " << option.in_program
                  << '\n';
    }
}

/// Saves a checkpoint, if a file is named. All ranks call it.
class Saving {
public:
    Saving(Group& group, const gacc::Checkpoint<float>& checkpoint, std::string path, gacc::Settings notes, bool live)
        : group_(group), checkpoint_(checkpoint), path_(std::move(path)), notes_(std::move(notes)), live_(live) {}

    void save() {
        if (!path_.empty()) { group_.save(checkpoint_, path_, notes_); }
    }
    /// The same, but training goes on if it fails. The first failure is told.
    void save_on_the_way() {
        try {
            save();
        } catch (const gacc::OutputError& error) {
            if (std::exchange(told_, true)) { return; }
            if (live_) { std::clog << '\n'; }
            complain(error);
            std::clog << "gacc: goes on training, and tries again to save\n";
        }
    }

    bool first() const { return group_.ranks().first(); }

private:
    Group& group_;
    const gacc::Checkpoint<float>& checkpoint_;
    std::string path_;
    gacc::Settings notes_;
    bool live_;
    bool told_ = false;
};

/// Throws     NonFiniteError if the trained parameters are not finite
inline void check_finite(gacc::Sequential<float>& model, const char* program) {
    for (const auto& parameter : model.parameters()) {
        if (!parameter.value().allFinite()) {
            throw gacc::NonFiniteError(program, "expected finite parameters, got others in " + parameter.name() +
                                                    "; try a smaller --learning-rate");
        }
    }
}

/// Writes the checkpoint and the export at the end. Returns the exit code: the results are shown even if it fails.
inline int write_files(Saving& saving, const TrainerSettings& settings, gacc::Sequential<float>& model) {
    int not_written = 0;
    const auto write = [&](const auto& file) {
        try {
            file();
        } catch (const gacc::Error& error) {
            complain(error);
            const bool not_finite = dynamic_cast<const gacc::NonFiniteError*>(&error) != nullptr;
            not_written = not_finite ? diverged : output_failed;
        }
    };
    write([&] { saving.save(); });
    if (!settings.export_to.empty() && saving.first()) {
        write([&] { gacc::save_safetensors(settings.export_to, model.parameters()); });
    }
    return not_written;
}
