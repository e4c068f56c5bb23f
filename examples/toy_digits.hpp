#pragma once

#include <gacc/gacc.hpp>

/// Data for the examples that needs no file: digits as on a pocket calculator, in the size of MNIST (28 x 28), at
/// random places and with noise.
inline gacc::ImageDataset<float> toy_digits(gacc::Index samples, gacc::Rng& rng) {
    // Segments a to g (top, right up, right down, bottom, left down, left up, middle), one bit each.
    constexpr int lit[10] = {0b0111111, 0b0000110, 0b1011011, 0b1001111, 0b1100110,
                             0b1101101, 0b1111101, 0b0000111, 0b1111111, 0b1101111};
    struct Box {
        int top, left, height, width;
    };
    constexpr Box segments[7] = {{0, 0, 2, 10}, {0, 8, 9, 2}, {8, 8, 9, 2}, {15, 0, 2, 10},
                                 {8, 0, 9, 2},  {0, 0, 9, 2}, {7, 0, 2, 10}};

    gacc::Tensor<std::uint8_t> pixels({samples, 28, 28});
    gacc::Tensor<std::uint8_t> labels({samples});
    for (gacc::Index i = 0; i < samples; ++i) {
        const auto digit = static_cast<std::uint8_t>(rng.below(10));
        const auto down = 3 + static_cast<int>(rng.below(6)), right = 6 + static_cast<int>(rng.below(6));
        auto image = pixels.matrix().row(i).reshaped<Eigen::RowMajor>(28, 28);
        for (auto& pixel : image.reshaped()) { pixel = static_cast<std::uint8_t>(rng.below(48)); }
        for (int segment = 0; segment < 7; ++segment) {
            const auto& [top, left, height, width] = segments[segment];
            if ((lit[digit] >> segment & 1) != 0) {
                image.block(down + top, right + left, height, width).array() += std::uint8_t{128};
            }
        }
        labels.data()[i] = digit;
    }
    return {std::move(pixels), std::move(labels)};
}
