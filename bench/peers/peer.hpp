#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>

/// What bench/peers/compare talks to. Each line "batch micro_batch steps" on standard input asks for so many training
/// steps; the answer is one line with the seconds of each. `step(batch, micro_batch)` does one.
template <class Step>
int serve(Step step) {
    long batch = 0, micro_batch = 0, steps = 0;
    while (std::scanf("%ld %ld %ld", &batch, &micro_batch, &steps) == 3) {
        for (long i = 0; i < steps; ++i) {
            const auto start = std::chrono::steady_clock::now();
            step(batch, micro_batch);
            const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
            std::printf("%.9f ", seconds.count());
        }
        std::puts("");
        std::fflush(stdout);
    }
    return 0;
}
