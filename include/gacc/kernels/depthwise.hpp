#pragma once

#include <gacc/core/parallel.hpp>
#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/convolution_kernels.hpp>
#include <gacc/kernels/padded_band.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

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
            for (Index i = first; i < last; ++i) { row_of(i / most, i % most); }
        });
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    static constexpr Index together = 4;  // pixels, whose chains go on at once

    Taps taps(const ConvolutionAxis& axis, Index phase) const {
        return gradient ? axis.gradient(phase) : axis.forward();
    }

    /// Row `output` of all phases of a sample.
    void row_of(Index sample, Index output) const {
        for (Index i = 0; i < (gradient ? rows.phases() : 1); ++i) {
            const Taps y = taps(rows, i);
            if (output >= y.outputs) { continue; }
            for (Index j = 0; j < (gradient ? columns.phases() : 1); ++j) { row_of(sample, output, y, taps(columns, j)); }
        }
    }
    void row_of(Index sample, Index output, const Taps& y, const Taps& x) const {
        const Index channels = kernels.groups, room = (channels + lanes - 1) / lanes * lanes;
        const Range read{x.origin, x.taps > 0 ? x.last(x.outputs - 1) : x.origin};
        const ThreadScratch::Numbers<Scalar> band(static_cast<std::size_t>(y.taps * read.size() * room));
        for (Index tap = 0; tap < y.taps && x.taps > 0; ++tap) {
            const Index row = y.first(output) + tap * y.spacing;
            copy_band<Scalar>(source, sample, {row, row + 1}, read, channels, band.data() + tap * read.size() * room,
                              room);
        }
        Scalar* to = result.at(sample, y.place + output * y.place_step, x.place);
        const Index step = x.place_step * result.pixel;
        for (Index c = 0; c < channels; c += lanes) {
            const Index count = std::min(lanes, channels - c);
            Index i = 0;
            for (; i + together <= x.outputs; i += together) {
                pixels<together>(y, x, band.data() + i * x.stride * room + c, read.size() * room, room, c,
                                 to + i * step + c, step, count);
            }
            for (; i < x.outputs; ++i) {
                pixels<1>(y, x, band.data() + i * x.stride * room + c, read.size() * room, room, c, to + i * step + c,
                          step, count);
            }
        }
    }

    template <Index Count>
    void pixels(const Taps& y, const Taps& x, const Scalar* from, Index row, Index pixel, Index channel, Scalar* to,
                Index step, Index count) const {
        std::array<Scalar, static_cast<std::size_t>(lanes)> numbers{};
        if (bias != nullptr) { std::copy_n(bias + channel, count, numbers.data()); }
        Packet sums[Count];
        for (Packet& sum : sums) { sum = load_packet(numbers.data()); }
        const Scalar* kernel = kernels.data + kernels.place(channel, 0);
        for (Index i = 0; i < y.taps; ++i) {
            for (Index j = 0; j < x.taps; ++j) {
                const Index tap = (y.index + i * y.index_step) * kernels.width + x.index + j * x.index_step;
                const Packet factor = load_packet(kernel + tap * width);
                const Scalar* here = from + i * row + j * x.spacing * pixel;
#pragma GCC unroll 4
                for (Index p = 0; p < Count; ++p) {
                    sums[p] = multiply_add(load_packet(here + p * x.stride * pixel), factor, sums[p]);
                }
            }
        }
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
            for (Index sample = 0; sample < samples; ++sample) {
                for (Index row = 0; row < grad_y.height; ++row) { add_row(sample, row, {first, last}); }
            }
        });
    }

private:
    using Packet = typename Simd<Scalar>::Packet;
    static constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    static constexpr Index together = 8;  // taps, whose chains go on at once

    /// Adds the terms of a row of grad_y, for some packets of channels.
    void add_row(Index sample, Index row, Range packets) const {
        const Taps y = rows.forward(), across = columns.forward();
        const Range read{across.first(0), across.last(across.outputs - 1)};
        const Index first = packets.first * lanes, room = packets.size() * lanes;
        const Index channels = std::min(room, layout.groups - first), of_row = read.size() * room;
        const ThreadScratch::Numbers<Scalar> scratch(
            static_cast<std::size_t>(y.taps * of_row + grad_y.width * room));
        Scalar* band = scratch.data() + grad_y.width * room;
        copy_pixels<Scalar>(grad_y.width, grad_y.at(sample, row, 0) + first, grad_y.pixel, channels, scratch.data(),
                            room);
        for (Index tap = 0; tap < y.taps; ++tap) {
            const Index from = y.first(row) + tap * y.spacing;
            copy_band<Scalar>({x.data + first, x.height, x.width, x.pixel}, sample, {from, from + 1}, read, channels,
                              band + tap * of_row, room);
        }
        for (Index c = 0; c < room; c += lanes) {
            const auto source = [&](Index tap) {
                return band + tap / columns.kernel * of_row + tap % columns.kernel * across.spacing * room + c;
            };
            Scalar* to = grad + layout.place(first + c, 0);
            const Index taps = layout.height * layout.width;
            Index tap = 0;
            for (; tap + together <= taps; tap += together) {
                add_taps<together>(source, tap, across.stride * room, scratch.data() + c, room, to);
            }
            for (; tap < taps; ++tap) { add_taps<1>(source, tap, across.stride * room, scratch.data() + c, room, to); }
        }
    }

    template <Index Count, class Source>
    void add_taps(const Source& source, Index first, Index step, const Scalar* factor, Index room, Scalar* to) const {
        const Scalar* from[Count];
        Packet sums[Count];
        for (Index i = 0; i < Count; ++i) {
            from[i] = source(first + i);
            sums[i] = load_packet(to + (first + i) * width);
        }
        for (Index column = 0; column < grad_y.width; ++column) {
            const Packet here = load_packet(factor + column * room);
#pragma GCC unroll 8
            for (Index i = 0; i < Count; ++i) {
                sums[i] = multiply_add(load_packet(from[i] + column * step), here, sums[i]);
            }
        }
        for (Index i = 0; i < Count; ++i) { store_packet(to + (first + i) * width, sums[i]); }
    }
};

}  // namespace gacc::detail
