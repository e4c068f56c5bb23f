#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/layers/elementwise.hpp>

#include <numbers>

namespace gacc::inline GACC_ABI {

/// How GELU computes the normal distribution.
enum class Approximation {
    none,  ///< by the error function
    tanh,  ///< by a tanh, as in GPT-2
};

struct GELUOptions {
    Approximation approximation = Approximation::none;
};

namespace detail {

struct GELUFunction {
    static constexpr bool reads_x = true;

    /// x P(x), where P is the normal distribution.
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        return times(x, distribution(x));
    }
    /// P(x) + x P'(x)
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet slope(const Packet& x) const {
        return multiply_add(x, density(x), distribution(x));
    }
    std::string description() const { return by_tanh ? "GELU(tanh)" : "GELU"; }
    LayerConfig config() const { return {"GELU", {{"approximation", by_tanh ? "tanh" : "none"}}}; }

    bool by_tanh;

private:
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet distribution(const Packet& x) const {
        const Packet half = all_lanes<Packet>(0.5);
        const Packet odd = by_tanh ? hyperbolic_tangent(inner(x))
                                   : error_function(times(x, all_lanes<Packet>(std::numbers::sqrt2 / 2)));
        return multiply_add(half, odd, half);
    }
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet density(const Packet& x) const {
        const Packet square = times(x, x);
        if (!by_tanh) {  // exp(-x² / 2) / sqrt(2 pi)
            return times(exponential(times(square, all_lanes<Packet>(-0.5))),
                         all_lanes<Packet>(std::numbers::inv_sqrtpi * std::numbers::sqrt2 / 2));
        }
        const Packet tanh = hyperbolic_tangent(inner(x));
        const Packet slope_of_tanh = multiply_add(negated(tanh), tanh, all_lanes<Packet>(1));
        const Packet slope_of_inner =
            multiply_add(square, all_lanes<Packet>(3 * cubic * scale), all_lanes<Packet>(scale));
        return times(times(slope_of_tanh, slope_of_inner), all_lanes<Packet>(0.5));
    }
    /// sqrt(2 / pi) (x + 0.044715 x³)
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet inner(const Packet& x) const {
        const Packet factor = multiply_add(times(x, x), all_lanes<Packet>(cubic * scale), all_lanes<Packet>(scale));
        return times(x, factor);
    }

    static constexpr double cubic = 0.044715, scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
};

}  // namespace detail

/// Gaussian error linear unit: y = x P(x), where P(x) = (1 + erf(x / sqrt(2))) / 2, element by element.
///
/// Gradients  grad_x = grad_y (P(x) + x P'(x))
/// Source     Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2
/// Example    gacc::GELU layer;  gacc::GELU as_in_gpt2({.approximation = gacc::Approximation::tanh});
template <class Scalar = float>
class GELU : public Elementwise<Scalar, detail::GELUFunction> {
public:
    explicit GELU(GELUOptions options = {})
        : Elementwise<Scalar, detail::GELUFunction>({options.approximation == Approximation::tanh}) {}
};

}  // namespace gacc
