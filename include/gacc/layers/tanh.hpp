#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/layers/elementwise.hpp>

namespace gacc::inline GACC_ABI {

namespace detail {

struct TanhFunction {
    static constexpr bool reads_x = false;

    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        return hyperbolic_tangent(x);
    }
    /// 1 - y²
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet slope(const Packet& y) const {
        return multiply_add(negated(y), y, all_lanes<Packet>(1));
    }
    std::string description() const { return "Tanh"; }
    LayerConfig config() const { return {"Tanh"}; }
};

}  // namespace detail

/// Hyperbolic tangent: y = tanh(x), element by element.
///
/// Gradients  grad_x = grad_y (1 - y²)
/// Example    gacc::Sequential model(gacc::Linear(2, 8), gacc::Tanh(), gacc::Linear(8, 1));
template <class Scalar = float>
class Tanh : public Elementwise<Scalar, detail::TanhFunction> {
public:
    Tanh() = default;
};

}  // namespace gacc
