#pragma once

#include <gacc/core/view.hpp>
#include <gacc/kernels/column_strips.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>

#include <cstddef>

namespace gacc::inline GACC_ABI::detail {

/// The formulas of a norm over the rows of one sample, for each channel by itself:
///
///     xhat = (x - mean) scale,  y = gain xhat + shift
///     grad_x = scale (grad_y gain + down + xhat along)
///
/// The layer adds the sums of the channels of a group, and gives each channel what its group has.
///
/// Shapes     x, y, grad_y, grad_x: rows x channels;  all others: channels
template <class Scalar>
class ChannelNorm {
public:
    ChannelNorm(Index channels, const Scalar* means, const Scalar* scales)
        : channels_(channels), means_(means), scales_(scales) {}

    /// The sums of x.
    static void sums(const ConstMatrixView<Scalar>& x, Scalar* to) {
        for_strips<Scalar>(x.cols(), [&](const auto& strip) {
            const auto add = [&strip, from = x.data(), stride = x.outerStride()](Index row, auto& sum) {
                const auto here = strip.load(from + row * stride);
                for (std::size_t i = 0; i < here.size(); ++i) { sum[0][i] = plus(sum[0][i], here[i]); }
            };
            strip.store(to, strip_sums<1>(strip, x.rows(), add)[0]);
        });
    }

    /// The sums of (x - mean)².
    static void sums_of_squares(const ConstMatrixView<Scalar>& x, const Scalar* means, Scalar* to) {
        for_strips<Scalar>(x.cols(), [&](const auto& strip) {
            const auto add = [&strip, from = x.data(), stride = x.outerStride(), mean = strip.load(means)](Index row,
                                                                                                     auto& sum) {
                const auto here = strip.load(from + row * stride);
                for (std::size_t i = 0; i < here.size(); ++i) {
                    const auto apart = minus(here[i], mean[i]);
                    sum[0][i] = multiply_add(apart, apart, sum[0][i]);
                }
            };
            strip.store(to, strip_sums<1>(strip, x.rows(), add)[0]);
        });
    }

    void write_y(const ConstMatrixView<Scalar>& x, const Scalar* gains, const Scalar* shifts,
                 MatrixView<Scalar> y) const {
        for_strips<Scalar>(channels_, [&](const auto& strip) {
            const auto mean = strip.load(means_), scale = strip.load(scales_);
            const auto gain = strip.load(gains), shift = strip.load(shifts);
            const Scalar* from = x.data();
            Scalar* to = y.data();
            const Index of_x = x.outerStride(), of_y = y.outerStride(), rows = x.rows();
            for (Index row = 0; row < rows; ++row) {
                auto here = strip.load(from + row * of_x);
                for (std::size_t i = 0; i < here.size(); ++i) {
                    here[i] = multiply_add(times(minus(here[i], mean[i]), scale[i]), gain[i], shift[i]);
                }
                strip.store(to + row * of_y, here);
            }
        });
    }

    /// The sums of grad_y, and of grad_y xhat.
    void sums_of_gradients(const ConstMatrixView<Scalar>& x, const ConstMatrixView<Scalar>& grad_y, Scalar* of_grad_y,
                           Scalar* of_grad_y_xhat) const {
        for_strips<Scalar>(channels_, [&](const auto& strip) {
            const auto add = [&strip, from = x.data(), grads = grad_y.data(), of_x = x.outerStride(),
                              of_y = grad_y.outerStride(), mean = strip.load(means_),
                              scale = strip.load(scales_)](Index row, auto& sums) {
                const auto here = strip.load(from + row * of_x), g = strip.load(grads + row * of_y);
                for (std::size_t i = 0; i < here.size(); ++i) {
                    const auto xhat = times(minus(here[i], mean[i]), scale[i]);
                    sums[0][i] = plus(sums[0][i], g[i]);
                    sums[1][i] = multiply_add(g[i], xhat, sums[1][i]);
                }
            };
            const auto sums = strip_sums<2>(strip, x.rows(), add);
            strip.store(of_grad_y, sums[0]);
            strip.store(of_grad_y_xhat, sums[1]);
        });
    }

    /// grad_x may lie over x.
    void write_grad_x(const ConstMatrixView<Scalar>& x, const ConstMatrixView<Scalar>& grad_y, const Scalar* gains,
                      const Scalar* downs, const Scalar* alongs, MatrixView<Scalar> grad_x) const {
        for_strips<Scalar>(channels_, [&](const auto& strip) {
            const auto mean = strip.load(means_), scale = strip.load(scales_), gain = strip.load(gains);
            const auto down = strip.load(downs), along = strip.load(alongs);
            const Scalar *from = x.data(), *grads = grad_y.data();
            Scalar* to = grad_x.data();
            const Index of_x = x.outerStride(), of_y = grad_y.outerStride(), of_grad_x = grad_x.outerStride();
            const Index rows = x.rows();
            for (Index row = 0; row < rows; ++row) {
                auto here = strip.load(from + row * of_x);
                const auto g = strip.load(grads + row * of_y);
                for (std::size_t i = 0; i < here.size(); ++i) {
                    const auto xhat = times(minus(here[i], mean[i]), scale[i]);
                    const auto rest = multiply_add(g[i], gain[i], down[i]);
                    here[i] = times(scale[i], multiply_add(xhat, along[i], rest));
                }
                strip.store(to + row * of_grad_x, here);
            }
        });
    }

private:
    Index channels_;
    const Scalar *means_, *scales_;
};

}  // namespace gacc::detail
