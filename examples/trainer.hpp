#pragma once

// A program that trains, with gradients accumulated over micro-batches or without: gacc-mnist, gacc-images and gacc-text.
//
//   ranks.hpp, group.hpp   one process, or several that train together
//   trainer_settings.hpp   what the command line says
//   trainer_resume.hpp     what is asked of a checkpoint that it resumes
//   trainer_saving.hpp     its files, and the exit codes
//   trainer_evaluation.hpp loss and accuracy on the test images
//   trainer_log.hpp        the lines of --log and --tensorboard
//   trainer_run.hpp        one training by epochs, which can be interrupted and resumed
//   trainer_results.hpp    what it found, as text or as JSON, on standard output
//   trainer_commands.hpp   run, compare or audit
//   trainer_main           the whole program, and its exit code
//
// gacc-text trains by steps (text_run.hpp).
//
// What differs from program to program is in its Program:
//
//   name, description, less_memory    texts; the last says what to do if there is not enough memory
//   samples                           what samples are called
//   validates_each_epoch              whether the line of an epoch ends with the accuracy on the test images, as it does
//                                     with a log
//   run(settings, data, ranks)        trains, and returns the exit code
//   subcommands()                     what else it can do
//   Settings                          derives from TrainerSettings, with the program's defaults
//   add_options(app, settings)        all options of the command line
//   check(settings)                   throws CLI::ValidationError if they contradict each other
//   recorded(settings)                those on which the result depends
//   noted(settings), complete(notes)  which of them a checkpoint keeps, and those that it left out
//   Data(settings)                    loads training() and what validates
//   is_data_file(name)                whether the folder of the data may have such a file
//   network(settings, data)           the model
//   parameters(settings, data)        names and shapes of its parameters, without their memory
//   optimizer(parameters, settings)   with the first learning rate

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "interruption.hpp"
#include "ranks.hpp"
#include "trainer_commands.hpp"
#include "trainer_resume.hpp"
#include "trainer_saving.hpp"
#include "trainer_settings.hpp"

/// What the command line asks for.
template <class Program>
using Command = int (*)(const typename Program::Settings&, const typename Program::Data&, Ranks&);

/// Refuses --save and --export where they would replace the data, or be taken for data later.
template <class Program>
void check_data_files(const TrainerSettings& settings) {
    const auto previous = settings.save.empty() ? std::filesystem::path() : gacc::previous_file(settings.save);
    const std::pair<const char*, std::filesystem::path> outputs[] = {
        {"--save", settings.save}, {"--save", previous}, {"--export", settings.export_to}};
    std::error_code none;
    const auto refuse = [](const char* option, const std::string& name) {
        throw CLI::ValidationError(option, "expected another file than the data, got " + gacc::escaped(name));
    };
    for (const auto& [option, path] : outputs) {
        const std::string name = path.filename().string();
        if (!path.empty() && !std::filesystem::is_directory(settings.data, none) &&
            gacc::same_file(settings.data, path)) {
            refuse(option, name);
        }
        if (std::filesystem::equivalent(path.parent_path().empty() ? "." : path.parent_path(), settings.data, none) &&
            Program::is_data_file(name)) {
            refuse(option, name);
        }
    }
    for (const auto& entry : std::filesystem::directory_iterator(settings.data, none)) {
        const std::string name = entry.path().filename().string();
        if (!Program::is_data_file(name)) { continue; }
        for (const auto& [option, path] : outputs) {
            if (!path.empty() && gacc::same_file(entry.path(), path)) { refuse(option, name); }
        }
    }
}

/// Refuses an --export that would replace a checkpoint, or the one before it that saving keeps as .prev.
template <class Program>
void check_files(const TrainerSettings& settings) {
    check_data_files<Program>(settings);
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
template <class Program>
std::optional<int> parse(typename Program::Settings& settings, std::optional<Resumed>& resumed,
                         Command<Program>& command, Ranks& ranks, int argc, char** argv) {
    for (;;) {
        settings = {};
        settings.ranks = ranks.count();
        CLI::App app(Program::description, Program::name);
        Program::add_options(app, settings);
        const auto subcommands = Program::subcommands();
        for (const auto& each : subcommands) { app.add_subcommand(each.name, each.description)->fallthrough(); }
        app.require_subcommand(0, 1);
        try {
            if (resumed) {
                std::ranges::reverse(resumed->arguments);  // as parse() takes them
                app.parse(resumed->arguments);
            } else {
                app.parse(argc, argv);
            }
            command = Program::run;
            for (const auto& each : subcommands) {
                if (!app.got_subcommand(each.name)) { continue; }
                if (ranks.count() > 1) {
                    throw CLI::ValidationError(each.name, "expected one rank, got " + std::to_string(ranks.count()));
                }
                command = each.command;
                for (const char* option : each.refused) {
                    if (app[option]->count() > 0) { throw CLI::ValidationError(option, each.instead); }
                }
            }
            if (!resumed && !settings.resume.empty()) {
                resumed = resume<Program>(app, settings, argc, argv);
                continue;
            }
            if (settings.save.empty()) {
                settings.save = settings.resume;  // and not to the one before it
                if (settings.save.ends_with(".prev")) { settings.save.resize(settings.save.size() - 5); }
            }
            check_files<Program>(settings);
            if (settings.save_every > 0 && settings.save.empty()) {
                throw CLI::ValidationError("--save-every", "expected --save too, got none");
            }
            derive(settings);
            Program::check(settings);
            return std::nullopt;
        } catch (const CLI::ParseError& error) {
            std::ostringstream out, wrong;
            const int code = app.exit(error, out, wrong);
            std::cout << gacc::escaped(out.str(), "\n");
            return code == 0 ? done : ranks.fail(gacc::escaped(wrong.str(), "\n"), usage);
        }
    }
}

/// So that no training is lost for a file that cannot be written.
inline void check_output(const std::string& file, const char* option, gacc::AtomicFile::Previous previous) {
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

template <class E>
bool is(const std::exception& error) {
    return dynamic_cast<const E*>(&error) != nullptr;
}

inline int exit_code(const std::exception& error) {
    if (is<gacc::CheckpointError>(error)) { return bad_checkpoint; }
    if (is<gacc::MemoryError>(error)) { return over_budget; }
    if (is<gacc::DataError>(error)) { return bad_data; }
    if (is<gacc::NonFiniteError>(error)) { return diverged; }
    if (is<gacc::OutputError>(error)) { return output_failed; }
    return usage;
}

/// The program on one of its ranks.
template <class Program>
int trainer_main(Ranks& ranks, int argc, char** argv) {
    typename Program::Settings settings;
    try {
        survive_full_files();
        Command<Program> command = Program::run;
        std::optional<Resumed> resumed;
        if (const auto code = parse<Program>(settings, resumed, command, ranks, argc, argv)) { return *code; }
        if (ranks.first()) {
            check_output(settings.save, "--save", gacc::AtomicFile::Previous::keep);
            check_output(settings.export_to, "--export", gacc::AtomicFile::Previous::replace);
        }
        ranks.set_threads(settings.threads);
        const typename Program::Data data(settings);
        if (!settings.save.empty() || ranks.count() > 1) {
            std::ostringstream digits;
            digits << std::hex << std::setw(16) << std::setfill('0') << gacc::fingerprint(data.training());
            settings.fingerprint = digits.str();
        }
        if (resumed) {
            gacc::checkpoint_info(settings.resume).expect(Program::parameters(settings, data));
            resumed->notes.push_back(check_data(settings, resumed->fingerprint));
            for (const std::string& note : resumed->notes) {
                if (!note.empty()) { std::clog << gacc::escaped(note) << '\n'; }
            }
        }
        if (!settings.quiet) {
            if (ranks.count() > 1) {
                std::clog << ranks.count() << " ranks, " << settings.lanes << " lanes, each with ";
            }
            std::clog << gacc::threads() << " thread(s)\n";
        }
        const int code = command(settings, data, ranks);
        std::cout.flush();
        if (!std::cout) { throw gacc::OutputError(Program::name, "expected to write the results, got an error"); }
        return code;
    } catch (const Interrupted& at) {
        if (!nobody_reads(at.signal)) {
            std::clog << "\ngacc: stopped in " << at.position << ", and saved. To go on:\n"
                      << resuming_command<Program>(settings, argc, argv) << '\n';
        }
        return interrupted + at.signal;
    } catch (const std::bad_alloc&) {
        return ranks.fail(std::string("gacc: ") + Program::name + ": expected memory for this model, got none; " +
                              Program::less_memory(settings) + '\n',
                          over_budget);
    } catch (const std::exception& error) {
        return ranks.fail(gacc::escaped(error.what()) + '\n', exit_code(error));
    }
}

/// The whole program.
template <class Program>
int trainer_main(int argc, char** argv) {
    try {
        Ranks ranks(argc, argv);
        return trainer_main<Program>(ranks, argc, argv);
    } catch (const std::exception& error) {
        std::cerr << gacc::escaped(error.what()) << '\n';
        return exit_code(error);
    }
}
