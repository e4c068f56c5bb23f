#pragma once

// The command that goes on from a checkpoint.

#include <string>
#include <vector>

#include "mnist_settings.hpp"
#include "terminal.hpp"

/// The command line that was given, resuming the checkpoint that it saves, for a shell.
inline std::string resuming_command(const Settings& settings, int argc, char** argv) {
    std::vector<std::string> words;
    bool with_data = false;
    for (int i = 0; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--resume") {
            ++i;
        } else if (!word.starts_with("--resume=")) {
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
