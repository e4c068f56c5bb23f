#pragma once

#include <gacc/core/buffer.hpp>
#include <gacc/core/random.hpp>
#include <gacc/kernels/convolution_kernels.hpp>
#include <gacc/kernels/padded_band.hpp>

#include "support/gradient_check.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

/// For the tests of convolution kernels: random convolutions, and their results by plain loops.
namespace gacc::test {

template <class Scalar>
bool same_chain(Scalar result, Scalar chain) {
#ifdef __FMA__
    return result == chain;
#else  // two roundings a term instead of one, in chains of less than 1500 terms below 1
    return std::abs(result - chain) <= 3000 * std::numeric_limits<Scalar>::epsilon() * (1 + std::abs(chain));
#endif
}

/// A random convolution with numbers from -1 to 1. Pixels lie apart in memory.
template <class Scalar>
struct RandomConvolution {
    RandomConvolution(Rng& rng, bool depthwise) {
        const auto from = [&](Index least, Index most) {
            return least + static_cast<Index>(rng.below(static_cast<std::uint64_t>(most - least + 1)));
        };
        const auto axis = [&] {
            detail::ConvolutionAxis made{from(1, 10), from(1, 5), from(1, 3), from(0, 3), from(1, 3)};
            while (made.extent() > made.padded()) { ++made.size; }
            return made;
        };
        rows = axis();
        columns = axis();
        const bool square = from(0, 2) == 0;  // the usual case
        if (square) { rows = columns = {from(3, 12), 3, 1, 1, 1}; }
        samples = from(1, 5);
        groups = depthwise ? from(2, 40) : from(0, 2) > 0 ? 1 : from(2, 4);
        in = depthwise ? 1 : from(0, 2) == 0 ? 16 : from(1, 20);
        out = depthwise ? 1 : from(0, 2) == 0 ? 16 : from(1, 40);
        weight = random_matrix<Scalar>(rng, groups * out, depth());
        panels = Buffer<Scalar>(detail::Panels<Scalar>::size(groups * out, depth()));
        detail::Panels<Scalar>::pack(weight, panels.data());
        x = random_matrix<Scalar>(rng, samples * rows.size * columns.size, groups * in + from(0, 1) * from(1, 3));
        grad_y = random_matrix<Scalar>(rng, samples * pixels(), groups * out + from(0, 1) * from(1, 3));
        bias = Buffer<Scalar>(detail::Panels<Scalar>::size(groups * out, 1));
        for (Index i = 0; i < groups * out; ++i) { bias[i] = static_cast<Scalar>(rng.uniform(-1, 1)); }
    }

    Index depth() const { return rows.kernel * columns.kernel * in; }
    Index pixels() const { return rows.outputs() * columns.outputs(); }
    detail::ConvolutionKernels<Scalar> kernels() const {
        return {panels.data(), in, out, groups, rows.kernel, columns.kernel};
    }
    static detail::Images<const Scalar> images(const Matrix<Scalar>& pixels_of, Index height, Index width) {
        return {pixels_of.data(), height, width, pixels_of.cols()};
    }
    detail::Images<const Scalar> images_x() const { return images(x, rows.size, columns.size); }
    detail::Images<const Scalar> images_y() const { return images(grad_y, rows.outputs(), columns.outputs()); }

    /// Calls f(y row, x row or -1 for padding, kernel row, kernel column) for every window, in the order of a chain.
    template <class F>
    void for_windows(const F& f) const {
        for (Index sample = 0; sample < samples; ++sample) {
            for (Index i = 0; i < rows.outputs(); ++i) {
                for (Index j = 0; j < columns.outputs(); ++j) {
                    for (Index a = 0; a < rows.kernel; ++a) {
                        for (Index b = 0; b < columns.kernel; ++b) {
                            const Index p = i * rows.stride + a * rows.dilation - rows.padding;
                            const Index q = j * columns.stride + b * columns.dilation - columns.padding;
                            const bool inside = p >= 0 && q >= 0 && p < rows.size && q < columns.size;
                            f((sample * rows.outputs() + i) * columns.outputs() + j,
                              inside ? (sample * rows.size + p) * columns.size + q : -1, a * columns.kernel + b);
                        }
                    }
                }
            }
        }
    }

    Matrix<Scalar> y(bool with_bias) const {
        Matrix<Scalar> result = Matrix<Scalar>::Zero(samples * pixels(), groups * out);
        if (with_bias) { result.rowwise() += Matrix<Scalar>::Map(bias.data(), 1, groups * out).row(0); }
        for_windows([&](Index to, Index from, Index tap) {
            for (Index c = 0; c < groups * out; ++c) {
                for (Index k = 0; k < in; ++k) {
                    const Scalar number = from < 0 ? Scalar(0) : x(from, c / out * in + k);
                    result(to, c) = std::fma(number, weight(c, tap * in + k), result(to, c));
                }
            }
        });
        return result;
    }
    /// Windows that hold a pixel of x meet it in the order of grad_y.
    Matrix<Scalar> grad_x() const {
        Matrix<Scalar> result = Matrix<Scalar>::Zero(x.rows(), groups * in);
        for_windows([&](Index row, Index to, Index tap) {
            for (Index c = 0; c < groups * in && to >= 0; ++c) {
                for (Index k = 0; k < out; ++k) {
                    const Index channel = c / in * out + k;
                    result(to, c) = std::fma(grad_y(row, channel), weight(channel, tap * in + c % in), result(to, c));
                }
            }
        });
        return result;
    }
    Matrix<Scalar> grad_weight(Matrix<Scalar> sum) const {
        for_windows([&](Index row, Index from, Index tap) {
            for (Index c = 0; c < groups * out && from >= 0; ++c) {
                for (Index k = 0; k < in; ++k) {
                    sum(c, tap * in + k) = std::fma(x(from, c / out * in + k), grad_y(row, c), sum(c, tap * in + k));
                }
            }
        });
        return sum;
    }

    detail::ConvolutionAxis rows, columns;
    Index samples, groups, in, out;  // channels of a group
    Matrix<Scalar> weight;           // groups * out x depth
    Buffer<Scalar> panels, bias;
    Matrix<Scalar> x, grad_y;        // pixels x channels and more
};

/// Whether every element is the chain of multiply-adds.
template <class Scalar>
bool same_chains(const Matrix<Scalar>& results, const Matrix<Scalar>& chains) {
    for (Index i = 0; i < chains.rows(); ++i) {
        for (Index j = 0; j < chains.cols(); ++j) {
            if (!same_chain(results(i, j), chains(i, j))) { return false; }
        }
    }
    return true;
}

/// Checks forward or the gradient by x of `Kernel`, with and without bias, on several threads. Numbers beside the
/// channels of a pixel must stay.
template <template <class> class Kernel, class Scalar>
void check_convolution(Rng& rng, bool depthwise) {
    const RandomConvolution<Scalar> c(rng, depthwise);
    for (const bool gradient : {false, true}) {
        const Matrix<Scalar> chains = gradient ? c.grad_x() : c.y(true);
        Matrix<Scalar> result = Matrix<Scalar>::Constant(chains.rows(), chains.cols() + 3, Scalar(77));
        const Index height = gradient ? c.rows.size : c.rows.outputs();
        const Index width = gradient ? c.columns.size : c.columns.outputs();
        Kernel<Scalar>{c.rows, c.columns, c.kernels(), c.samples, gradient, gradient ? c.images_y() : c.images_x(),
                       {result.data(), height, width, result.cols()}, gradient ? nullptr : c.bias.data()}
            .run();
        CAPTURE(gradient);
        REQUIRE(same_chains<Scalar>(result, chains));
        REQUIRE((result.rightCols(3).array() == Scalar(77)).all());
    }
}

/// Checks the gradient by the kernels, from numbers and from zero.
template <template <class> class Kernel, class Scalar>
void check_weights(Rng& rng, bool depthwise) {
    const RandomConvolution<Scalar> c(rng, depthwise);
    for (const bool from_zero : {false, true}) {
        Matrix<Scalar> start = random_matrix<Scalar>(rng, c.weight.rows(), c.weight.cols());
        Buffer<Scalar> sums(c.panels.size());
        std::ranges::fill(sums.span(), Scalar(from_zero ? 55 : 0));
        if (!from_zero) { detail::Panels<Scalar>::pack(start, sums.data()); }
        Kernel<Scalar>{c.rows, c.columns, c.samples, c.images_x(), c.images_y(), c.kernels(), sums.data(), from_zero}
            .run();
        if (from_zero) { start.setZero(); }
        CAPTURE(from_zero);
        const Matrix<Scalar> result =
            detail::Panels<Scalar>::unpack(sums.data(), c.weight.rows(), c.weight.cols());
        REQUIRE(same_chains<Scalar>(result, c.grad_weight(start)));
        Buffer<Scalar> again(sums.size());
        detail::Panels<Scalar>::pack(result, again.data());
        REQUIRE(std::ranges::equal(again.span(), sums.span()));  // the padding is zero
    }
}

}  // namespace gacc::test
