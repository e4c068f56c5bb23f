#pragma once

// Ctrl-C as a wish that training looks for, and the command that goes on from there.

#include <csignal>
#include <string>
#include <vector>

/// While it lives, a first Ctrl-C (or SIGTERM) is only noted; a second one ends the program as ever.
class Interruption {
public:
    Interruption() {
        for (const int signal : {SIGINT, SIGTERM}) { std::signal(signal, note); }
    }
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    ~Interruption() {
        for (const int signal : {SIGINT, SIGTERM}) { std::signal(signal, SIG_DFL); }
    }

    /// The signal that came; 0: none.
    int signal() const { return noted; }

private:
    static void note(int signal) {
        noted = signal;
        std::signal(signal, SIG_DFL);
    }
    static inline volatile std::sig_atomic_t noted = 0;
};

/// The command line that was given, resuming `checkpoint`, for a shell.
inline std::string resuming_command(int argc, char** argv, const std::string& checkpoint) {
    std::vector<std::string> words;
    for (int i = 0; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--resume") {
            ++i;
        } else if (!word.starts_with("--resume=")) {
            words.push_back(word);
        }
    }
    words.insert(words.end(), {"--resume", checkpoint});
    std::string command;
    for (const std::string& word : words) {
        const bool plain = !word.empty() && word.find_first_not_of(
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                                "0123456789-_=+,./:@%") == std::string::npos;
        std::string quoted = "'";
        for (const char c : word) { quoted += c == '\'' ? "'\\''" : std::string(1, c); }
        command += (command.empty() ? "" : " ") + (plain ? word : quoted + "'");
    }
    return command;
}
