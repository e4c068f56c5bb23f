#pragma once

#include <gacc/kernels/convolution_axis.hpp>
#include <gacc/kernels/panels.hpp>

#include <algorithm>

namespace gacc::inline GACC_ABI::detail {

/// The kernels of a convolution as they lie in a parameter: panels of output channels; in a panel, the depth goes
/// through kernel rows, kernel columns and the input channels of a group, in this order.
template <class Scalar>
struct ConvolutionKernels {
    static constexpr Index panel = Simd<Scalar>::panel_width;

    const Scalar* data;
    Index in, out;  // channels of a group
    Index groups;
    Index height, width;

    Index depth() const { return height * width * in; }
    /// The place of kernel `channel`, counted over all groups, at depth k; the next k is `panel` numbers further.
    Index place(Index channel, Index k) const {
        return channel / panel * depth() * panel + k * panel + channel % panel;
    }

    /// Copies panel p of a group: the depth of forward, times output channels. With one group the panels of the
    /// parameter are these already.
    void pack(Index group, Index p, Scalar* to) const {
        const Index first = group * out + p * panel, count = std::min(panel, out - p * panel);
        if (count < panel) { std::fill_n(to, depth() * panel, Scalar(0)); }
        for (Index j = 0; j < count; ++j) {
            const Scalar* from = data + place(first + j, 0);
            for (Index k = 0; k < depth(); ++k) { to[k * panel + j] = from[k * panel]; }
        }
    }

    /// Copies panel p of a group for the gradient by x: for these taps, the output channels, times input channels.
    void pack_transposed(Index group, Index p, const Taps& rows, const Taps& columns, Scalar* to) const {
        const Index count = std::min(panel, in - p * panel);
        for (Index y = 0; y < rows.taps; ++y) {
            for (Index x = 0; x < columns.taps; ++x) {
                const Index tap = (rows.index + y * rows.index_step) * width + columns.index + x * columns.index_step;
                for (Index channel = 0; channel < out;) {  // up to the end of a panel of the parameter
                    const Index first = group * out + channel;
                    const Index here = std::min(out - channel, panel - first % panel);
                    const Strided<Scalar> from{data + place(first, tap * in + p * panel), panel, 1};
                    Panels<Scalar>::transpose(count, here, from, to);
                    channel += here;
                    to += here * panel;
                }
            }
        }
    }
};

}  // namespace gacc::detail
