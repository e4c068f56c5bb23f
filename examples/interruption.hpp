#pragma once

// Notes signals, so that training can save before it ends.

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>

#ifndef _WIN32
#include <signal.h>
#endif

/// While it lives, a signal that would end the program is only noted: Ctrl-C, SIGTERM, and if the system has them
/// SIGHUP (the terminal is closed), SIGXCPU (the time is nearly used up) and SIGPIPE (nobody reads stderr any more).
///
/// A second Ctrl-C or SIGTERM ends the program at once. The other signals may come several times by themselves, so they
/// are only noted. A signal that was ignored before (by nohup, or by a shell for its background jobs) stays ignored.
class Interruption {
public:
    Interruption() {
        noted = 0;
        for (std::size_t i = 0; i < signals.size(); ++i) {
#ifdef _WIN32
            before_[i] = std::signal(signals[i], note);
            if (before_[i] == SIG_IGN) { std::signal(signals[i], SIG_IGN); }
#else
            sigaction(signals[i], nullptr, &before_[i]);
            if (before_[i].sa_handler == SIG_IGN) { continue; }
            struct sigaction action {};
            action.sa_handler = note;
            sigemptyset(&action.sa_mask);
            action.sa_flags = SA_RESTART;
            if (signals[i] == SIGINT || signals[i] == SIGTERM) { action.sa_flags |= static_cast<int>(SA_RESETHAND); }
            sigaction(signals[i], &action, nullptr);
#endif
        }
    }
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    ~Interruption() {
        for (std::size_t i = 0; i < signals.size(); ++i) {
#ifdef _WIN32
            std::signal(signals[i], before_[i]);
#else
            sigaction(signals[i], &before_[i], nullptr);
#endif
        }
    }

    /// The first signal that came; 0 if there was none.
    int signal() const { return noted; }

private:
    static void note(int signal) {
        int none = 0;
        noted.compare_exchange_strong(none, signal);
    }
    static inline std::atomic<int> noted = 0;
    static_assert(std::atomic<int>::is_always_lock_free);  // a handler may only use lock-free ones

#ifdef _WIN32
    static constexpr std::array signals{SIGINT, SIGTERM};
    std::array<void (*)(int), signals.size()> before_{};
#else
    static constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGXCPU, SIGPIPE};
    std::array<struct sigaction, signals.size()> before_{};
#endif
};

/// Whether the signal means that nobody reads the output.
inline bool nobody_reads([[maybe_unused]] int signal) {
#ifdef _WIN32
    return false;
#else
    return signal == SIGPIPE;
#endif
}

/// From here on, a file that would grow beyond `ulimit -f` is an error of the writing call. It does not end the
/// program.
inline void survive_full_files() {
#ifndef _WIN32
    std::signal(SIGXFSZ, SIG_IGN);
#endif
}
