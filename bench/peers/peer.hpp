#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

/// Seconds by the clock on the wall; or those that the process computed, if the environment sets GACC_PEER_CPU. On a
/// machine that others use too, one thread is timed better by these.
inline double peer_seconds() {
    static const bool of_cpu = std::getenv("GACC_PEER_CPU") != nullptr;
    if (of_cpu) { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What bench/peers/compare talks to. Each line "batch micro_batch steps" on standard input asks for so many training
/// steps; the answer is one line with the seconds of each. `step(batch, micro_batch)` does one.
template <class Step>
int serve(Step step) {
    long batch = 0, micro_batch = 0, steps = 0;
    while (std::scanf("%ld %ld %ld", &batch, &micro_batch, &steps) == 3) {
        for (long i = 0; i < steps; ++i) {
            const double start = peer_seconds();
            step(batch, micro_batch);
            std::printf("%.9f ", peer_seconds() - start);
        }
        std::puts("");
        std::fflush(stdout);
    }
    return 0;
}
