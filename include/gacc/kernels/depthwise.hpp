#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/convolution_kernels.hpp>
#include <gacc/kernels/padded_band.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

namespace gacc::inline GACC_ABI::detail {

/// A convolution with one kernel for each channel, forward or by its gradient, as Convolution for as many groups as
/// channels. A packet holds channels side by side, so there is no product. It takes as long as its numbers need from
/// memory. Every element is one chain of multiply-adds, from the bias or from zero, through rows and columns.
template <class Scalar>
struct Depthwise {
    ConvolutionAxis rows, columns;
    ConvolutionKernels<Scalar> kernels;
    Index samples;
    bool gradient;  // grad_x from grad_y
    Images<const Scalar> source;
    Images<Scalar> result;
    const Scalar* bias;  // for every channel, padded to whole panels; or null

    void run() const {
        const Index most = taps(rows, 0).outputs;
        const std::int64_t work = std::int64_t{samples} * result.height * result.width * kernels.groups *
                                  (kernels.height * kernels.width + 4);
        parallel_for(samples * most, work, [&](Index first, Index last) {
            while (first < last) {
                const Index sample = first / most, begin = first % most;
                const Range here{begin, std::min(most, begin + last - first)};
                rows_of(sample, here);
                first += here.size();
            }
        });
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    /// The most numbers of a band of the source: about the first cache.
    static constexpr Index most_of_band = (Index{1} << 15) / static_cast<Index>(sizeof(Scalar));

    Taps taps(const ConvolutionAxis& axis, Index phase) const {
        return gradient ? axis.gradient(phase) : axis.forward();
    }

    /// Some rows of all phases of a sample.
    void rows_of(Index sample, Range outputs) const {
        for (Index i = 0; i < (gradient ? rows.phases() : 1); ++i) {
            const Taps y = taps(rows, i);
            const Range here{outputs.first, std::min(outputs.last, y.outputs)};
            for (Index j = 0; j < (gradient ? columns.phases() : 1) && here.size() > 0; ++j) {
                rows_of_phase(sample, here, y, taps(columns, j));
            }
        }
    }
    void rows_of_phase(Index sample, Range outputs, const Taps& y, const Taps& x) const {
        const Index room = (kernels.groups + lanes - 1) / lanes * lanes;
        const bool reads = y.taps > 0 && x.taps > 0;
        const Range read{x.origin, reads ? x.last(x.outputs - 1) : x.origin};
        const Index of_row = read.size() * room, extent = reads ? y.last(0) - y.first(0) : 0;
        const Index block = reads ? std::max<Index>((most_of_band / of_row - extent) / y.stride + 1, 1) : outputs.size();
        const ThreadScratch::Numbers<Scalar> band(static_cast<std::size_t>(
            reads ? of_row * (extent + (std::min(block, outputs.size()) - 1) * y.stride) : 0));
        for_blocks(outputs, block, [&](Range here) {
            if (reads) {
                copy_band<Scalar>(source, sample, {y.first(here.first), y.last(here.last - 1)}, read, kernels.groups,
                                  band.data(), room);
            }
            for (Index output = here.first; output < here.last; ++output) {
                const Scalar* from = band.data() + (output - here.first) * y.stride * of_row;
                row(y, reads ? x : none(x), from, of_row, room,
                    result.at(sample, y.place + output * y.place_step, x.place));
            }
        });
    }
    static Taps none(Taps x) {
        x.taps = 0;
        return x;
    }

    /// A row of pixels of the result. `of_row` numbers are from one row of the band to the next, `pixel` to the next pixel.
    void row(const Taps& y, const Taps& x, const Scalar* from, Index of_row, Index pixel, Scalar* to) const {
        const Index step = x.place_step * result.pixel, next = x.stride * pixel;
        for (Index c = 0; c < kernels.groups; c += lanes) {
            const auto some = [&]<Index count>(std::integral_constant<Index, count>, Index i) {
                for (; i + count <= x.outputs; i += count) {
                    pixels<count>(y, x, from + i * next + c, of_row, pixel, c, to + i * step + c, step);
                }
                return i;
            };
            Index i = some(std::integral_constant<Index, 8>(), 0);
            i = some(std::integral_constant<Index, 4>(), i);
            some(std::integral_constant<Index, 1>(), i);
        }
    }

    /// A packet of channels of some pixels, whose chains go on at once.
    template <Index Count>
    void pixels(const Taps& y, const Taps& x, const Scalar* from, Index of_row, Index pixel, Index channel, Scalar* to,
                Index step) const {
        const Index count = std::min(lanes, kernels.groups - channel), next = x.stride * pixel;
        std::array<Scalar, static_cast<std::size_t>(lanes)> numbers{};
        if (bias != nullptr) { std::copy_n(bias + channel, count, numbers.data()); }
        Packet sums[Count];
        for (Packet& sum : sums) { sum = load_packet(numbers.data()); }
        const Scalar* of_channel = kernels.data + kernels.place(channel, y.index * kernels.width + x.index);
        for (Index i = 0; i < y.taps; ++i) {
            const Scalar* kernel = of_channel + i * y.index_step * kernels.width * width;
            const Scalar* here = from + i * y.spacing * of_row;
            for (Index j = 0; j < x.taps; ++j) {
                const Packet factor = load_packet(kernel);
#pragma GCC unroll 8
                for (Index p = 0; p < Count; ++p) { sums[p] = multiply_add(load_packet(here + p * next), factor, sums[p]); }
                kernel += x.index_step * width;
                here += x.spacing * pixel;
            }
        }
#pragma GCC unroll 8
        for (Index p = 0; p < Count; ++p) {
            if (count == lanes) {
                store_packet(to + p * step, sums[p]);
            } else {
                store_packet(numbers.data(), sums[p]);
                std::copy_n(numbers.data(), count, to + p * step);
            }
        }
    }
};

/// The gradient of a Depthwise by its kernels, added to a buffer in the layout of ConvolutionKernels. Every element is
/// one chain from the buffer on, through samples, rows and columns of grad_y in order. Threads share out channels.
template <class Scalar>
struct DepthwiseWeights {
    ConvolutionAxis rows, columns;
    Index samples;
    Images<const Scalar> x, grad_y;
    ConvolutionKernels<Scalar> layout;  // data is not used
    Scalar* grad;
    bool from_zero;  // the buffer counts as zeros; all its numbers are written

    void run() const {
        const Index taps = layout.height * layout.width, packets = (layout.groups + lanes - 1) / lanes;
        if (from_zero) { std::fill_n(grad, Panels<Scalar>::size(layout.groups, taps), Scalar(0)); }
        const std::int64_t work = std::int64_t{samples} * grad_y.height * grad_y.width * layout.groups * (taps + 4);
        parallel_for(packets, work, [&](Index first, Index last) {
            for (Index sample = 0; sample < samples; ++sample) { add_sample(sample, {first, last}); }
        });
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    /// The most taps whose chains go on at once, and the most numbers of a band of x: about the first cache.
    static constexpr Index together = 9, most_of_band = (Index{1} << 15) / static_cast<Index>(sizeof(Scalar));

    /// Adds the terms of a sample, for some packets of channels.
    void add_sample(Index sample, Range packets) const {
        const Taps y = rows.forward(), across = columns.forward();
        const Range read{across.first(0), across.last(across.outputs - 1)};
        const Index first = packets.first * lanes, room = packets.size() * lanes;
        const Index channels = std::min(room, layout.groups - first), of_row = read.size() * room;
        const Index block = std::clamp<Index>((most_of_band / of_row - rows.extent()) / y.stride + 1, 1, grad_y.height);
        const Index of_factors = block * grad_y.width * room;
        const ThreadScratch::Numbers<Scalar> scratch(
            static_cast<std::size_t>(of_factors + of_row * (rows.extent() + (block - 1) * y.stride)));
        Scalar* band = scratch.data() + of_factors;
        for_blocks({0, grad_y.height}, block, [&](Range here) {
            copy_pixels<Scalar>(here.size() * grad_y.width, grad_y.at(sample, here.first, 0) + first, grad_y.pixel,
                                channels, scratch.data(), room);
            copy_band<Scalar>({x.data + first, x.height, x.width, x.pixel}, sample,
                              {y.first(here.first), y.last(here.last - 1)}, read, channels, band, room);
            const Index taps = layout.height * layout.width;
            for (Index c = 0; c < room; c += lanes) {
                for_blocks({0, taps}, together, [&](Range some) {
                    add_taps(some, here.size(), {band + c, of_row, room, across.stride * room, y.stride * of_row},
                             scratch.data() + c, grad + layout.place(first + c, 0));
                });
            }
        });
    }

    /// The copy of x: numbers from one row or pixel to the next, and from the pixel of an output to that of the next.
    struct Band {
        const Scalar* data;
        Index row, pixel;
        Index across, down;
    };

    template <Index Count = together>
    void add_taps(Range some, Index outputs_down, const Band& band, const Scalar* factor, Scalar* to) const {
        if constexpr (Count > 1) {
            if (some.size() < Count) { return add_taps<Count - 1>(some, outputs_down, band, factor, to); }
        }
        Index from[Count];
        Packet sums[Count];
        for (Index i = 0; i < Count; ++i) {
            const Index tap = some.first + i;
            from[i] = tap / columns.kernel * rows.dilation * band.row + tap % columns.kernel * columns.dilation * band.pixel;
            sums[i] = load_packet(to + tap * width);
        }
        for (Index row = 0; row < outputs_down; ++row) {
            const Scalar* here = band.data + row * band.down;
            for (Index column = 0; column < grad_y.width; ++column) {
                const Packet number = load_packet(factor);
#pragma GCC unroll 9
                for (Index i = 0; i < Count; ++i) {
                    sums[i] = multiply_add(load_packet(here + from[i]), number, sums[i]);
                }
                here += band.across;
                factor += band.pixel;
            }
        }
        for (Index i = 0; i < Count; ++i) { store_packet(to + (some.first + i) * width, sums[i]); }
    }
};

}  // namespace gacc::detail
