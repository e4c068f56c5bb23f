#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/error.hpp>
#include <gacc/kernels/tile.hpp>

#include <algorithm>
#include <chrono>

/// Multiply-adds that one core can do at most, in floating-point operations (two each) a second: twelve chains that
/// need nothing but registers, the best of several short runs.
///
/// Throws     Error if a chain is not what so many multiply-adds make of it: the compiler has left some out
inline double peak_flops() {
    using namespace Eigen::internal;
    using Packet = gacc::detail::Simd<float>::Packet;
    constexpr int chains = 12, rounds = 200'000, lanes = gacc::detail::Simd<float>::lanes;
    double best = 0;
    for (int run = 0; run < 20; ++run) {
        Packet factor = pset1<Packet>(0.5F), sum[chains];
        for (int i = 0; i < chains; ++i) { sum[i] = pset1<Packet>(static_cast<float>(i)); }
        const auto start = std::chrono::steady_clock::now();
        for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
            for (auto& chain : sum) {
                gacc::detail::pin(factor);  // or its square is computed once, where there is no fused multiply-add
                chain = pmadd(factor, factor, chain);
            }
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        for (int i = 0; i < chains; ++i) {
            const float expected = static_cast<float>(i) + 0.25F * rounds;
            if (predux_max(sum[i]) != expected || predux_min(sum[i]) != expected) {
                throw gacc::Error("peak_flops", "expected all multiply-adds to be done, got fewer");
            }
        }
        best = std::max(best, 2.0 * chains * rounds * lanes / seconds);
    }
    return best;
}

/// Seconds that Adam's memory traffic takes on one core for so many parameters: one pass that reads values, gradients
/// and both moments and writes all but the gradients, the best of several.
inline double adam_traffic_seconds(gacc::Index parameters) {
    using namespace Eigen::internal;
    using Packet = gacc::detail::Simd<float>::Packet;
    constexpr gacc::Index lanes = gacc::detail::Simd<float>::lanes;
    gacc::Buffer<float> value(parameters + lanes), grad(parameters + lanes), m(parameters + lanes),
        v(parameters + lanes);
    double best = 1;
    for (int run = 0; run < 50; ++run) {
        const auto start = std::chrono::steady_clock::now();
        for (gacc::Index i = 0; i < parameters; i += lanes) {
            const Packet g = pload<Packet>(&grad[i]);
            pstore(&value[i], padd(pload<Packet>(&value[i]), g));
            pstore(&m[i], padd(pload<Packet>(&m[i]), g));
            pstore(&v[i], padd(pload<Packet>(&v[i]), g));
        }
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best;
}
