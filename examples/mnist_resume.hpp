#pragma once

// Checks of a checkpoint before gacc-mnist continues from it, and the command that does that.

#include <gacc/gacc.hpp>
#include <gacc/io/checkpoint.hpp>

#include <CLI/CLI.hpp>

#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "mnist_settings.hpp"
#include "terminal.hpp"

/// The beginning of errors about a checkpoint.
inline std::string resuming(const std::string& checkpoint) { return "--resume \"" + checkpoint + '"'; }

inline constexpr auto fingerprint_key = "data-fingerprint";

/// The notes about the run in a checkpoint.
inline gacc::Settings noted(const Settings& settings) {
    gacc::Settings all = recorded(settings);
    if (!settings.fingerprint.empty()) { all.emplace(fingerprint_key, settings.fingerprint); }
    return all;
}

/// Whether recorded() can have written this value.
inline bool can_be_recorded(const std::string& name, const std::string& value) {
    Settings settings;
    CLI::App app;
    add_options(app, settings);
    try {
        app.parse(std::vector<std::string>{"--" + name + "=" + value});
        derive(settings);
    } catch (const CLI::ParseError&) { return false; }
    return recorded(settings).at(name) == value;
}

/// The command line with the options of the checkpoint.
struct Resumed {
    std::vector<std::string> arguments;      // all arguments; the checkpoint's where none are given
    std::vector<std::string> notes;          // for the user
    std::optional<std::string> fingerprint;  // of the training data
};

/// Throws     CheckpointError if the checkpoint cannot be read, has settings that gacc-mnist does not write, or
///            contradicts a given option
inline Resumed resume(const CLI::App& app, const Settings& settings, int argc, char** argv) {
    const std::string where = resuming(settings.resume);
    Resumed result{.arguments = {argv + 1, argv + argc}, .notes = {}, .fingerprint = {}};
    const gacc::Settings in_file = gacc::checkpoint_settings(settings.resume);
    for (const auto& [name, value] : recorded(settings)) {
        const auto found = in_file.find(name);
        if (found == in_file.end()) { continue; }
        if (!can_be_recorded(name, found->second)) {
            throw gacc::CheckpointError(where, "expected a --" + name + " that gacc-mnist takes, got \"" +
                                                   found->second.substr(0, 80) + "\" in the checkpoint");
        }
        if (app["--" + name]->count() == 0) {
            result.arguments.push_back("--" + name + "=" + found->second);
        } else if (found->second != value) {
            if (name == "batch-size" || name == "seed") {
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
inline std::string check_data(const Settings& settings, const std::optional<std::string>& fingerprint) {
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

/// Checks that the parameters of the network are in the file, before the network takes any memory.
///
/// Throws     CheckpointError with the names and shapes that differ
inline void check_network(const Settings& settings, Index features) {
    std::vector<Index> widths = settings.hidden;
    widths.push_back(10);
    std::vector<std::pair<std::string, gacc::Shape>> parameters;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        const std::string layer = std::to_string(2 * i);
        parameters.push_back({layer + ".weight", {widths[i], i == 0 ? features : widths[i - 1]}});
        parameters.push_back({layer + ".bias", {widths[i]}});
    }
    gacc::checkpoint_info(settings.resume).expect(parameters);
}

/// Throws     CheckpointError if training on this data, in batches of this size, cannot continue from this position
inline void check_position(const Settings& settings, const gacc::DataPosition& position, Index samples, Index batch_size) {
    const auto refuse = [&](const auto&... what) {
        std::ostringstream text;
        (text << ... << what);
        throw gacc::CheckpointError(resuming(settings.resume), text.str());
    };
    if (position.epoch > settings.epochs) {
        refuse("expected a checkpoint within ", settings.epochs, " epochs, got one after ", position.epoch,
               "; give more --epochs");
    }
    if (!position.drawn && position.batch == 0 && position.sample == 0) { return; }  // between two epochs
    if (position.data_size != samples) {
        refuse("expected the ", position.data_size, " training samples of the checkpoint, got ", samples);
    }
    if (position.batch_size != batch_size) {
        refuse("expected batches of ", position.batch_size, " as in the checkpoint, got ", batch_size);
    }
    const Index batches = samples / batch_size + (samples % batch_size != 0 ? 1 : 0);
    const Index left = position.batch < batches ? samples - position.batch * batch_size : 0;  // samples of this batch and on
    if (position.batch > batches || position.sample > std::min(left, batch_size)) {
        refuse("expected a place within an epoch of ", samples, " samples, got batch ", position.batch + 1, " after ",
               position.sample, " samples of it");
    }
}

/// The given command line, for a shell, changed so that it resumes from the checkpoint that it saves.
inline std::string resuming_command(const Settings& settings, int argc, char** argv) {
    std::vector<std::string> words;
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
    if (!with_data && settings.data != Settings().data) {  // from GACC_DATA
        words.insert(words.end(), {"--data", settings.data});
    }
    words.insert(words.end(), {"--resume", settings.save});
    std::string command;
    for (const std::string& word : words) { command += (command.empty() ? "" : " ") + shell_word(word); }
    return command;
}
