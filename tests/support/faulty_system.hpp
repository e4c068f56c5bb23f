#pragma once

#include <cstddef>
#include <map>
#include <string>

/// Lets a test make the system calls of saving a file fail. The linker puts these functions in place of the calls
/// (--wrap). They do not fail unless a Fault lives.
struct Fault {
    std::string call;    ///< open, write, fsync, close, link, rename, flock, fchmod, fchown
    int which = 1;       ///< the first, the second, ...
    int error = 0;       ///< errno of the call, which then does nothing
    bool again = false;  ///< whether it fails ever after, too
    struct {
        std::string call;
        int which = 1, error = 0;
    } also;                    ///< a second call that fails
    bool short_write = false;  ///< instead: writes one byte, and says so

    Fault(std::string name, int number, int code) : call(std::move(name)), which(number), error(code) { begin(); }
    Fault() { begin(); }
    Fault(const Fault&) = delete;
    Fault& operator=(const Fault&) = delete;
    ~Fault() { current = nullptr; }

    std::map<std::string, int> calls;  ///< made so far

    static inline Fault* current = nullptr;

private:
    void begin() { current = this; }
};
