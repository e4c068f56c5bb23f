#pragma once

#include <array>

/// The network that all peers train: Linear layers of these widths with ReLU between them.
inline constexpr std::array<long, 5> widths = {784, 512, 256, 128, 10};

/// Floating-point operations of the forward and backward products of one sample (the first layer has no grad_x).
inline constexpr double flops_per_sample() {
    double flops = 0;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
        const auto weights = static_cast<double>(widths[i] * widths[i + 1]);
        flops += (i == 0 ? 2 : 3) * 2 * weights;
    }
    return flops;
}
