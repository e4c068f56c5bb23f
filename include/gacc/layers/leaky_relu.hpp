#pragma once

#include <gacc/layers/elementwise.hpp>

#include <cmath>

namespace gacc::inline GACC_ABI {

struct LeakyReLUOptions {
    double negative_slope = 0.01;  ///< slope of y where x < 0; 0 or more
};

namespace detail {

struct LeakyReLUFunction {
    static constexpr bool reads_x = false;

    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        return choose(is_less(x, all_lanes<Packet>(0)), times(x, all_lanes<Packet>(negative_slope)), x);
    }
    /// y > 0 where x > 0.
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet slope(const Packet& y) const {
        return choose(is_less(all_lanes<Packet>(0), y), all_lanes<Packet>(1), all_lanes<Packet>(negative_slope));
    }
    std::string description() const { return text("LeakyReLU(", negative_slope, ")"); }
    LayerConfig config() const { return {"LeakyReLU", {{"negative_slope", negative_slope}}}; }

    double negative_slope;
};

}  // namespace detail

/// y = x where x > 0, else negative_slope x, element by element. NaN passes through.
///
/// Gradients  grad_x = grad_y where x > 0, else negative_slope grad_y (also at x = 0)
/// Defaults   PyTorch's
/// Throws     UsageError if negative_slope is negative, infinite or NaN
/// Source     Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models"
/// Example    gacc::LeakyReLU layer({.negative_slope = 0.1});
template <class Scalar = float>
class LeakyReLU : public Elementwise<Scalar, detail::LeakyReLUFunction> {
public:
    explicit LeakyReLU(LeakyReLUOptions options = {})
        : Elementwise<Scalar, detail::LeakyReLUFunction>({checked(options.negative_slope)}) {}

private:
    static double checked(double slope) {
        if (!(slope >= 0 && std::isfinite(slope))) {
            throw UsageError("LeakyReLU", detail::text("expected a finite negative_slope of 0 or more, got ", slope));
        }
        return slope;
    }
};

}  // namespace gacc
