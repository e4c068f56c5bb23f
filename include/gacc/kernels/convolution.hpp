#pragma once

#include <gacc/core/thread_scratch.hpp>
#include <gacc/kernels/convolution_kernels.hpp>
#include <gacc/kernels/padded_band.hpp>

#include <algorithm>
#include <array>
#include <cstdint>

namespace gacc::inline GACC_ABI::detail {

/// A convolution of images, forward or by its gradient: y from x, or grad_x from grad_y.
///
/// Both are products: a row of A is the window of one pixel of the result, B are the kernels. There is no matrix of all
/// windows: the rows of A overlap in the source. If windows reach over its left or right border, some of its rows are
/// copied, with zeros beside them. Rows of windows above and below the source are left out. Every element is one chain
/// of column_of_tiles, which starts from the bias or from zero and goes through rows, columns and channels of the source.
template <class Scalar>
struct Convolution {
    ConvolutionAxis rows, columns;
    ConvolutionKernels<Scalar> kernels;
    Index samples;
    bool gradient;  // grad_x from grad_y
    Images<const Scalar> source;
    Images<Scalar> result;
    const Scalar* bias;  // for every channel of the result, padded to whole panels; or null

    void run() const {
        const Index panels = kernels.groups * panels_of_group(), outputs = samples * most_rows();
        const std::int64_t work = std::int64_t{samples} * rows.outputs() * columns.outputs() * kernels.depth() *
                                  kernels.out * kernels.groups;
        const bool by_panel = gradient && panels >= threads();
        parallel_for(by_panel ? panels : outputs, work, [&](Index first, Index last) {
            if (by_panel) {
                part({first, last}, {0, outputs});
            } else {
                part({0, panels}, {first, last});
            }
        });
    }

private:
    static constexpr Index width = Simd<Scalar>::panel_width, lanes = Simd<Scalar>::lanes;
    /// The most numbers of a band of the source, and of the panels through which all bands go before the next panels.
    /// They stay in the second cache. Copied panels and a band fit into the thread's scratch, unless a panel is large.
    static constexpr Index in_scratch = static_cast<Index>(ThreadScratch::bytes / sizeof(Scalar));
    static constexpr Index most_of_band = (Index{1} << 16) / static_cast<Index>(sizeof(Scalar));
    static constexpr Index most_of_panels = (Index{1} << 18) / static_cast<Index>(sizeof(Scalar));

    Index in() const { return gradient ? kernels.out : kernels.in; }    // channels of the source, of a group
    Index out() const { return gradient ? kernels.in : kernels.out; }  // of the result
    Index panels_of_group() const { return Panels<Scalar>::count(out()); }
    bool packs() const { return gradient || kernels.groups > 1; }

    Index phases(const ConvolutionAxis& axis) const { return gradient ? axis.phases() : 1; }
    Taps taps(const ConvolutionAxis& axis, Index phase) const {
        return gradient ? axis.gradient(phase) : axis.forward();
    }
    template <class F>
    void for_phases(const F& f) const {
        for (Index y = 0; y < phases(rows); ++y) {
            for (Index x = 0; x < phases(columns); ++x) { f(taps(rows, y), taps(columns, x)); }
        }
    }
    /// Rows of the result that a sample has in the phase with the most.
    Index most_rows() const { return taps(rows, 0).outputs; }

    /// The rows of the source that outputs first to last - 1 of all phases read.
    Range rows_inside(Range outputs) const {
        const Range all = reach(rows, outputs);
        const Index first = std::clamp<Index>(all.first, 0, source.height);
        return {first, std::clamp<Index>(all.last, first, source.height)};
    }

    /// The range of the source, along an axis, that outputs first to last - 1 of all phases read.
    Range reach(const ConvolutionAxis& axis, Range outputs) const {
        Range all{0, 0};
        for (Index phase = 0; phase < phases(axis); ++phase) {
            const Taps taps_here = taps(axis, phase);
            const Index last = std::min(outputs.last, taps_here.outputs) - 1;
            if (taps_here.taps == 0 || last < outputs.first) { continue; }
            const Range here{taps_here.first(outputs.first), taps_here.last(last)};
            all = all.size() == 0 ? here : Range{std::min(all.first, here.first), std::max(all.last, here.last)};
        }
        return all;
    }

    /// Some rows of the source: a copy with zeros around, or the source itself.
    struct Band {
        const Scalar* data;
        Index first_row, first_column;
        Index row, pixel;

        const Scalar* at(Index source_row, Index column) const {
            return data + (source_row - first_row) * row + (column - first_column) * pixel;
        }
    };

    /// Some panels, counted over all groups, of some rows of all samples.
    void part(Range panels, Range outputs) const {
        const Range columns_read = reach(columns, {0, taps(columns, 0).outputs});
        const bool copies = columns_read.first < 0 || columns_read.last > source.width;
        const Index of_panel = kernels.height * kernels.width * in() * width;
        const Index at_once =
            std::clamp<Index>((packs() ? in_scratch / 2 : most_of_panels) / of_panel, 1, panels.size());
        const Index of_packed = packs() ? at_once * of_panel : 0;
        const Index of_row = columns_read.size() * in();
        const Index halo = reach(rows, {0, 1}).size(), advance = taps(rows, 0).stride;
        const Index room = std::clamp(in_scratch - of_packed, most_of_band / 4, most_of_band);
        const Index block =
            !copies ? most_rows()
                    : std::clamp<Index>((room / std::max<Index>(of_row, 1) - halo) / advance + 1, 1, most_rows());
        const Index of_band = copies ? of_row * (halo + (block - 1) * advance) : 0;
        const ThreadScratch::Numbers<Scalar> scratch(static_cast<std::size_t>(of_band + of_packed));
        Scalar* packed = scratch.data() + of_band;

        for (Index p = panels.first; p < panels.last;) {
            const Index group = p / panels_of_group();
            const Index in_group = std::min(panels.last, (group + 1) * panels_of_group());
            const Range chunk{p, std::min(in_group, p + at_once)};
            for (Index i = chunk.first; i < chunk.last && packs(); ++i) { pack(i, packed + (i - p) * of_panel); }
            for (Index first = outputs.first; first < outputs.last;) {
                const Index sample = first / most_rows(), begin = first % most_rows();
                const Range here{begin, std::min({begin + block, most_rows(), begin + outputs.last - first})};
                const Scalar* channels = source.at(sample, 0, 0) + group * in();
                Band band{channels, 0, 0, source.width * source.pixel, source.pixel};
                if (copies) {
                    const Range needed = rows_inside(here);
                    copy_band<Scalar>({channels, source.height, source.width, source.pixel}, 0, needed, columns_read,
                                      in(), scratch.data(), in());
                    band = {scratch.data(), needed.first, columns_read.first, of_row, in()};
                }
                for (Index i = chunk.first; i < chunk.last; ++i) {
                    multiply(i, packed + (i - p) * of_panel, band, sample, here);
                }
                first += here.size();
            }
            p = chunk.last;
        }
    }
    void pack(Index p, Scalar* to) const {
        const Index group = p / panels_of_group(), in_group = p % panels_of_group();
        if (!gradient) { return kernels.pack(group, in_group, to); }
        for_phases([&](const Taps& y, const Taps& x) {
            kernels.pack_transposed(group, in_group, y, x, to);
            to += y.taps * x.taps * in() * width;
        });
    }

    /// One panel of some rows of a sample.
    void multiply(Index p, const Scalar* packed, const Band& band, Index sample, Range outputs) const {
        const Index group = p / panels_of_group(), first = p % panels_of_group() * width;
        const Scalar* b = packs() ? packed : kernels.data + p * kernels.depth() * width;
        std::array<Scalar, static_cast<std::size_t>(width)> start{};
        const Index channel = group * out() + first, count = std::min(width, out() - first);
        if (bias != nullptr) { std::copy_n(bias + channel, count, start.data()); }
        for_phases([&](const Taps& y, const Taps& x) {
            const Index of_tap = x.taps * in();
            for (Index output = outputs.first; output < std::min(outputs.last, y.outputs); ++output) {
                const Range taps = y.inside(output, source.height);
                const Index depth = taps.size() * of_tap;
                const Index first_row = y.first(output) + taps.first * y.spacing;
                const Scalar* from = depth > 0 ? band.at(first_row, x.origin) : nullptr;
                Scalar* to = result.at(sample, y.place + output * y.place_step, x.place) + channel;
                row(x.outputs, depth, windows(from, y, x, band), b + taps.first * of_tap * width, start.data(),
                    {to, x.place_step * result.pixel}, count);
            }
            b += y.taps * of_tap * width;
        });
    }

    WindowRuns<Scalar> windows(const Scalar* from, const Taps& y, const Taps& x, const Band& band) const {
        const bool dense = x.spacing == 1 && band.pixel == in();
        const Index run = dense ? x.taps * in() : in(), runs = dense ? 1 : x.taps;
        const Index next = x.spacing * band.pixel;
        return {from, x.stride * band.pixel, 1, run, runs, next - run,
                y.spacing * band.row - (runs - 1) * next - run};
    }

    /// One row of pixels of the result, and `count` channels of a panel.
    static void row(Index pixels, Index depth, const WindowRuns<Scalar>& a, const Scalar* b, const Scalar* start,
                    PanelRows<Scalar> to, Index count) {
        if (count == width) { return multiply_panel(pixels, depth, a, b, {start, 0}, to); }
        if (count == lanes) { return multiply_panel<1>(pixels, depth, a, b, {start, 0}, to); }
        constexpr Index most = 2 * Simd<Scalar>::tile_height;
        alignas(64) std::array<Scalar, static_cast<std::size_t>(most * width)> buffer;
        for_blocks({0, pixels}, most, [&](Range block) {
            if (count > lanes) {
                multiply_panel(block.size(), depth, a.rows(block.first), b, {start, 0}, {buffer.data(), width});
            } else {
                multiply_panel<1>(block.size(), depth, a.rows(block.first), b, {start, 0}, {buffer.data(), width});
            }
            for (Index i = 0; i < block.size(); ++i) {
                std::copy_n(buffer.data() + i * width, count, to.data + (block.first + i) * to.row);
            }
        });
    }
};

}  // namespace gacc::detail
