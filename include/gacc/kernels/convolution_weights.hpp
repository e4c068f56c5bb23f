#pragma once

#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/convolution_kernels.hpp>
#include <gacc/kernels/padded_band.hpp>

#include <algorithm>
#include <cstdint>

namespace gacc::inline GACC_ABI::detail {

/// The gradient of a convolution by its kernels, added to a buffer in the layout of ConvolutionKernels.
///
/// Every element is one chain of column_of_tiles, from the buffer on, through samples, rows and columns of grad_y in
/// order. So the cut does not change it. Threads share out elements of the result, never the sum.
template <class Scalar>
struct ConvolutionWeights {
    ConvolutionAxis rows, columns;
    Index samples;
    Images<const Scalar> x, grad_y;
    ConvolutionKernels<Scalar> layout;  // data is not used
    Scalar* grad;
    bool from_zero;  // the buffer counts as zeros; all its numbers are written

    void run() const {
        const Index depth = layout.depth(), pixels = samples * grad_y.height * grad_y.width;
        if (layout.groups == 1) {
            return share_product<Scalar>(depth, layout.out, pixels,
                                         [&](Range panels, Range ks) { add(0, panels, ks); });
        }
        if (from_zero) { std::fill_n(grad, Panels<Scalar>::size(layout.groups * layout.out, depth), Scalar(0)); }
        const Index panels = Panels<Scalar>::count(layout.out);
        const std::int64_t work = std::int64_t{pixels} * depth * layout.out * layout.groups;
        parallel_for(layout.groups, work, [&](Index first, Index last) {
            for (Index group = first; group < last; ++group) {
                for (Index p = 0; p < panels; ++p) { add(group, {p, p + 1}, {0, depth}); }
            }
        });
    }

private:
    static constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    /// Pixels of grad_y that are added before the sums go back to memory, and the numbers of x that they may read. A
    /// pixel of x and of a panel of grad_y should all stay in a first cache of 32 KiB.
    Index most_pixels() const {
        constexpr Index numbers = (Index{3} << 13) / static_cast<Index>(sizeof(Scalar));
        return std::clamp<Index>(numbers / (layout.in + width), 64, 192);
    }
    static constexpr Index most_of_band = (Index{1} << 18) / static_cast<Index>(sizeof(Scalar));

    /// The sums: panel p starts p * panel numbers after the first.
    struct Sums {
        Scalar* data;
        Index panel;
    };

    /// Samples and rows of grad_y whose terms are added at once: all rows of some samples, or some rows of one.
    struct Piece {
        Range samples, rows;
    };
    /// Of a piece. It depends on shapes alone, not on the samples of the call.
    Index most_samples() const {
        const Taps across = columns.forward();
        const Index of_row = (across.last(across.outputs - 1) - across.first(0)) * layout.in;
        const Index pixels = grad_y.height * grad_y.width, of_sample = of_row * band_rows({0, grad_y.height});
        return std::min(most_pixels() / pixels, most_of_band / of_sample);
    }
    template <class F>
    void for_pieces(const F& f) const {
        const Taps y = rows.forward(), across = columns.forward();
        const Index of_row = (across.last(across.outputs - 1) - across.first(0)) * layout.in;
        if (most_samples() > 1) {
            for_blocks({0, samples}, most_samples(), [&](Range block) { f(Piece{block, {0, grad_y.height}}); });
            return;
        }
        const Index most_rows = std::min(most_pixels() / grad_y.width, (most_of_band / of_row - rows.extent()) / y.stride);
        for (Index sample = 0; sample < samples; ++sample) {
            for_blocks({0, grad_y.height}, std::max<Index>(most_rows, 1),
                       [&](Range block) { f(Piece{{sample, sample + 1}, block}); });
        }
    }

    /// Calls f(in_buffer, number) for panel p of a group and a copy of it. With several groups, panels of the buffer do
    /// not begin at their channels.
    template <class F>
    void for_copy(Index group, Index p, Scalar* copy, const F& f) const {
        const Index depth = layout.depth(), first = group * layout.out + p * width;
        for (Index j = 0; j < std::min(width, layout.out - p * width); ++j) {
            Scalar* in_buffer = grad + layout.place(first + j, 0);
            for (Index k = 0; k < depth; ++k) { f(in_buffer[k * width], copy[k * width + j]); }
        }
    }

    /// Adds to some panels of a group, at depths ks.
    void add(Index group, Range panels, Range ks) const {
        const Taps y = rows.forward(), across = columns.forward();
        const Range read{across.first(0), across.last(across.outputs - 1)};
        const bool copies = read.first < 0 || read.last > x.width || y.first(0) < 0 ||
                            y.last(y.outputs - 1) > x.height;
        Index of_band = 0, pixels = 0;
        for_pieces([&](const Piece& piece) {
            of_band = std::max(of_band, piece.samples.size() * band_rows(piece.rows) * read.size() * layout.in);
            pixels = std::max(pixels, piece.samples.size() * piece.rows.size() * grad_y.width);
        });
        const Index of_panel = layout.depth() * width, of_copy = layout.groups > 1 ? of_panel : 0;
        const ThreadScratch::Numbers<Scalar> scratch(
            static_cast<std::size_t>((copies ? of_band : 0) + pixels * width + of_copy));
        Scalar* copy = scratch.data() + pixels * width;
        Scalar* band = copy + of_copy;
        Sums sums{grad, of_panel};
        bool zero = from_zero;
        if (of_copy > 0) {
            std::fill_n(copy, of_copy, Scalar(0));
            for_copy(group, panels.first, copy, [](const Scalar& in_buffer, Scalar& number) { number = in_buffer; });
            sums.data = copy - panels.first * of_panel;
            zero = false;
        }
        for_pieces([&](const Piece& piece) {
            const Index first_row = y.first(piece.rows.first), of_sample = band_rows(piece.rows) * read.size() * layout.in;
            WindowRuns<Scalar> a{band, 1, across.stride * layout.in, across.outputs, piece.rows.size(), 0, 0};
            Index row = read.size() * layout.in, sample = of_sample, pixel = layout.in;
            if (copies) {
                for (Index i = piece.samples.first; i < piece.samples.last; ++i) {
                    copy_band<Scalar>({x.data + group * layout.in, x.height, x.width, x.pixel}, i,
                                      {first_row, first_row + band_rows(piece.rows)}, read, layout.in,
                                      band + (i - piece.samples.first) * of_sample, layout.in);
                }
            } else {
                row = x.width * x.pixel, sample = x.sample(), pixel = x.pixel;
                a.data = x.at(piece.samples.first, first_row, read.first) + group * layout.in;
            }
            a.step = across.stride * pixel;
            a.jump = y.stride * row - a.run * a.step;
            a.leap = sample - (a.runs - 1) * y.stride * row - a.run * a.step;
            for (Index p = panels.first; p < panels.last; ++p) {
                copy_panel(group, p, piece, scratch.data());
                add_piece(p, ks, a, row, pixel, piece, scratch.data(), sums, zero);
            }
            zero = false;
        });
        if (of_copy > 0) {
            for_copy(group, panels.first, copy, [](Scalar& in_buffer, const Scalar& number) { in_buffer = number; });
        }
    }
    Index band_rows(Range outputs) const {
        const Taps y = rows.forward();
        return y.last(outputs.last - 1) - y.first(outputs.first);
    }

    /// Copies grad_y of a panel of channels, pixel by pixel, with zeros for missing channels.
    void copy_panel(Index group, Index p, const Piece& piece, Scalar* to) const {
        const Index count = std::min(width, layout.out - p * width);
        const Index pixels = piece.rows.size() * grad_y.width;
        for (Index sample = piece.samples.first; sample < piece.samples.last; ++sample, to += pixels * width) {
            copy_pixels<Scalar>(pixels, grad_y.at(sample, piece.rows.first, 0) + group * layout.out + p * width,
                                grad_y.pixel, count, to, width);
        }
    }

    /// Depths that lie side by side in x are rows of one product.
    void add_piece(Index p, Range ks, const WindowRuns<Scalar>& first, Index row, Index pixel, const Piece& piece,
                   const Scalar* b, Sums sums, bool zero) const {
        const bool dense = columns.dilation == 1 && pixel == layout.in;
        const Index together = dense ? columns.kernel * layout.in : layout.in;
        for (Index k = ks.first; k < ks.last;) {
            const Index tap = k / layout.in, here = std::min(ks.last, (k / together + 1) * together) - k;
            const Index down = tap / columns.kernel * rows.dilation;
            const Range inside = most_samples() > 1 ? piece.rows : rows_inside(piece.rows, down);
            const Index left_out = (inside.first - piece.rows.first) * grad_y.width;
            const Index pixels = piece.samples.size() * inside.size() * grad_y.width;
            WindowRuns<Scalar> a = first;
            a.data += down * row + tap % columns.kernel * columns.dilation * pixel + k % layout.in;
            a.data += (inside.first - piece.rows.first) * rows.stride * row;
            a.runs = inside.size();
            Scalar* to = sums.data + p * sums.panel + k * width;
            const PanelRows<const Scalar> from =
                zero ? PanelRows<const Scalar>{zeros<Scalar>.data(), 0} : PanelRows<const Scalar>{to, width};
            if (layout.out - p * width > lanes) {
                multiply_panel(here, pixels, a, b + left_out * width, from, {to, width});
            } else {
                if (zero && lanes < width) { clear_right(here, to); }
                multiply_panel<1>(here, pixels, a, b + left_out * width, from, {to, width});
            }
            k += here;
        }
    }
    /// Rows of grad_y whose windows have row `down` inside of x. Only these are added, if a piece has rows of one sample.
    Range rows_inside(Range outputs, Index down) const {
        const Taps y = rows.forward();
        const auto is_outside = [&](Index output) {
            const Index row = y.first(output) + down;
            return row < 0 || row >= x.height;
        };
        while (outputs.size() > 0 && is_outside(outputs.first)) { ++outputs.first; }
        while (outputs.size() > 0 && is_outside(outputs.last - 1)) { --outputs.last; }
        return outputs;
    }
    static void clear_right(Index count, Scalar* to) {
        for (Index k = 0; k < count; ++k) { std::fill_n(to + k * width + lanes, lanes, Scalar(0)); }
    }
};

}  // namespace gacc::detail
