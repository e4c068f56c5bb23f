#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/layers/elementwise.hpp>

#include <cmath>

namespace gacc::inline GACC_ABI {

struct ELUOptions {
    double alpha = 1;  ///< y approaches -alpha for large negative x; more than 0
};

namespace detail {

struct ELUFunction {
    static constexpr bool reads_x = false;

    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        const Packet all_alpha = all_lanes<Packet>(alpha);
        const Packet below = multiply_add(all_alpha, exponential(x), negated(all_alpha));
        return choose(is_at_most(x, all_lanes<Packet>(0)), below, x);
    }
    /// 1 where y > 0, else alpha exp(x) = y + alpha.
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet slope(const Packet& y) const {
        return choose(is_less(all_lanes<Packet>(0), y), all_lanes<Packet>(1), plus(y, all_lanes<Packet>(alpha)));
    }
    std::string description() const { return text("ELU(", alpha, ")"); }
    LayerConfig config() const { return {"ELU", {{"alpha", alpha}}}; }

    double alpha;
};

}  // namespace detail

/// Exponential linear unit: y = x where x > 0, else alpha (exp(x) - 1), element by element.
///
/// Gradients  grad_x = grad_y where x > 0, else grad_y (y + alpha)
/// Defaults   PyTorch's
/// Throws     UsageError unless alpha is finite and larger than 0
/// Source     Clevert et al. 2016, arXiv:1511.07289, eq. 15
/// Example    gacc::ELU layer({.alpha = 0.5});
template <class Scalar = float>
class ELU : public Elementwise<Scalar, detail::ELUFunction> {
public:
    explicit ELU(ELUOptions options = {}) : Elementwise<Scalar, detail::ELUFunction>({checked(options.alpha)}) {}

private:
    static double checked(double alpha) {
        if (!(alpha > 0 && std::isfinite(alpha))) {
            throw UsageError("ELU", detail::text("expected a finite alpha larger than 0, got ", alpha));
        }
        return alpha;
    }
};

}  // namespace gacc
