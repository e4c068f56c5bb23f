#pragma once

#include <gacc/core/types.hpp>
#include <gacc/kernels/map_packets.hpp>
#include <gacc/kernels/packet_arithmetic.hpp>
#include <gacc/kernels/row_sums.hpp>

namespace gacc::inline GACC_ABI::detail {

/// The formulas of the norms, for numbers x that share a mean and a deviation, or for a part of them:
///
///     xhat = (x - mean) / deviation,  y = gain xhat + shift
///     grad_x = (g - mean(g) - xhat mean(g xhat)) / deviation,  g = grad_y gain
///
/// A layer adds the sums of the parts, from the first to the last, and computes the means from them.
///
/// Shapes     x, y, gain, shift and their gradients: `count` numbers side by side
template <class Scalar>
class Normalization {
public:
    /// `scale` is 1 / deviation.
    Normalization(Scalar mean, Scalar scale) : mean_(all(mean)), scale_(all(scale)) {}

    /// The sum of x.
    static Scalar sum(Index count, const Scalar* x) {
        return sum_packets(count, [](const Packet& sum, const Packet& number) { return plus(sum, number); }, x);
    }
    /// The sum of (x - mean)².
    static Scalar sum_of_squares(Index count, const Scalar* x, Scalar mean) {
        const auto add = [center = all(mean)](const Packet& sum, const Packet& number) {
            const Packet apart = minus(number, center);
            return multiply_add(apart, apart, sum);
        };
        return sum_packets(count, add, x);
    }
    /// The sum of g.
    static Scalar sum_of_g(Index count, const Scalar* grad_y, const Scalar* gain) {
        const auto add = [](const Packet& sum, const Packet& g, const Packet& w) { return multiply_add(g, w, sum); };
        return sum_packets(count, add, grad_y, gain);
    }
    /// The sum of g xhat.
    Scalar sum_of_g_xhat(Index count, const Scalar* x, const Scalar* grad_y, const Scalar* gain) const {
        const auto add = [*this](const Packet& sum, const Packet& number, const Packet& g, const Packet& w) {
            return multiply_add(times(g, w), xhat(number), sum);
        };
        return sum_packets(count, add, x, grad_y, gain);
    }

    /// Writes y. `shift` is null if there is no shift.
    void write_y(Index count, Scalar* y, const Scalar* x, const Scalar* gain, const Scalar* shift) const {
        if (shift == nullptr) {
            return map_packets(
                count, [*this](const Packet& number, const Packet& w) { return times(xhat(number), w); }, y, x, gain);
        }
        const auto shifted = [*this](const Packet& number, const Packet& w, const Packet& s) {
            return multiply_add(xhat(number), w, s);
        };
        map_packets(count, shifted, y, x, gain, shift);
    }
    /// Writes grad_x, which may lie over x.
    void write_grad_x(Index count, Scalar* grad_x, const Scalar* x, const Scalar* grad_y, const Scalar* gain,
                      Scalar mean_of_g, Scalar mean_of_g_xhat) const {
        const auto gradient = [*this, minus_mean = all(-mean_of_g), minus_along = all(-mean_of_g_xhat)](
                                  const Packet& number, const Packet& g, const Packet& w) {
            return times(scale_, multiply_add(xhat(number), minus_along, multiply_add(g, w, minus_mean)));
        };
        map_packets(count, gradient, grad_x, x, grad_y, gain);
    }

    /// grad_gain += grad_y xhat
    void add_grad_gain(Index count, Scalar* grad_gain, const Scalar* x, const Scalar* grad_y) const {
        const auto add = [*this](const Packet& sum, const Packet& number, const Packet& g) {
            return multiply_add(g, xhat(number), sum);
        };
        map_packets(count, add, grad_gain, grad_gain, x, grad_y);
    }
    /// grad_shift += grad_y
    static void add_grad_shift(Index count, Scalar* grad_shift, const Scalar* grad_y) {
        map_packets(
            count, [](const Packet& sum, const Packet& g) { return plus(sum, g); }, grad_shift, grad_shift, grad_y);
    }

private:
    using Packet = typename Simd<Scalar>::Packet;

    static Packet all(Scalar number) { return all_lanes<Packet>(number); }
    EIGEN_ALWAYS_INLINE Packet xhat(const Packet& x) const { return times(minus(x, mean_), scale_); }

    Packet mean_, scale_;  // in all lanes; functions use copies, which no store through a pointer can change
};

}  // namespace gacc::detail
