#pragma once

// Checks of a checkpoint before a trainer continues from it, and the command that does that.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "terminal.hpp"
#include "trainer_settings.hpp"

/// The beginning of errors about a checkpoint.
inline std::string resuming(const std::string& checkpoint) { return "--resume \"" + checkpoint + '"'; }

/// Other values would make another model, or take other samples for each step.
inline bool stays_as_in_checkpoint(std::string_view option) {
    constexpr std::string_view all[] = {"batch-size", "bytes", "heads",  "lanes",  "layers",
                                        "model",      "seed",  "stride", "tokens", "width"};
    return std::ranges::find(all, option) != std::end(all);
}

inline constexpr auto fingerprint_key = "data-fingerprint";

/// The notes about the run in a checkpoint. They do not name one lane, as when there were none.
template <class Program>
gacc::Settings noted(const typename Program::Settings& settings) {
    gacc::Settings all = Program::noted(settings);
    if (settings.lanes == 1) { all.erase("lanes"); }
    if (!settings.fingerprint.empty()) { all.emplace(fingerprint_key, settings.fingerprint); }
    return all;
}

/// Whether the program can have written this value.
template <class Program>
bool can_be_recorded(const std::string& name, const std::string& value) {
    typename Program::Settings settings;
    CLI::App app;
    Program::add_options(app, settings);
    try {
        app.parse(std::vector<std::string>{"--" + name + "=" + value});
        derive(settings);
        Program::check(settings);
    } catch (const CLI::ParseError&) { return false; }
    return Program::recorded(settings).at(name) == value;
}

/// The command line with the options of the checkpoint.
struct Resumed {
    std::vector<std::string> arguments;      // all arguments; the checkpoint's where none are given
    std::vector<std::string> notes;          // for the user
    std::optional<std::string> fingerprint;  // of the training data
};

/// Throws     CheckpointError if the checkpoint cannot be read, has settings that the program does not write, or
///            contradicts a given option
template <class Program>
Resumed resume(const CLI::App& app, const typename Program::Settings& settings, int argc, char** argv) {
    const std::string where = resuming(settings.resume);
    Resumed result{.arguments = {argv + 1, argv + argc}, .notes = {}, .fingerprint = {}};
    gacc::Settings in_file = gacc::checkpoint_settings(settings.resume);
    in_file.emplace("lanes", "1");
    Program::complete(in_file);
    for (const auto& [name, value] : Program::recorded(settings)) {
        const auto found = in_file.find(name);
        if (found == in_file.end()) { continue; }
        if (!can_be_recorded<Program>(name, found->second)) {
            throw gacc::CheckpointError(where, "expected a --" + name + " that " + Program::name + " takes, got \"" +
                                                   found->second.substr(0, 80) + "\" in the checkpoint");
        }
        if (app["--" + name]->count() == 0) {
            result.arguments.push_back("--" + name + "=" + found->second);
        } else if (found->second != value) {
            if (stays_as_in_checkpoint(name)) {
                throw gacc::CheckpointError(where, "expected --" + name + ' ' + found->second +
                                                       " as in the checkpoint, got " + value);
            }
            result.notes.push_back("gacc: " + where + ": from here on with --" + name + ' ' + value +
                                   ", not the checkpoint's " + found->second);
        }
    }
    const auto found = in_file.find(fingerprint_key);
    if (found != in_file.end()) { result.fingerprint = found->second; }
    return result;
}

/// Compares the training data with the fingerprint in the checkpoint. Returns a note for the user, or an empty text.
///
/// Throws     CheckpointError if they are other data, unless --other-data allows it
inline std::string check_data(const TrainerSettings& settings, const std::optional<std::string>& fingerprint) {
    const std::string where = resuming(settings.resume);
    if (!fingerprint) {
        return "gacc: " + where + ": it has no fingerprint of its training data, so these may be others";
    }
    if (*fingerprint == settings.fingerprint) { return ""; }
    if (settings.other_data) { return "gacc: " + where + ": from here on with other training data"; }
    throw gacc::CheckpointError(
        where, "expected the training data of the checkpoint (fingerprint " + fingerprint->substr(0, 80) +
                   "), got others (fingerprint " + settings.fingerprint +
                   "); give --data the same folder, or --other-data to go on with these");
}

/// Throws     CheckpointError if more epochs or steps are done than the run shall have
inline void check_done(const TrainerSettings& settings, Index done, Index all, const std::string& what) {
    if (done <= all) { return; }
    throw gacc::CheckpointError(resuming(settings.resume),
                                "expected a checkpoint within " + std::to_string(all) + ' ' + what + ", got one after " +
                                    std::to_string(done) + "; give more --" + what);
}

/// `unit` is what samples are called.
///
/// Throws     CheckpointError if training on this data, in batches of this size, cannot continue from this position
inline void check_position(const TrainerSettings& settings, const gacc::DataPosition& position, Index samples,
                           Index batch_size, const std::string& unit) {
    const auto refuse = [&](const auto&... what) {
        std::ostringstream text;
        (text << ... << what);
        throw gacc::CheckpointError(resuming(settings.resume), text.str());
    };
    if (!position.drawn && position.batch == 0 && position.sample == 0) { return; }  // between two epochs
    if (position.data_size != samples) {
        refuse("expected the ", position.data_size, " training ", unit, " of the checkpoint, got ", samples);
    }
    if (position.batch_size != batch_size) {
        refuse("expected batches of ", position.batch_size, " as in the checkpoint, got ", batch_size);
    }
    const Index batches = samples / batch_size + (samples % batch_size != 0 ? 1 : 0);
    const Index left = position.batch < batches ? samples - position.batch * batch_size : 0;  // samples of this batch and on
    if (position.batch > batches || position.sample > std::min(left, batch_size)) {
        refuse("expected a place within an epoch of ", samples, ' ', unit, ", got batch ", position.batch + 1,
               " after ", position.sample, ' ', unit, " of it");
    }
}

/// The given command line, for a shell, changed so that it resumes from the checkpoint that it saves. It names no option
/// of mpirun but the number of ranks.
template <class Program>
std::string resuming_command(const typename Program::Settings& settings, int argc, char** argv) {
    std::vector<std::string> words;
    if (settings.ranks > 1) { words = {"mpirun", "-n", std::to_string(settings.ranks)}; }
    bool with_data = false;
    for (int i = 0; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--resume") {
            ++i;
        } else if (!word.starts_with("--resume=") && word != "--other-data") {  // whose data the checkpoint has now
            words.push_back(word);
            with_data = with_data || word == "--data" || word.starts_with("--data=");
        }
    }
    if (!with_data && settings.data != typename Program::Settings().data) {  // from the environment
        words.insert(words.end(), {"--data", settings.data});
    }
    words.insert(words.end(), {"--resume", settings.save});
    std::string command;
    for (const std::string& word : words) { command += (command.empty() ? "" : " ") + shell_word(word); }
    return command;
}

/// The parameters of a network that takes little memory.
inline std::vector<std::pair<std::string, gacc::Shape>> names_and_shapes(gacc::Sequential<float> model) {
    std::vector<std::pair<std::string, gacc::Shape>> all;
    for (const auto& parameter : model.parameters()) { all.push_back({parameter.name(), parameter.shape()}); }
    return all;
}
