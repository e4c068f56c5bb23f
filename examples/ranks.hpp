#pragma once

// The ranks of a trainer. There are several if mpirun starts it and CMake has found MPI; else there is one.

#include <gacc/gacc.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <span>
#include <streambuf>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#ifdef GACC_TRAINERS_WITH_MPI
#include "ranks_mpi.hpp"
#else
#include "ranks_alone.hpp"
#endif

using gacc::Index;

/// As many ranks as mpirun says that it has started: 1 if it has not started this program, 0 if it does not say how
/// many.
inline Index started_ranks() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {  // Open MPI's, MPICH's
        if (const char* number = std::getenv(name)) { return static_cast<Index>(std::atoi(number)); }
    }
    return std::getenv("PMIX_RANK") != nullptr ? 0 : 1;
}

/// The processes of the program. MPI is initialized only if mpirun has started several: that takes part of a second.
///
/// Output     std::cout and std::clog are silent on all ranks but the first
/// Throws     UsageError if there is one rank though mpirun has started several: they would all write the same files
class Ranks {
public:
    Ranks(int& argc, char**& argv) : processes_(argc, argv, started_ranks() != 1) {
        if (count() < started_ranks()) {
            throw gacc::UsageError("mpirun",
                                   "expected a program for the " + std::to_string(started_ranks()) +
                                       " ranks that it has started, got one for a single rank; build it where CMake "
                                       "finds MPI, and start it with the mpirun of that MPI");
        }
        if (first()) { return; }
        before_ = {std::cout.rdbuf(&nowhere_), std::clog.rdbuf(&nowhere_)};
    }
    Ranks(const Ranks&) = delete;
    Ranks& operator=(const Ranks&) = delete;
    ~Ranks() {
        if (first()) { return; }
        std::cout.rdbuf(before_.first);
        std::clog.rdbuf(before_.second);
    }

    Index rank() const { return processes_.rank(); }
    Index count() const { return processes_.count(); }
    bool first() const { return rank() == 0; }
    Processes& processes() { return processes_; }

    /// Sets the threads of this rank. With 0 the ranks of a machine share its processors.
    void set_threads(int threads) {
        gacc::set_threads(threads);
        const Index here = processes_.on_this_machine();
        if (threads == 0 && here > 1) { gacc::set_threads(std::max(gacc::threads() / static_cast<int>(here), 1)); }
    }

    /// Tells an error, and returns its exit code. On several ranks it ends all of them with that code.
    int fail(const std::string& text, int code) {
        if (count() == 1) {
            std::cerr << text << std::flush;
            return code;
        }
        // Often all ranks have the same error. Then the first one tells it, and this one is ended before it does.
        if (!first()) { std::this_thread::sleep_for(std::chrono::milliseconds(500)); }
        std::cerr << "rank " + std::to_string(rank()) + ": " + text << std::flush;
        processes_.end(code);
    }

    /// The sum of all ranks' numbers.
    Index sum(Index number) {
        std::vector<Index> all(static_cast<std::size_t>(count()));
        all[static_cast<std::size_t>(rank())] = number;
        processes_.unite(std::as_writable_bytes(std::span(all)));
        return std::accumulate(all.begin(), all.end(), Index{0});
    }

private:
    struct Nowhere : std::streambuf {
        int_type overflow(int_type c) override { return traits_type::not_eof(c); }
    };
    Nowhere nowhere_;
    std::pair<std::streambuf*, std::streambuf*> before_{};
    Processes processes_;
};
