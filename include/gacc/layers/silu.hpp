#pragma once

#include <gacc/kernels/elementary.hpp>
#include <gacc/layers/elementwise.hpp>

namespace gacc::inline GACC_ABI {

namespace detail {

struct SiLUFunction {
    static constexpr bool reads_x = true;

    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet value(const Packet& x) const {
        return times(x, sigmoid(x));
    }
    /// s (1 + x (1 - s)), where s = sigmoid(x)
    template <class Packet>
    EIGEN_ALWAYS_INLINE Packet slope(const Packet& x) const {
        const Packet one = all_lanes<Packet>(1), s = sigmoid(x);
        return times(s, multiply_add(x, minus(one, s), one));
    }
    std::string description() const { return "SiLU"; }
    LayerConfig config() const { return {"SiLU"}; }
};

}  // namespace detail

/// Sigmoid linear unit, also called swish: y = x / (1 + exp(-x)), element by element.
///
/// Gradients  grad_x = grad_y s (1 + x (1 - s)), s = sigmoid(x)
/// Source     Elfwing et al. 2018, arXiv:1702.03118, eq. 12
/// Example    gacc::Sequential model(gacc::Linear(2, 8), gacc::SiLU(), gacc::Linear(8, 1));
template <class Scalar = float>
class SiLU : public Elementwise<Scalar, detail::SiLUFunction> {
public:
    SiLU() = default;
};

}  // namespace gacc
