#pragma once

#include <gacc/core/random.hpp>
#include <gacc/core/shape.hpp>
#include <gacc/layers/size2d.hpp>

#include <array>
#include <cstdint>

namespace gacc::test {

/// From 1 to `most`.
inline Index up_to(Rng& rng, Index most) { return 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(most))); }

/// The shape of a random small image, at least this large.
inline Shape random_image(Rng& rng, Size2d least = 1) {
    const std::array<Index, 4> channels{1, 3, 17, up_to(rng, 40)};
    return {least.height + up_to(rng, 6) - 1, least.width + up_to(rng, 6) - 1, channels[rng.below(4)]};
}

/// Windows of a pooling layer.
struct RandomWindows {
    Size2d kernel, stride, padding;

    explicit RandomWindows(Rng& rng)
        : kernel{up_to(rng, 4), up_to(rng, 4)}, stride{up_to(rng, 5), up_to(rng, 5)},
          padding{up_to(rng, kernel.height / 2 + 1) - 1, up_to(rng, kernel.width / 2 + 1) - 1} {
        if (rng.below(3) == 0) { stride = 0; }
    }
};

}  // namespace gacc::test
