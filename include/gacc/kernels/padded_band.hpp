#pragma once

#include <gacc/kernels/blocks.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>

#include <algorithm>

namespace gacc::inline GACC_ABI::detail {

/// Images of several samples, one after the other. A pixel has its channels side by side.
template <class Scalar>
struct Images {
    Scalar* data;
    Index height, width;
    Index pixel;  // numbers from one pixel to the next

    Index sample() const { return height * width * pixel; }
    Scalar* at(Index sample_index, Index row, Index column) const {
        return data + ((sample_index * height + row) * width + column) * pixel;
    }
};

/// Copies `channels` numbers of each pixel, for pixels that may lie apart in either place. If `room` is more, it fills
/// the rest of a copied pixel with zeros.
template <class Scalar>
void copy_pixels(Index pixels, const Scalar* from, Index from_pixel, Index channels, Scalar* to, Index room) {
    constexpr Index lanes = Simd<Scalar>::lanes;
    if (from_pixel == channels && room == channels) {
        std::copy_n(from, pixels * channels, to);
        return;
    }
    for (Index i = 0; i < pixels; ++i, from += from_pixel, to += room) {
        Index c = 0;
        for (; c + lanes <= channels; c += lanes) { store_packet(to + c, load_packet(from + c)); }
        for (; c < channels; ++c) { to[c] = from[c]; }
        for (; c < room; ++c) { to[c] = 0; }
    }
}

/// Copies rows and columns of an image, with `room` numbers for each pixel, of which the first `channels` are copied.
/// Pixels outside of the image, and the rest of a pixel, become zeros.
template <class Scalar>
void copy_band(const Images<const Scalar>& image, Index sample, Range rows, Range columns, Index channels, Scalar* to,
               Index room) {
    const Index first = std::clamp<Index>(columns.first, 0, image.width);
    const Index last = std::clamp<Index>(columns.last, first, image.width);
    const Index left = std::min(first - columns.first, columns.size());
    for (Index row = rows.first; row < rows.last; ++row, to += columns.size() * room) {
        if (row < 0 || row >= image.height || first == last) {
            std::fill_n(to, columns.size() * room, Scalar(0));
            continue;
        }
        std::fill_n(to, left * room, Scalar(0));
        copy_pixels(last - first, image.at(sample, row, first), image.pixel, channels, to + left * room, room);
        const Index done = left + last - first;
        std::fill_n(to + done * room, (columns.size() - done) * room, Scalar(0));
    }
}

}  // namespace gacc::detail
