#pragma once

// Without MPI: the only rank. ranks_mpi.hpp has the same for several.

#include <gacc/gacc.hpp>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <variant>

#include "one_rank.hpp"

class Processes {
public:
    Processes(int&, char**&, bool /*several*/) {}

    static gacc::Index rank() { return 0; }
    static gacc::Index count() { return 1; }
    static gacc::Index on_this_machine() { return 1; }
    static void unite(std::span<std::byte>) {}
    [[noreturn]] static void end(int code) { std::exit(code); }
};

using Training = std::variant<std::unique_ptr<OneRank>>;

inline Training make_training(Processes&, gacc::Sequential<float>& model, gacc::Optimizer<float>& optimizer,
                              gacc::Index lanes) {
    return std::make_unique<OneRank>(model, optimizer, lanes);
}
