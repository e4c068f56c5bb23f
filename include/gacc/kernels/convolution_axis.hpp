#pragma once

#include <gacc/core/sizes.hpp>
#include <gacc/core/types.hpp>
#include <gacc/kernels/blocks.hpp>

#include <algorithm>
#include <numeric>

namespace gacc::inline GACC_ABI::detail {

/// Which numbers of a source the outputs along one axis of an image read: tap t of output i is at
/// origin + i * stride + t * spacing. Places outside of the source count as zeros.
struct Taps {
    Index origin;
    Index stride;
    Index spacing;
    Index taps;
    Index outputs;
    Index place, place_step;  // output i is element place + i * place_step of the result
    Index index, index_step;  // tap t is element index + t * index_step of the kernel

    /// The taps of an output that are inside of a source of this size.
    Range inside(Index output, Index size) const {
        const Index start = first(output);
        const Index begin = start < 0 ? (-start + spacing - 1) / spacing : 0;
        const Index end = start < size ? (size - start + spacing - 1) / spacing : 0;
        return {std::min(begin, taps), std::clamp(end, std::min(begin, taps), taps)};
    }

    Index first(Index output) const { return origin + output * stride; }
    /// One past the last tap.
    Index last(Index output) const { return first(output) + (taps - 1) * spacing + 1; }
};

/// A convolution along one axis of an image.
struct ConvolutionAxis {
    Index size;
    Index kernel;
    Index stride;
    Index padding;
    Index dilation;

    /// Numbers from the first to the last tap of the kernel, with both.
    Index extent() const { return sum_of(product_of(kernel - 1, dilation), 1); }
    Index padded() const { return sum_of(size, product_of(2, padding)); }
    Index outputs() const { return (padded() - extent()) / stride + 1; }

    /// y from x.
    Taps forward() const {
        return {-padding, stride, dilation, kernel, outputs(), 0, 1, 0, 1};
    }

    /// grad_x from grad_y, for the elements phase, phase + stride, ... of grad_x. Element i of x meets tap k of the
    /// kernel in output (i + padding - k * dilation) / stride, if that is a whole number. So the elements of a phase
    /// meet the same taps. Going up in grad_y means going down in the kernel.
    Taps gradient(Index phase) const {
        const Index common = std::gcd(stride, dilation), step = stride / common;
        const Index outputs = (size - phase + stride - 1) / stride;
        for (Index first = 0; first < step && first < kernel; ++first) {
            if ((phase + padding - first * dilation) % stride != 0) { continue; }
            const Index taps = (kernel - 1 - first) / step + 1, last = first + (taps - 1) * step;
            const Index origin = (phase + padding - last * dilation) / stride;
            return {origin, 1, dilation / common, taps, outputs, phase, stride, last, -step};
        }
        return {0, 1, 1, 0, outputs, phase, stride, 0, 0};
    }
    /// Phases that have elements.
    Index phases() const { return stride < size ? stride : size; }
};

}  // namespace gacc::detail
